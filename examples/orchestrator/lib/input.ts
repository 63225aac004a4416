/** The files to count: the text and sources under a directory, always in the same order. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { RunError } from './run-error.js';

const EXTENSIONS = new Set(['.js', '.cjs', '.mjs', '.ts', '.cts', '.mts', '.json', '.md', '.txt']);
/** Larger ones are generated, and one of them would keep one agent busy while the others have nothing left to do. */
const MOST_BYTES_PER_FILE = 2 << 20;
/** So that counts, of which a byte has at most two, stay far within 32 bits, and a run within seconds. */
const MOST_BYTES = 64 << 20;

export interface InputFile {
  readonly path: string;
  /** The path below the directory. */
  readonly name: string;
  readonly bytes: number;
}

/** Reads a file as it was when it was collected: else two runs would not count the same. */
export function readInput({ path, bytes }: InputFile): string {
  const content = readFileSync(path);
  if (content.length !== bytes) throw new RunError(`${path} was changed during the run`);
  return content.toString('utf8');
}

/** At most `limit` files and 64 MiB, sorted folder by folder; no hidden folders, no links, no `dist` outside of node_modules. */
export function collect(directory: string, limit: number): InputFile[] {
  const files: InputFile[] = [];
  let left = MOST_BYTES;
  const walk = (folder: string, installed: boolean): void => {
    const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (files.length === limit) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        const skip = entry.name.startsWith('.') || (entry.name === 'dist' && !installed);
        if (!skip) walk(path, installed || entry.name === 'node_modules');
      } else if (entry.isFile() && EXTENSIONS.has(extname(entry.name))) {
        const { size } = statSync(path);
        if (size > MOST_BYTES_PER_FILE || size > left) continue;
        left -= size;
        files.push({ path, name: relative(directory, path), bytes: size });
      }
    }
  };
  walk(directory, false);
  return files;
}
