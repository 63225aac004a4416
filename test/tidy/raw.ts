import ts from 'typescript';
import { type Finding, finding, parse, type Rule, under, walk, walkBody } from './rule.js';

const headings = ['Word', 'States', 'Transitions', 'Invariants', 'Order'];
const full = headings.map((heading) => ` * **${heading}**: text`).join('\n');

function isHeading(line: string, heading: string): boolean {
  const text = line.replace(/^[\s/*]*(#+\s+)?\**/, '');
  return text.startsWith(heading) && !/^\w/.test(text.slice(heading.length));
}

export const protocolComment: Rule = {
  name: 'a file of src/raw opens with its protocol',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src/raw')) {
      const ranges = ts.getLeadingCommentRanges(source.text, 0) ?? [];
      const lines = ranges.flatMap(({ pos, end }) => source.text.slice(pos, end).split('\n'));
      let from = 0;
      for (const heading of headings) {
        const line = lines.findIndex((text, i) => i >= from && isHeading(text, heading));
        if (line === -1) {
          findings.push(finding(source, 0, `the first comment lacks **${heading}**; give it ${headings.join(', ')}, in this order`));
        } else {
          from = line + 1;
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/raw/mutex.ts': 'export {};' },
    { 'src/raw/mutex.ts': `/**\n${full.replace('Invariants', 'Rules')}\n */\nexport {};` },
    { 'src/raw/mutex.ts': `export {};\n/**\n${full}\n */` },
    { 'src/raw/mutex.ts': '/** Wordy. States, Transitions, Invariants, Order */\nexport {};' },
  ],
  accepts: [
    { 'src/raw/mutex.ts': `/**\n${full}\n */\nexport {};` },
    { 'src/raw/mutex.ts': `/**\n * A mutex.\n *\n${full.replaceAll('**:', '**\n * ')}\n */\nexport {};` },
  ],
};

const freeNumbers = new Set(['-1', '0', '1', '2']);

const bitOperators = new Set([
  ts.SyntaxKind.AmpersandToken,
  ts.SyntaxKind.BarToken,
  ts.SyntaxKind.CaretToken,
  ts.SyntaxKind.LessThanLessThanToken,
  ts.SyntaxKind.GreaterThanGreaterThanToken,
  ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken,
  ts.SyntaxKind.AmpersandEqualsToken,
  ts.SyntaxKind.BarEqualsToken,
  ts.SyntaxKind.CaretEqualsToken,
  ts.SyntaxKind.LessThanLessThanEqualsToken,
  ts.SyntaxKind.GreaterThanGreaterThanEqualsToken,
  ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken,
]);

/** `const SPIN_ROUNDS = 1000` at the top of a file names a plain number. */
function isNamed(literal: ts.Node): boolean {
  const value = isNegated(literal) ? literal.parent : literal;
  const declaration = value.parent;
  return (
    ts.isVariableDeclaration(declaration) &&
    ts.isVariableStatement(declaration.parent.parent) &&
    ts.isSourceFile(declaration.parent.parent.parent) &&
    (declaration.parent.flags & ts.NodeFlags.Const) !== 0
  );
}

function isNegated(literal: ts.Node): boolean {
  return ts.isPrefixUnaryExpression(literal.parent) && literal.parent.operator === ts.SyntaxKind.MinusToken;
}

/** `x & 1` is a mask; `x | 0`, `x >>> 0` and `1 << index` are not. */
function isMask(literal: ts.NumericLiteral | ts.BigIntLiteral): boolean {
  let operand: ts.Node = literal;
  while (ts.isParenthesizedExpression(operand.parent) || ts.isPrefixUnaryExpression(operand.parent)) {
    if (ts.isPrefixUnaryExpression(operand.parent) && operand.parent.operator === ts.SyntaxKind.TildeToken) return true;
    operand = operand.parent;
  }
  const operation = operand.parent;
  if (!ts.isBinaryExpression(operation) || !bitOperators.has(operation.operatorToken.kind)) return false;
  if (literal.text === '0') return false;
  const shiftsOne = operation.operatorToken.kind === ts.SyntaxKind.LessThanLessThanToken && operation.left === operand;
  return !(shiftsOne && literal.text === '1' && !ts.isNumericLiteral(operation.right));
}

export const noRawNumbers: Rule = {
  name: 'src/raw has no raw offsets and masks',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src/raw')) {
      for (const node of walk(source)) {
        if (!ts.isNumericLiteral(node) && !ts.isBigIntLiteral(node)) continue;
        const written = node.getText(source);
        if (/^0[xbo]/i.test(written) || isMask(node)) {
          findings.push(finding(source, node, `raw mask ${written}; import its name from native-layout`));
        } else if (!freeNumbers.has(isNegated(node) ? `-${written}` : written) && !isNamed(node)) {
          findings.push(
            finding(source, node, `raw number ${written}; import an offset from native-layout, name a tuning number at the top of the file`),
          );
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/raw/mutex.ts': 'const held = word & 1;' },
    { 'src/raw/mutex.ts': 'word |= 2;' },
    { 'src/raw/mutex.ts': 'const next = word & ~1;' },
    { 'src/raw/mutex.ts': 'const owner = word >>> (16);' },
    { 'src/raw/mutex.ts': 'const HELD = 1 << 2;' },
    { 'src/raw/mutex.ts': 'const HELD = 0x1;' },
    { 'src/raw/mutex.ts': 'words.load(base + 8);' },
    { 'src/raw/mutex.ts': 'f(-2);' },
    { 'src/raw/mutex.ts': 'function f() { const rounds = 100; }' },
  ],
  accepts: [
    { 'src/raw/mutex.ts': 'const SPIN_ROUNDS = 1_000;\nexport const TIMED_OUT = -2;\nexport const next = (x | 0) + 2 - 1;' },
    { 'src/raw/mutex.ts': 'words.load(base + WORD) & HELD; f(-1); const bit = 1 << index;' },
  ],
};

export const plainFunctions: Rule = {
  name: 'src/raw has functions only: no classes, throwing or allocation',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src/raw')) {
      for (const node of walk(source)) {
        if (ts.isClassLike(node)) findings.push(finding(source, node, 'class; put it into src/locks over functions of (words, base, self)'));
        if (ts.isThrowStatement(node)) findings.push(finding(source, node, 'throws; return an outcome and let src/locks throw'));
        if (ts.isNewExpression(node)) findings.push(finding(source, node, 'allocates; take it as a parameter'));
        if (!ts.isFunctionLike(node)) continue;
        for (const part of walkBody(node)) {
          if (ts.isObjectLiteralExpression(part) || ts.isArrayLiteralExpression(part) || ts.isArrowFunction(part) || ts.isFunctionExpression(part)) {
            findings.push(finding(source, part, 'allocates in a function; return a small integer, or take it as a parameter'));
          }
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/raw/mutex.ts': 'export class Mutex {}' },
    { 'src/raw/mutex.ts': 'export function f() { throw error; }' },
    { 'src/raw/mutex.ts': 'const words = new Int32Array(1);' },
    { 'src/raw/mutex.ts': 'export function f() { return { held: 1 }; }' },
    { 'src/raw/mutex.ts': 'export const f = () => [1, 2];' },
    { 'src/raw/mutex.ts': 'export function f() { g(() => 1); }' },
  ],
  accepts: [{ 'src/raw/mutex.ts': 'export const OUTCOME = { held: 1 } as const; export function f(x: number) { return x; }' }],
};

export const modelWithMutants: Rule = {
  name: 'a file of src/raw has a model test with mutants',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src/raw')) {
      const path = source.fileName.replace('src/raw/', 'test/model/').replace(/\.ts$/, '.test.ts');
      const text = tree.get(path);
      if (text === undefined) {
        findings.push(finding(source, 0, `has no model test; write ${path}`));
        continue;
      }
      const model = parse(path, text);
      const listed = [...walk(model)].some(
        (node) =>
          ts.isVariableDeclaration(node) &&
          node.name.getText(model) === 'mutants' &&
          node.initializer !== undefined &&
          [...walk(node.initializer)].some(
            (part) =>
              (ts.isArrayLiteralExpression(part) && part.elements.length > 0) ||
              (ts.isObjectLiteralExpression(part) && part.properties.length > 0),
          ),
      );
      if (!listed) findings.push(finding(model, 0, 'declares no `mutants`; list the broken variants that the model must catch'));
    }
    return findings;
  },
  refuses: [
    { 'src/raw/mutex.ts': '' },
    { 'src/raw/mutex.ts': '', 'test/model/mutex.test.ts': "test('explores', () => {});" },
    { 'src/raw/mutex.ts': '', 'test/model/mutex.test.ts': 'const mutants = [];' },
    { 'src/raw/mutex.ts': '', 'test/model/mutex.test.ts': '// const mutants = [dropWake];' },
  ],
  accepts: [
    { 'src/raw/mutex.ts': '', 'test/model/mutex.test.ts': "const mutants = ['drop the wake'] as const;" },
    { 'src/raw/mutex.ts': '', 'test/model/mutex.test.ts': 'const mutants: Mutant[] = defineMutants({ dropWake: [1] });' },
  ],
};
