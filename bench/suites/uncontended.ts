import { PAIR } from '../contenders/baselines.js';
import { pairs } from '../contenders/pairs.js';
import { peerCommands } from '../harness/peers.js';
import type { ContenderProcess } from '../harness/process.js';
import type { SuiteRun } from '../harness/suite-run.js';
import { commands, pick } from './commands.js';

export const OPTIMISED = 'acquire and release';
export const COLD = 'first 1,000 acquisitions of a process';
const COLD_COUNT = 1_000;

const coldContenders = [PAIR, 'futex mutex', 'holdfast lock', 'holdfast run', 'holdfast acquire', 'holdfast lock, plain Atomics', 'multithreading'];

/** What a lock costs that nobody else wants. */
export async function uncontended(run: SuiteRun): Promise<void> {
  await measureBatches(run, OPTIMISED, new Map([...commands('pairs', pairs), ...peerCommands('pairs')]));
  await run.interleave(COLD, commands('pairs', pick(pairs, coldContenders)), {
    launches: run.quick ? 3 : 25,
    rounds: 1,
    measure: async (contender) => ({ ns: (await contender.ask(COLD_COUNT)) as number }),
  });
}

/** Measures contenders of mode `pairs`, each with as many repetitions as fill a round. */
export async function measureBatches(run: SuiteRun, kase: string, contenders: ReturnType<typeof commands>, limit = Infinity): Promise<void> {
  const roundMs = run.quick ? 2 : 8;
  const counts = new Map<string, number>();
  await run.interleave(kase, contenders, {
    launches: run.quick ? 1 : 3,
    rounds: run.quick ? 9 : 31,
    prepare: async (contender, name) => void counts.set(name, await countFor(contender, roundMs, limit)),
    measure: async (contender, name) => ({ ns: (await contender.ask(counts.get(name)!)) as number }),
  });
}

const WARM_ROUNDS = 10;

/** How many repetitions take about that long in optimised code. */
async function countFor(contender: ContenderProcess, ms: number, limit: number): Promise<number> {
  let count = 1_000;
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const ns = (await contender.ask(count)) as number;
    count = Math.min(limit, Math.max(100, Math.ceil((ms * 1e6) / ns)));
  }
  return count;
}
