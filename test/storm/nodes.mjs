import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./run.mjs', import.meta.url));

/** Runs the program with `args` on each of those versions of Node, one after the other. What each came to; `undefined`: nothing. */
export function runOnNodes(versions, args) {
  const cache = join(tmpdir(), 'holdfast-nodes');
  return versions.map((version) => {
    const folder = join(cache, version);
    const json = join(folder, 'storm.json');
    const ran = spawnSync(install(version, folder), [program, ...args, '--json', json], { stdio: 'inherit' });
    return { version, status: ran.status, result: ran.status === 0 || ran.status === 1 ? JSON.parse(readFileSync(json, 'utf8')) : undefined };
  });
}

/** The path of the program, installed from npm if it is not there yet. */
function install(version, folder) {
  const name = `node-${process.platform}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  const installed = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', folder, `${name}@${version}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (installed.status !== 0) throw new Error(`npm could not install ${name}@${version}`);
  return join(folder, 'node_modules', name, 'bin', 'node');
}
