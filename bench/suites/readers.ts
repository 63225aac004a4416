import { readerContenders } from '../contenders/readers.js';
import type { SuiteRun } from '../harness/suite-run.js';
import { commands } from './commands.js';

export const READERS_ONLY = 'readers only, empty sections';
const threadCounts = [1, 2, 4];

/** So many threads that read by a contender. */
export function readersOf(contender: string, threads: number): string {
  return `${contender}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** What readers get done together while nobody writes. */
export async function readers(run: SuiteRun): Promise<void> {
  const all = Object.keys(readerContenders).flatMap((name) =>
    threadCounts.map((threads) => [readersOf(name, threads), commands('readers', readerContenders, threads).get(name)!] as const),
  );
  const roundMs = run.quick ? 20 : 400;
  await run.interleave(READERS_ONLY, new Map(all), {
    launches: 1,
    rounds: run.quick ? 3 : 9,
    prepare: async (contender) => void (await contender.ask(roundMs)),
    measure: async (contender) => ({ opsPerSecond: (await contender.ask(roundMs)) as number }),
  });
}
