import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import ts from 'typescript';
import { type Finding, finding, type Rule, under, walk } from './rule.js';

interface Folder {
  readonly layer: number;
  /** Imports nothing outside itself but these. */
  readonly only?: readonly string[];
}

/** A file belongs to the folder that is the longest start of its path. */
const folders: Readonly<Record<string, Folder>> = {
  'native-layout': { layer: 0, only: [] },
  'src/shm': { layer: 1 },
  'src/contract': { layer: 1, only: [] },
  'src/host': { layer: 1 },
  'src/park': { layer: 2 },
  'src/raw': { layer: 3 },
  'src/deadlock': { layer: 4 },
  'src/agent': { layer: 4 },
  'src/registry': { layer: 4 },
  'src/manager': { layer: 6 },
  'src/locks': { layer: 5 },
  'src/backends': { layer: 5, only: ['src/contract'] },
  'src/faces': { layer: 7 },
  'src/index.ts': { layer: 8 },
};

/** Only these may import packages, which are optional peers of ours. */
const mayImportPackages = ['src/backends', 'src/faces'];

const memory = new Set(['SharedArrayBuffer', 'ArrayBuffer', 'DataView', 'Int32Array', 'Uint32Array', 'WebAssembly']);

const code = ['src', 'native-layout'];

function folderOf(path: string): string | undefined {
  return Object.keys(folders)
    .filter((folder) => path === folder || path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
}

interface Import {
  readonly node: ts.Node;
  readonly to: string;
}

/** Static, dynamic, type-only and re-exporting imports, and `require`. */
function* imports(source: ts.SourceFile): Generator<Import> {
  for (const node of walk(source)) {
    let to: ts.Node | undefined;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) to = node.moduleSpecifier;
    else if (ts.isExternalModuleReference(node)) to = node.expression;
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) to = node.argument.literal;
    else if (ts.isCallExpression(node)) {
      const called = node.expression;
      const isImport = called.kind === ts.SyntaxKind.ImportKeyword;
      if (isImport || (ts.isIdentifier(called) && called.text === 'require')) to = node.arguments[0];
    }
    if (to && ts.isStringLiteralLike(to)) yield { node, to: to.text };
  }
}

function isBuiltin(to: string): boolean {
  return to.startsWith('node:') || builtinModules.includes(to);
}

