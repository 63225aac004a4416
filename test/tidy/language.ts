import ts from 'typescript';
import { comments, type Finding, finding, hasModifier, parse, type Rule, type Tree, under, walk } from './rule.js';

const code = ['src', 'native-layout'];
const everything = ['src', 'native-layout', 'test', 'bench', 'examples'];

function isAmbient(node: ts.Node): boolean {
  for (let at = node; !ts.isSourceFile(at); at = at.parent) if (hasModifier(at, ts.SyntaxKind.DeclareKeyword)) return true;
  return node.getSourceFile().isDeclarationFile;
}

export const erasableLanguage: Rule = {
  name: 'no enums, namespaces, default exports or setters',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code)) {
      for (const node of walk(source)) {
        if (ts.isEnumDeclaration(node)) {
          findings.push(finding(source, node, 'enum; use a union of strings or an `as const` object'));
        } else if (ts.isModuleDeclaration(node) && !isAmbient(node)) {
          findings.push(finding(source, node, 'namespace; use the exports of a file'));
        } else if (ts.isSetAccessorDeclaration(node)) {
          findings.push(finding(source, node, 'setter; use a method whose name says what it does'));
        } else if (
          ts.isExportAssignment(node) ||
          hasModifier(node, ts.SyntaxKind.DefaultKeyword) ||
          (ts.isExportSpecifier(node) && node.name.text === 'default')
        ) {
          findings.push(finding(source, node, 'default export; export it by name'));
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/locks/mutex.ts': 'export enum State { Free }' },
    { 'src/locks/mutex.ts': 'const enum State { Free }' },
    { 'src/locks/mutex.ts': 'export namespace Mutex { export const x = 1; }' },
    { 'src/locks/mutex.ts': 'export default 1;' },
    { 'src/locks/mutex.ts': 'export default class {}' },
    { 'src/locks/mutex.ts': 'const a = 1; export { a as default };' },
    { 'native-layout/slot.ts': 'export default function f() {}' },
    { 'src/locks/mutex.ts': 'class A { set held(value: number) {} }' },
  ],
  accepts: [
    { 'src/shm/atomics.ts': 'declare namespace WebAssembly { class Memory {} }\ndeclare global { interface A {} }' },
    { 'src/locks/mutex.ts': 'export const a = 1; class B { get held() { return 1; } }' },
  ],
};

function isBoolean(type: ts.TypeNode | undefined): boolean {
  if (!type) return false;
  if (type.kind === ts.SyntaxKind.BooleanKeyword) return true;
  if (ts.isParenthesizedTypeNode(type)) return isBoolean(type.type);
  if (ts.isUnionTypeNode(type)) return type.types.some(isBoolean);
  return ts.isLiteralTypeNode(type) && isBooleanLiteral(type.literal);
}

function isBooleanLiteral(node: ts.Node | undefined): boolean {
  return node?.kind === ts.SyntaxKind.TrueKeyword || node?.kind === ts.SyntaxKind.FalseKeyword;
}

/** The functions that a file hands out: exported ones, and the methods of exported classes, interfaces and objects. */
function* exportedFunctions(source: ts.SourceFile): Generator<ts.SignatureDeclaration> {
  const exportedLater = new Set<string>();
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)) {
      for (const element of statement.exportClause.elements) exportedLater.add((element.propertyName ?? element.name).text);
    }
  }
  const isExported = (node: ts.Node, name: ts.Node | undefined): boolean =>
    hasModifier(node, ts.SyntaxKind.ExportKeyword) || (name !== undefined && ts.isIdentifier(name) && exportedLater.has(name.text));

  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement)) {
      if (isExported(statement, statement.name)) yield statement;
    } else if (ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement)) {
      if (!isExported(statement, statement.name)) continue;
      for (const member of statement.members) {
        if (!ts.isFunctionLike(member) || hasModifier(member, ts.SyntaxKind.PrivateKeyword)) continue;
        if (member.name && ts.isPrivateIdentifier(member.name)) continue;
        yield member;
      }
    } else if (ts.isTypeAliasDeclaration(statement) && ts.isFunctionTypeNode(statement.type)) {
      if (isExported(statement, statement.name)) yield statement.type;
    } else if (ts.isVariableStatement(statement)) {
      for (const { name, initializer } of statement.declarationList.declarations) {
        if (!initializer || !isExported(statement, name)) continue;
        if (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) yield initializer;
        if (!ts.isObjectLiteralExpression(initializer)) continue;
        for (const property of initializer.properties) {
          if (ts.isMethodDeclaration(property)) yield property;
          else if (ts.isPropertyAssignment(property) && ts.isArrowFunction(property.initializer)) yield property.initializer;
        }
      }
    }
  }
}

