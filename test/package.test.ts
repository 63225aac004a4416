import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));
// What is published keeps its names, for the sake of stack traces; a bundler that shortens them gets to some 19 KiB.
const largestCore = 52 * 1024;

let user: string;
let installed: string;
let tarball: Buffer;

beforeAll(() => {
  user = mkdtempSync(join(tmpdir(), 'holdfast-package-'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', user], { cwd: repository, stdio: 'pipe' });
  const [file] = readdirSync(user);
  tarball = readFileSync(join(user, file!));
  installed = join(user, 'node_modules', 'holdfast');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(user, file!), '-C', installed, '--strip-components=1']);
});

afterAll(() => {
  rmSync(user, { recursive: true, force: true });
});

function manifest(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>;
}

/** Runs an ES module in the directory of a user who has installed the tarball. */
function runAsUser(code: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: user, encoding: 'utf8', timeout: 20_000 });
}

function sizeOf(entry: string): number {
  const files = new Set<string>();
  const add = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
      if (fileName.startsWith('.')) add(join(dirname(file), fileName));
    }
  };
  add(join(installed, entry));
  return gzipSync([...files].map((file) => readFileSync(file, 'utf8')).join('\n')).length;
}

test('holds what users need and nothing else', () => {
  expect(readdirSync(installed).sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json']);
});

test('publint has nothing to say', async () => {
  const packed = new Uint8Array(tarball).buffer;
  const { messages, pkg } = await publint({ pack: { tarball: packed } });
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
});

test('types resolve in every mode of module resolution', async () => {
  const result = await checkPackage(createPackageFromTarballData(tarball));
  if (result.types === false) throw new Error('the tarball has no types');
  // Resolution of Node 10 knows no exports map: subpaths are not for it.
  const problems = result.problems.filter(
    (problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10' && problem.entrypoint !== '.'),
  );
  expect(problems).toEqual([]);
});

test('has no dependencies', () => {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest();
  expect(dependencies).toEqual({});
  expect(optionalDependencies).toEqual({});
  for (const peer of Object.keys(peerDependencies as object)) {
    expect(peerDependenciesMeta, `${peer} must be an optional peer`).toHaveProperty([peer, 'optional'], true);
  }
});

test('import and require give the same API', () => {
  const printed = runAsUser(`
    import { createRequire } from 'node:module';
    import * as imported from 'holdfast';
    const required = createRequire(import.meta.url)('holdfast');
    const members = (object) => {
      const names = new Set();
      for (let at = Object(object ?? {}); at && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
        for (const name of Reflect.ownKeys(at)) names.add(String(name));
      }
      return [...names].sort();
    };
    const shape = (api) => ({
      exports: Object.fromEntries(
        Object.keys(api).filter((name) => name !== 'default').sort().map((name) => [name, [typeof api[name], members(api[name]), members(api[name]?.prototype)]]),
      ),
      manager: members(api.getLockManager()),
    });
    console.log(JSON.stringify({ imported: shape(imported), required: shape(required), two: imported.getLockManager !== required.getLockManager }));
  `);
  const { imported, required, two } = JSON.parse(printed) as { imported: Record<string, object>; required: object; two: boolean };
  expect(two, 'import and require load files of their own').toBe(true);
  expect(required).toEqual(imported);
  expect(imported['exports']).toHaveProperty('getLockManager');
  expect(imported['exports']).toHaveProperty('LockManager');
});

test.each([
  ['holdfast/decorators', ['limited', 'locked', 'readLock', 'writeLock']],
  ['holdfast/testing', ['assertNoDeadlocks', 'expectNoLocksHeld']],
])('%s is imported and required, and shares its managers with the core', (entry, names) => {
  const printed = runAsUser(`
    import { createRequire } from 'node:module';
    import { getLockManager } from 'holdfast';
    import * as imported from '${entry}';
    const required = createRequire(import.meta.url)('${entry}');
    const mutex = getLockManager().mutex('shared');
    const take = ({ expectNoLocksHeld, locked }) => locked === undefined ? expectNoLocksHeld() : locked('shared')(() => 'entered', { kind: 'method', name: 'm' })();
    const outcome = (api) => { try { return take(api) ?? 'free'; } catch (error) { return error.code ?? error.message.split('\\n')[0]; } };
    const outcomes = () => [outcome(imported), outcome(required)];
    const free = outcomes();
    mutex.lock();
    console.log(JSON.stringify({ names: [Object.keys(imported), Object.keys(required)], free, held: outcomes() }));
  `);
  const { names: found, free, held } = JSON.parse(printed) as { names: string[][]; free: string[]; held: string[] };
  expect(found).toEqual([names, names]);
  const [whenFree, whenHeld] = names.includes('locked') ? ['entered', 'ERR_LOCK_RECURSIVE'] : ['free', '1 lock is held or waited for'];
  expect([free, held]).toEqual([[whenFree, whenFree], [whenHeld, whenHeld]]);
});

test('the ESM core does not grow unnoticed', () => {
  expect(sizeOf('dist/index.js')).toBeLessThanOrEqual(largestCore);
});
