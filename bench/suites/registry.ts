import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { transformWithEsbuild } from 'vite';
import { placeRegions } from '../../src/shm/segment.js';
import { EMPTY } from '../contenders/baselines.js';
import { lookups, openings } from '../contenders/pairs.js';
import { Unavailable } from '../harness/process.js';
import type { SuiteRun, Values } from '../harness/suite-run.js';
import type { MemoryUse } from '../modes/memory.js';
import { commands } from './commands.js';
import { measureBatches } from './uncontended.js';

export const OPENING = 'opening a name that this thread has open';
export const LOOKUP = 'opening a name, asking the shared registry';
export const START = 'from new Worker to the end of its import';
export const ATTACH = 'holdfast, attached, a name opened';
export const ADDRESSES = 'address space';
export const MEMORY = 'real memory';
export const SIZE = 'core entry';

/** Handles that are opened with options are kept for the life of a manager. */
const LOOKUPS_PER_ROUND = 2_000;

/** Names, start-up and size. */
export async function registry(run: SuiteRun): Promise<void> {
  await measureBatches(run, OPENING, commands('pairs', openings));
  await measureBatches(run, LOOKUP, commands('pairs', lookups), LOOKUPS_PER_ROUND);
  await run.interleave(START, commands('start', { [EMPTY]: {}, [ATTACH]: {} }), {
    launches: 1,
    rounds: run.quick ? 5 : 51,
    prepare: async (contender) => void (await contender.ask()),
    measure: async (contender) => ({ ms: ((await contender.ask()) as number) / 1e6 }),
  });
  await measureMemory(run);
  await measureSize(run);
}

async function measureMemory(run: SuiteRun): Promise<void> {
  const size = (slotLimit: number, agentLimit: number): number => placeRegions(0, { slotLimit, agentLimit }).size;
  run.record(ADDRESSES, 'lock', 'bytes', (size(2_048, 128) - size(1_024, 128)) / 1_024);
  run.record(ADDRESSES, 'thread', 'bytes', (size(1_024, 256) - size(1_024, 128)) / 128);
  const part = async (name: keyof MemoryUse, ask: Promise<unknown>): Promise<Values> => {
    const bytes = ((await ask) as MemoryUse)[name];
    if (bytes === undefined) throw new Unavailable('this system does not show it');
    return { bytes };
  };
  const names = { lock: 'lock', thread: 'agent', 'handle of a lock, on the heap': 'handle' } as const;
  await run.interleave(MEMORY, commands('memory', Object.fromEntries(Object.keys(names).map((name) => [name, {}]))), {
    launches: 1,
    rounds: 1,
    measure: (contender, name) => part(names[name as keyof typeof names], contender.ask()),
  });
}

async function measureSize(run: SuiteRun): Promise<void> {
  const files = [...filesOf(fileURLToPath(import.meta.resolve('holdfast')))];
  const texts = files.map((file) => readFileSync(file, 'utf8'));
  const minified = await Promise.all(texts.map(async (text) => (await transformWithEsbuild(text, 'core.js', { minify: true, sourcemap: false })).code));
  run.record(SIZE, 'as published, gzip', 'bytes', gzipSync(texts.join('\n')).length);
  run.record(SIZE, 'minified, gzip', 'bytes', gzipSync(minified.join('\n')).length);
}

/** A module and the files of its package that it imports. */
function filesOf(entry: string, files = new Set<string>()): Set<string> {
  if (files.has(entry) || !existsSync(entry)) return files;
  files.add(entry);
  for (const [, to] of readFileSync(entry, 'utf8').matchAll(/\bfrom\s*["'](\.[^"']+)["']/g)) filesOf(join(dirname(entry), to!), files);
  return files;
}
