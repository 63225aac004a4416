import { BARE, RAW } from '../contenders/baselines.js';
import { sharedContenders } from '../contenders/sections.js';
import { summarise } from '../harness/statistics.js';
import type { SuiteRun } from '../harness/suite-run.js';
import { commands, pick } from './commands.js';

export const HANDOFF = 'from release to the blocked thread running';
export const WAKE = 'from release to the event loop of the main thread running';
export const HOLDFAST = 'holdfast eventual';

const blocking = [RAW, 'futex mutex', HOLDFAST, 'holdfast fifo', 'multithreading', 'V8 Atomics.Mutex'];
const asynchronous = [RAW, HOLDFAST, 'Web Locks'];

export const lockCounts = [1, 1_000];

export function recoveryOf(locks: number): string {
  return `from the exit event of an owner of ${locks.toLocaleString('en')} ${locks === 1 ? 'lock' : 'locks'} to the next owner running`;
}

/** How long a wake takes: between threads, to an event loop, and after the death of an owner. */
export async function latency(run: SuiteRun): Promise<void> {
  const samples = run.quick ? 10 : 50;
  // The contended path of a lock is run so rarely that it is compiled well only after thousands of hand-offs.
  const warming = run.quick ? 200 : 5_000;
  const cases = [
    [HANDOFF, 'handoff', blocking],
    [WAKE, 'wake', asynchronous],
  ] as const;
  for (const [kase, mode, names] of cases) {
    await run.interleave(kase, commands(mode, pick(sharedContenders, names)), {
      launches: 1,
      rounds: run.quick ? 5 : 31,
      prepare: async (contender) => void (await contender.ask(warming)),
      measure: async (contender) => ({ us: summarise((await contender.ask(samples)) as number[]).median / 1_000 }),
    });
  }
  for (const locks of lockCounts) {
    await run.interleave(recoveryOf(locks), commands('recovery', { [BARE]: {}, [HOLDFAST]: {} }, locks), {
      launches: 1,
      rounds: run.quick ? 5 : 51,
      prepare: async (contender) => void (await contender.ask()),
      measure: async (contender) => ({ us: ((await contender.ask()) as number) / 1_000 }),
    });
  }
}
