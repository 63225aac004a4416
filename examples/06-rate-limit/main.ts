/** Workers make requests to something that takes only so many within some time, from all of them together. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const WORKERS = 3;
const REQUESTS = 10;
const LIMIT = 5;
const WINDOW_MS = 50;

// Before the workers: they find it by themselves.
await using _ = getLockManager();
const starts = new Float64Array(new SharedArrayBuffer(WORKERS * REQUESTS * 8));

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, (_, i) => {
  const own = starts.subarray(i * REQUESTS, (i + 1) * REQUESTS);
  return new Worker(url, { workerData: { starts: own, limit: LIMIT, windowMs: WINDOW_MS } });
});
await Promise.all(workers.map((worker) => once(worker, 'exit')));

starts.sort();
const most = Math.max(...starts.map((startMs) => starts.filter((other) => other >= startMs && other < startMs + WINDOW_MS).length));
const passed = starts.every((startMs) => startMs > 0) && most <= LIMIT;
console.log(`${starts.length} requests, ${passed ? 'never' : 'once'} more than ${LIMIT} within ${WINDOW_MS} ms`);
console.log(`check: ${passed ? 'passed' : 'failed'}`);
process.exitCode = passed ? 0 : 1;
