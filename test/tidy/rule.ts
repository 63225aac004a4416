import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Paths relative to the repository, with `/`, and the text of each file. */
export type Tree = ReadonlyMap<string, string>;

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  check(tree: Tree): Finding[];
  /** Samples that the rule must refuse, each in one place at least. */
  readonly refuses: readonly Record<string, string>[];
  /** Samples that it must let pass. */
  readonly accepts: readonly Record<string, string>[];
}

const roots = ['src', 'native-layout', 'test', 'bench', 'examples'];
const ignored = new Set(['dist', 'node_modules']);
const codeFile = /\.[cm]?[jt]sx?$/;

export function readTree(repository: string): Tree {
  const tree = new Map<string, string>();
  const read = (folder: string): void => {
    for (const entry of readdirSync(join(repository, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!ignored.has(entry.name)) read(path);
      } else if (codeFile.test(entry.name)) {
        tree.set(path, readFileSync(join(repository, path), 'utf8'));
      }
    }
  };
  for (const root of roots) if (existsSync(join(repository, root))) read(root);
  return tree;
}

const parsed = new Map<string, ts.SourceFile>();

export function parse(path: string, text: string): ts.SourceFile {
  const known = parsed.get(path);
  if (known?.text === text) return known;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  parsed.set(path, source);
  return source;
}

export function* under(tree: Tree, ...folders: string[]): Generator<ts.SourceFile> {
  for (const [path, text] of tree) {
    if (folders.some((folder) => path.startsWith(`${folder}/`))) yield parse(path, text);
  }
}

/** `node` and everything below it. */
export function* walk(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of children(node)) yield* walk(child);
}

/** Like `walk`, but stays out of the functions inside `node`. */
export function* walkBody(node: ts.Node): Generator<ts.Node> {
  for (const child of children(node)) {
    yield child;
    if (!ts.isFunctionLike(child)) yield* walkBody(child);
  }
}

function children(node: ts.Node): ts.Node[] {
  const found: ts.Node[] = [];
  ts.forEachChild(node, (child) => {
    found.push(child);
  });
  return found;
}

export interface Comment {
  readonly pos: number;
  readonly text: string;
}

export function comments(source: ts.SourceFile): Comment[] {
  const found = new Map<number, Comment>();
  const add = (pos: number, end: number): void => {
    found.set(pos, { pos, text: source.text.slice(pos, end) });
  };
  // Comments lie before a token or after it on its line; the text of templates and strings is neither.
  const visit = (node: ts.Node): void => {
    const below = node.getChildren(source).filter((child) => child.kind !== ts.SyntaxKind.JSDoc);
    if (below.length > 0) {
      below.forEach(visit);
      return;
    }
    ts.forEachLeadingCommentRange(source.text, node.pos, add);
    ts.forEachTrailingCommentRange(source.text, node.end, add);
  };
  visit(source);
  return [...found.values()].sort((a, b) => a.pos - b.pos);
}

export function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}

export function finding(source: ts.SourceFile, at: ts.Node | number, message: string): Finding {
  const pos = typeof at === 'number' ? at : at.getStart(source);
  return { path: source.fileName, line: source.getLineAndCharacterOfPosition(pos).line + 1, message };
}