export const layers: Rule = {
  name: 'a layer imports lower layers or its own folder',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code)) {
      const path = source.fileName;
      const from = folderOf(path);
      if (from === undefined) {
        findings.push(finding(source, 0, `no layer holds this file; move it to one of ${Object.keys(folders).join(', ')}`));
        continue;
      }
      const { layer, only } = folders[from]!;
      for (const { node, to } of imports(source)) {
        if (isBuiltin(to)) continue;
        if (!to.startsWith('.')) {
          if (mayImportPackages.includes(from)) continue;
          const instead = to.startsWith('holdfast') ? 'import the file by its relative path' : 'the core has no dependencies';
          findings.push(finding(source, node, `imports the package '${to}'; ${instead}`));
          continue;
        }
        const target = posix.join(posix.dirname(path), to).replace(/\.js$/, '.ts');
        const folder = folderOf(target);
        if (folder === from) continue;
        if (folder === undefined) {
          findings.push(finding(source, node, `imports '${to}', which no layer holds; move what it needs into a layer`));
        } else if (only && !only.includes(folder)) {
          const allowed = only.length === 0 ? 'nothing outside itself' : `${only.join(', ')} and itself only`;
          findings.push(finding(source, node, `${from} imports ${allowed}; pass '${to}' in from above`));
        } else if (folders[folder]!.layer >= layer) {
          findings.push(
            finding(
              source,
              node,
              `${from} (layer ${layer}) imports ${folder} (layer ${folders[folder]!.layer}); ` +
                'take it as a parameter, or declare what both need in src/contract',
            ),
          );
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/park/park.ts': "import { x } from '../raw/mutex.js';" },
    { 'src/park/park.ts': "import type { X } from '../manager/manager.js';" },
    { 'src/shm/atomics.ts': "export * from '../host/node.js';" },
    { 'src/agent/agent.ts': "const x = await import('../registry/registry.js');" },
    { 'src/agent/agent.ts': "let x: import('../registry/registry.js').Registry;" },
    { 'src/contract/errors.ts': "import { slot } from '../../native-layout/slot.js';" },
    { 'native-layout/slot.ts': "import { load } from '../src/shm/atomics.js';" },
    { 'src/backends/file/file-lock.ts': "import { park } from '../../park/park.js';" },
    { 'src/raw/mutex.ts': "import { fixture } from '../../test/harness/explorer.js';" },
    { 'src/locks/mutex.ts': "import { Mutex } from 'async-mutex';" },
    { 'src/locks/mutex.ts': "import { getLockManager } from 'holdfast';" },
    { 'src/locks/mutex.ts': "import { getLockManager } from '../index.js';" },
    { 'src/odds/mutex.ts': 'export {};' },
  ],
  accepts: [
    { 'src/raw/mutex.ts': "import { x } from './word.js'; import { park } from '../park/park.js'; import '../../native-layout/slot.js';" },
    { 'src/backends/redis/redis-lock.ts': "import { Redis } from 'ioredis'; import type { Backend } from '../../contract/backend.js';" },
    { 'src/index.ts': "export { Mutex } from './locks/mutex.js';" },
    { 'src/park/park.ts': "const text = \"import '../raw/mutex.js'\"; // import '../raw/mutex.js'" },
  ],
};

export const layoutTouchesNoMemory: Rule = {
  name: 'native-layout touches no memory',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, 'native-layout')) {
      for (const node of walk(source)) {
        if (ts.isIdentifier(node) && memory.has(node.text)) {
          findings.push(finding(source, node, `native-layout names ${node.text}; it only describes, read and write memory in src/shm`));
        }
      }
    }
    return findings;
  },
  refuses: [{ 'native-layout/slot.ts': 'export const words = new Int32Array(4);' }],
  accepts: [{ 'native-layout/slot.ts': '// An Int32Array holds it.\nexport const slot = { type: "i32" };' }],
};

export const onlyHostKnowsNode: Rule = {
  name: 'only src/host imports node:',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code)) {
      if (source.fileName.startsWith('src/host/')) continue;
      for (const { node, to } of imports(source)) {
        if (isBuiltin(to)) {
          findings.push(finding(source, node, `imports '${to}'; declare what it needs in src/contract and implement it in src/host`));
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/agent/agent.ts': "import { threadId } from 'node:worker_threads';" },
    { 'src/index.ts': "import fs from 'fs';" },
    { 'src/faces/cli/main.ts': "const fs = require('fs/promises');" },
  ],
  accepts: [
    { 'src/host/node.ts': "import { threadId } from 'node:worker_threads';" },
    { 'src/agent/agent.ts': "import type { Host } from '../contract/host.js';" },
  ],
};

export const oneFileNamesAtomics: Rule = {
  name: 'only src/shm/atomics.ts names Atomics',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code)) {
      if (source.fileName === 'src/shm/atomics.ts') continue;
      for (const node of walk(source)) {
        if (ts.isIdentifier(node) && node.text === 'Atomics') {
          findings.push(finding(source, node, 'names Atomics; use the operations of src/shm/atomics.ts, which the model checker replaces'));
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/park/park.ts': 'export const f = (w: Int32Array) => Atomics.load(w, 0);' },
    { 'src/raw/mutex.ts': 'const { load } = Atomics;' },
    { 'src/raw/mutex.ts': 'const { load } = globalThis.Atomics;' },
  ],
  accepts: [
    { 'src/shm/atomics.ts': 'export const f = (w: Int32Array) => Atomics.load(w, 0);' },
    { 'src/park/park.ts': '/** Waits as Atomics.wait does. */ export const name = "Atomics.wait"; const xAtomics = 1;' },
  ],
};
