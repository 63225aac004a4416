import { Bench } from 'tinybench';
import { type Batch, lookups, openings, pairs } from '../contenders/pairs.js';
import { turns } from '../contenders/streams.js';
import type { Answer } from './modes.js';
import { nowNs } from './thread.js';

const BATCHES = 5;

/** Answers a count with the time of one acquisition and release, in ns. */
export async function answerPairs(name: string): Promise<Answer | undefined> {
  const batch = await { ...pairs, ...openings, ...lookups, ...turns }[name]!.open();
  if (batch === undefined) return undefined;
  return async (count) => {
    const startNs = nowNs();
    const first = batch(count!);
    const ns = (nowNs() - startNs) / count!;
    return first === undefined ? ns : timeAsync(batch, first, count!);
  };
}

/** Median of a few batches: what an event loop does between two turns is not the lock's. */
async function timeAsync(batch: Batch, first: Promise<void>, count: number): Promise<number> {
  await first;
  const part = Math.ceil(count / BATCHES);
  const bench = new Bench({ iterations: BATCHES, time: 0, warmup: false, throws: true });
  bench.add('batch', async () => {
    const startMs = performance.now();
    await batch(part);
    return { overriddenDuration: (performance.now() - startMs) / part };
  });
  const [task] = await bench.run();
  const { result } = task!;
  if (result.state !== 'completed') throw new Error(`tinybench: ${result.state}`);
  return result.latency.p50 * 1e6;
}
