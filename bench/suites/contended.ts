import { TICKETS } from '../contenders/baselines.js';
import { sharedContenders } from '../contenders/sections.js';
import { peerCommands } from '../harness/peers.js';
import { jain } from '../harness/statistics.js';
import type { SuiteRun, Values } from '../harness/suite-run.js';
import type { Contention } from '../modes/contention.js';
import { stepsPerNs } from '../modes/work.js';
import { commands, pick } from './commands.js';

const contenders = ['futex mutex', 'futex mutex, spinning', TICKETS, 'holdfast eventual', 'holdfast fifo', 'multithreading', 'Web Locks', 'V8 Atomics.Mutex'];
const SEMAPHORE = 'holdfast semaphore';
/** It is measured with up to so many threads; arbitrary, to keep the run short. */
const SEMAPHORE_THREADS = 4;

/** One shape of contention. Saturation: no work outside the lock; else as much as inside. */
export interface Shape {
  readonly threads: number;
  readonly sectionNs: number;
  readonly saturated: boolean;
}

export function nameOf({ threads, sectionNs, saturated }: Shape): string {
  const section = sectionNs === 0 ? 'empty sections' : sectionNs < 1_000 ? `${sectionNs} ns` : `${sectionNs / 1_000} µs`;
  return `${threads} threads, ${section}${saturated && sectionNs > 0 ? ', nothing outside' : ''}`;
}

export const threadCounts = [2, 4, 8, 16];
export const sectionsNs = [0, 100, 1_000, 10_000];

/** How many threads contend with nothing to do outside. */
export const saturating = 4;

/** Quick mode has fewer. */
export const shapes: readonly Shape[] = threadCounts.flatMap((threads) => [
  ...sectionsNs.filter((sectionNs) => sectionNs > 0).map((sectionNs) => ({ threads, sectionNs, saturated: false })),
  ...(threads === saturating ? sectionsNs.map((sectionNs) => ({ threads, sectionNs, saturated: true })) : []),
]);

/** Throughput, fairness, processor time and waits of a lock that several threads want. */
export async function contended(run: SuiteRun): Promise<void> {
  const perNs = stepsPerNs();
  for (const shape of run.quick ? shapes.filter(isQuick) : shapes) {
    const { threads, sectionNs, saturated } = shape;
    const steps = Math.round(sectionNs * perNs);
    const work = [steps, saturated ? 0 : steps] as const;
    const ownPeers = threads === 2 && sectionNs === 100 && !saturated;
    const chosen = pick(sharedContenders, threads > SEMAPHORE_THREADS ? contenders : [...contenders, SEMAPHORE]);
    const all = new Map([...commands('contention', chosen, threads), ...(ownPeers ? peerCommands('contention', threads) : [])]);
    // Long enough for the kernel to give each of many threads its turn several times.
    const roundMs = run.quick ? 20 : 400;
    await run.interleave(nameOf(shape), all, {
      launches: 1,
      rounds: run.quick ? 3 : 5,
      prepare: async (contender) => void (await contender.ask(...work, roundMs, 0)),
      measure: async (contender) => throughput((await contender.ask(...work, roundMs, 0)) as Contention),
    });
    // Clocks in the loop would slow it down, so waits are timed in a pass of their own.
    const waitMs = run.quick ? 20 : 200;
    await run.interleave(nameOf(shape), commands('contention', chosen, threads), {
      launches: 1,
      rounds: run.quick ? 1 : 3,
      prepare: async (contender) => void (await contender.ask(...work, roundMs, 1)),
      measure: async (contender) => {
        const { meanWaitUs, meanSleepUs, maxWaitUs } = (await contender.ask(...work, waitMs, 1)) as Contention;
        return { meanWaitUs, meanSleepUs, maxWaitUs };
      },
    });
  }
}

function isQuick({ threads, sectionNs }: Shape): boolean {
  return threads < 16 && (sectionNs === 100 || sectionNs === 1_000);
}

function throughput({ acquisitions, elapsedUs, cpuUs }: Contention): Values {
  const total = acquisitions.reduce((sum, one) => sum + one, 0);
  return { opsPerSecond: (total / elapsedUs) * 1e6, jain: jain(acquisitions), cpuUs: cpuUs / total };
}