export const noBooleanParameters: Rule = {
  name: 'exported functions take no booleans',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'src')) {
      for (const signature of exportedFunctions(source)) {
        for (const parameter of signature.parameters) {
          if (!isBoolean(parameter.type) && !isBooleanLiteral(parameter.initializer)) continue;
          findings.push(
            finding(source, parameter, `boolean parameter '${parameter.name.getText(source)}'; use a union of words, an option by name, or two functions`),
          );
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/raw/mutex.ts': 'export function acquire(words: Int32Array, fair: boolean) {}' },
    { 'src/raw/mutex.ts': 'export const acquire = (fair?: boolean | undefined) => {};' },
    { 'src/raw/mutex.ts': 'function acquire(fair = false) {}\nexport { acquire };' },
    { 'src/locks/mutex.ts': 'export class Mutex { acquire(fair: boolean) {} }' },
    { 'src/locks/mutex.ts': 'export class Mutex { constructor(fair: true | "maybe") {} }' },
    { 'src/locks/mutex.ts': 'export interface Lock { acquire(fair: boolean): void }' },
    { 'src/locks/mutex.ts': 'export const lock = { acquire(fair: boolean) {} };' },
  ],
  accepts: [
    { 'src/locks/mutex.ts': 'export function acquire(options: { fair: boolean }) {}' },
    { 'src/locks/mutex.ts': 'function acquire(fair: boolean) {}' },
    { 'src/locks/mutex.ts': 'export function waitFor(predicate: () => boolean): boolean { return predicate(); }' },
    { 'src/locks/mutex.ts': 'export class Mutex { #acquire(fair: boolean) {} private wait(fair: boolean) {} }' },
  ],
};

export const noEscapeFromTypes: Rule = {
  name: 'no `as any`, no silenced errors',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...everything)) {
      for (const node of walk(source)) {
        if (!ts.isAsExpression(node) && !ts.isTypeAssertionExpression(node)) continue;
        for (const part of walk(node.type)) {
          if (part.kind !== ts.SyntaxKind.AnyKeyword) continue;
          findings.push(finding(source, part, 'asserts `any`; name the type, or assert `unknown` and narrow it'));
        }
      }
      for (const { pos, text } of comments(source)) {
        const directive = /@ts-(ignore|nocheck)/.exec(text)?.[0];
        if (directive) findings.push(finding(source, pos, `${directive}; use @ts-expect-error with a reason, or mend the type`));
      }
    }
    return findings;
  },
  refuses: [
    { 'src/locks/mutex.ts': 'const x = y as any;' },
    { 'test/mutex.test.ts': 'const x = <any>y;' },
    { 'bench/main.ts': 'const x = y as Record<string, any>;' },
    { 'src/locks/mutex.ts': '// @ts-ignore\nconst x = 1;' },
    { 'test/mutex.test.ts': 'call(1 /* @ts-ignore */);' },
    { 'test/mutex.test.ts': '// @ts-nocheck' },
  ],
  accepts: [
    { 'src/locks/mutex.ts': 'const x = y as unknown; const text = `as any // @ts-ignore`;' },
    { 'test/mutex.test.ts': '// @ts-expect-error: 3 is no name\nmutex(3);' },
  ],
};

/** Resolves the relative imports of `tree` and nothing else. */
function programOf(tree: Tree, entry: string): ts.Program {
  const at = (path: string): string => path.replace(/^\//, '');
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noLib: true,
    types: [],
  };
  const host: ts.CompilerHost = {
    fileExists: (path) => tree.has(at(path)),
    readFile: (path) => tree.get(at(path)),
    getSourceFile: (path) => (tree.has(at(path)) ? parse(path, tree.get(at(path))!) : undefined),
    getDefaultLibFileName: () => 'lib.d.ts',
    writeFile: () => undefined,
    getCurrentDirectory: () => '/',
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
  };
  return ts.createProgram([`/${entry}`], options, host);
}

function undocumented(tree: Tree, entry: string): Finding[] {
  const program = programOf(tree, entry);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(`/${entry}`)!;
  const module = checker.getSymbolAtLocation(source);
  const findings: Finding[] = [];
  for (const exported of module ? checker.getExportsOfModule(module) : []) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    if (symbol.getDocumentationComment(checker).length > 0) continue;
    const declaration = symbol.declarations?.[0] ?? exported.declarations?.[0] ?? source;
    const file = declaration.getSourceFile();
    const message = `'${exported.name}' is public and has no docstring; begin with one sentence that says what it is for`;
    findings.push({ ...finding(file, declaration, message), path: file.fileName.slice(1) });
  }
  return findings;
}

const entries = ['src/index.ts', 'src/faces/decorators.ts', 'src/faces/testing.ts'];

export const documentedExports: Rule = {
  name: 'every export of an entry point has a docstring',
  check: (tree) => entries.filter((entry) => tree.has(entry)).flatMap((entry) => undocumented(tree, entry)),
  refuses: [
    { 'src/index.ts': 'export const version = 1;' },
    { 'src/faces/testing.ts': 'export const version = 1;' },
    { 'src/index.ts': "export { Mutex } from './locks/mutex.js';", 'src/locks/mutex.ts': 'export class Mutex {}' },
    { 'src/index.ts': "export * from './locks/mutex.js';", 'src/locks/mutex.ts': '// A mutex.\nexport class Mutex {}' },
    { 'src/index.ts': "export type { Lock } from './contract/lock.js';", 'src/contract/lock.ts': '/** @internal */\nexport interface Lock {}' },
    { 'src/index.ts': "export { Mutex } from './locks/missing.js';" },
  ],
  accepts: [
    { 'src/index.ts': "export { Mutex as Lock } from './locks/mutex.js';", 'src/locks/mutex.ts': '/** One at a time. */\nexport class Mutex {}' },
    { 'src/index.ts': "export * from './locks/mutex.js';", 'src/locks/mutex.ts': '/** One at a time. */\nexport const mutex = 1;' },
  ],
};
