import ts from 'typescript';
import { type Finding, finding, type Rule, type Tree, under, walk, walkBody } from './rule.js';

function* testFiles(tree: Tree): Generator<ts.SourceFile> {
  for (const source of under(tree, 'test')) if (!source.fileName.startsWith('test/harness/')) yield source;
}

function name(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text;
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : '';
}

/** `setTimeout(resolve, 50)` or `setTimeout(() => resolve(), 50)`. */
function isTimerOf(call: ts.Expression, resolve: string): boolean {
  if (!ts.isCallExpression(call) || name(call.expression) !== 'setTimeout') return false;
  const [fn, ms] = call.arguments;
  if (!fn || !ms || (ts.isNumericLiteral(ms) && ms.text === '0')) return false;
  if (name(fn) === resolve) return true;
  if (!ts.isArrowFunction(fn) && !ts.isFunctionExpression(fn)) return false;
  const only = onlyExpression(fn.body);
  return only !== undefined && ts.isCallExpression(only) && name(only.expression) === resolve;
}

function onlyExpression(body: ts.ConciseBody): ts.Expression | undefined {
  if (!ts.isBlock(body)) return body;
  const [statement] = body.statements;
  if (body.statements.length !== 1 || !statement) return undefined;
  if (ts.isExpressionStatement(statement) || ts.isReturnStatement(statement)) return statement.expression;
  return undefined;
}

/** `new Promise` that only waits for a timer. */
function isSleep(node: ts.Node): boolean {
  if (!ts.isNewExpression(node) || name(node.expression) !== 'Promise') return false;
  const executor = node.arguments?.[0];
  if (!executor || (!ts.isArrowFunction(executor) && !ts.isFunctionExpression(executor))) return false;
  const resolve = executor.parameters[0]?.name;
  const only = onlyExpression(executor.body);
  return resolve !== undefined && ts.isIdentifier(resolve) && only !== undefined && isTimerOf(only, resolve.text);
}

/** In `Promise.race([work, timer])` the timer is a limit. */
function isRaced(node: ts.Node): boolean {
  const list = node.parent;
  return ts.isArrayLiteralExpression(list) && ts.isCallExpression(list.parent) && name(list.parent.expression) === 'race';
}

/** Names under which a file has the promised `setTimeout` of `node:timers/promises`. */
function promisedTimers(source: ts.SourceFile): Set<string> {
  const names = new Set(['sleep', 'delay']);
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    if (!/^(node:)?timers\/promises$/.test(statement.moduleSpecifier.text)) continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings && ts.isNamedImports(bindings)) {
      for (const element of bindings.elements) {
        if ((element.propertyName ?? element.name).text === 'setTimeout') names.add(element.name.text);
      }
    } else {
      names.add('setTimeout');
    }
  }
  return names;
}

export const noSleeping: Rule = {
  name: 'tests do not sleep to synchronise',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of testFiles(tree)) {
      const timers = promisedTimers(source);
      for (const node of walk(source)) {
        const sleeps =
          (isSleep(node) && !isRaced(node)) ||
          (ts.isAwaitExpression(node) && ts.isCallExpression(node.expression) && timers.has(name(node.expression.expression)));
        if (sleeps) {
          findings.push(
            finding(source, node, 'sleeps; wait for the state itself (a message, a word, a helper of test/harness), or use setImmediate for a turn of the loop'),
          );
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'test/mutex.test.ts': 'await new Promise((resolve) => setTimeout(resolve, 50));' },
    { 'test/mutex.test.ts': 'await new Promise<void>((done) => { setTimeout(() => done(), 50); });' },
    { 'test/fixtures/hold.mjs': 'const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));' },
    { 'test/mutex.test.ts': "import { setTimeout as rest } from 'node:timers/promises';\nawait rest(50);" },
    { 'test/mutex.test.ts': "import * as timers from 'node:timers/promises';\nawait timers.setTimeout(50);" },
    { 'test/mutex.test.ts': 'await sleep(50);' },
  ],
  accepts: [
    { 'test/harness/until.ts': 'await new Promise((resolve) => setTimeout(resolve, 5));' },
    { 'test/mutex.test.ts': 'await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 50))]);' },
    { 'test/mutex.test.ts': 'await new Promise((_, reject) => setTimeout(() => reject(new Error("late")), 50));' },
    { 'test/mutex.test.ts': 'setTimeout(() => token.cancel(), 50); await new Promise((resolve) => setTimeout(resolve, 0));' },
  ],
};

export const noSilentPass: Rule = {
  name: 'tests do not return early',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of testFiles(tree)) {
      for (const node of walk(source)) {
        if (!ts.isCallExpression(node) || !/^(test|it)\b/.test(node.expression.getText(source))) continue;
        for (const argument of node.arguments) {
          if (!ts.isArrowFunction(argument) && !ts.isFunctionExpression(argument)) continue;
          for (const part of walkBody(argument)) {
            if (ts.isReturnStatement(part) && !part.expression) {
              findings.push(finding(source, part, 'returns early and passes; use test.skipIf(condition), or expect the condition'));
            }
          }
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'test/mutex.test.ts': "test('dies', () => { if (!supported) return; expect(1).toBe(1); });" },
    { 'test/mutex.test.ts': "it.each([1])('dies', async (n) => { if (n) { return; } });" },
  ],
  accepts: [
    { 'test/mutex.test.ts': "test.skipIf(!supported)('dies', () => { list.forEach((n) => { if (n) return; expect(n).toBe(0); }); });" },
    { 'test/mutex.test.ts': "test('dies', () => { return expect(p).resolves.toBe(1); });" },
  ],
};

function isWorkerText(argument: ts.Expression): boolean {
  const given = ts.isNewExpression(argument) && name(argument.expression) === 'URL' ? argument.arguments?.[0] : argument;
  if (given && /^['"`](data|blob):/.test(given.getText())) return true;
  if (!ts.isObjectLiteralExpression(argument)) return false;
  return argument.properties.some(
    (property) =>
      ts.isPropertyAssignment(property) &&
      property.name.getText() === 'eval' &&
      property.initializer.kind === ts.SyntaxKind.TrueKeyword,
  );
}

export const workersAreFiles: Rule = {
  name: 'workers are files',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src', 'test', 'bench', 'examples')) {
      for (const node of walk(source)) {
        if (!ts.isNewExpression(node) || name(node.expression) !== 'Worker') continue;
        if (node.arguments?.some(isWorkerText)) {
          findings.push(finding(source, node, 'worker made from a string; give it a file, in tests one under test/fixtures'));
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'test/mutex.test.ts': "new Worker('1 + 1', { eval: true });" },
    { 'bench/main.ts': "new threads.Worker(new URL('data:text/javascript,1'));" },
    { 'examples/orchestrator/main.ts': 'new Worker(new URL(`data:text/javascript,${code}`), { workerData });' },
  ],
  accepts: [{ 'test/mutex.test.ts': "new Worker(new URL('./fixtures/hold.mjs', import.meta.url), { eval: false });" }],
};
