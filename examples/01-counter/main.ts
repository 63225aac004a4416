/** Several workers count with the same number in shared memory. Without the lock, some of what they add would get lost. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const WORKERS = 4;
const ROUNDS = 50_000;

// Before the workers: they find it by themselves.
await using manager = getLockManager();
const counter = new Int32Array(new SharedArrayBuffer(4));

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, () => new Worker(url, { workerData: { counter, rounds: ROUNDS } }));
await Promise.all(workers.map((worker) => once(worker, 'exit')));

const expected = WORKERS * ROUNDS;
const acquisitions = manager.getStatistics('counter')?.locks.exclusive.totalAcquisitions;
const passed = counter[0] === expected && acquisitions === expected;
console.log(`counted ${counter[0]} of ${expected}, under ${acquisitions} acquisitions`);
console.log(`check: ${passed ? 'passed' : 'failed'}`);
process.exitCode = passed ? 0 : 1;
