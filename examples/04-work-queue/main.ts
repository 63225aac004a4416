/** The main thread hands work to whichever worker is free, no faster than it is done, and takes the results as they come. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const WORKERS = 4;
const JOBS = 2_000;

await using manager = getLockManager();
const jobs = manager.queue<{ from: number; to: number }>('jobs', { capacity: 16, maxItemBytes: 64 });
const results = manager.queue<{ from: number; primes: number }>('results', { capacity: 16, maxItemBytes: 64 });

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, () => new Worker(url));
const worked = Promise.all(workers.map((worker) => once(worker, 'exit'))).finally(() => results.close());

const handOut = async (): Promise<void> => {
  // Waits while sixteen are not yet begun.
  for (let i = 0; i < JOBS; i++) await jobs.pushAsync({ from: i * 100, to: (i + 1) * 100 });
  jobs.close();
};
const handedOut = handOut();

let primes = 0;
const done = new Set<number>();
for await (const result of results) {
  primes += result.primes;
  done.add(result.from);
}
await Promise.all([handedOut, worked]);

// There are 17,984 primes below 200,000.
const passed = primes === 17_984 && done.size === JOBS;
console.log(`${WORKERS} workers did ${done.size} of ${JOBS} jobs and found ${primes} primes`);
console.log(`check: ${passed ? 'passed' : 'failed'}`);
process.exitCode = passed ? 0 : 1;
