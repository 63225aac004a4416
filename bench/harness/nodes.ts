import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = join(tmpdir(), 'holdfast-bench-nodes');

/** The program of another major version of Node: this one, or the newest of the registry, kept in a temporary folder. */
export function nodeProgram(major: string): string {
  if (!/^\d+$/.test(major)) throw new TypeError(`--nodes takes major versions, such as 20,22; not "${major}"`);
  if (process.versions.node.split('.')[0] === major) return process.execPath;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const folder = join(cache, major);
  const bin = join(folder, 'node_modules', `node-${platform}-${process.arch}`, 'bin');
  const program = join(bin, process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(program)) {
    console.error(`Node ${major}: installing`);
    mkdirSync(folder, { recursive: true });
    const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', `node-${platform}-${process.arch}@${major}`];
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' });
  }
  return program;
}
