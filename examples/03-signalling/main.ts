/** Two workers put numbers into a ring that holds eight, two take them out; nobody polls, and nobody gets a number twice. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const NUMBERS = 20_000;

await using manager = getLockManager();
const ring = new Int32Array(new SharedArrayBuffer((2 + 8) * 4));
const url = new URL('./worker.js', import.meta.url);
const start = (role: 'puts' | 'takes', first: number): Worker => new Worker(url, { workerData: { role, ring, first, count: NUMBERS / 2 } });
const workers = [start('puts', 1), start('puts', 1 + NUMBERS / 2), start('takes', 0), start('takes', 0)];

// All four begin as soon as the last one is ready.
await manager.barrier('ready', { parties: 5 }).waitAsync();
const [, , ...sums] = await Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as [number])[0]));
await Promise.all(workers.map((worker) => worker.terminate()));

const sum = sums.reduce((total, one) => total + one, 0);
const expected = (NUMBERS * (NUMBERS + 1)) / 2;
console.log(`${NUMBERS} numbers, whose sum is ${sum} of ${expected}, ${ring[1]! - ring[0]!} left in the ring`);
console.log(`check: ${sum === expected ? 'passed' : 'failed'}`);
process.exitCode = sum === expected ? 0 : 1;
