/** More workers than there are connections: each takes a permit for any of them, uses the one that it finds, and gives it back. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const WORKERS = 5;
const ROUNDS = 5_000;
const CONNECTIONS = 3;

await using manager = getLockManager();
const uses = new Int32Array(new SharedArrayBuffer(CONNECTIONS * 4));

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, () => new Worker(url, { workerData: { uses, rounds: ROUNDS } }));
await Promise.all(workers.map((worker) => once(worker, 'exit')));

const pool = manager.semaphore('pool', { permits: CONNECTIONS });
const used = uses.reduce((sum, count) => sum + count);
const passed = used === WORKERS * ROUNDS && pool.available === CONNECTIONS;
console.log(`${CONNECTIONS} connections were used ${used} times, and ${pool.available} are free`);
console.log(`check: ${passed ? 'passed' : 'failed'}`);
process.exitCode = passed ? 0 : 1;
