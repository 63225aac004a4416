/** Workers share a cache of what is costly to compute: they look it up together, and whoever finds nothing computes it, alone and once. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const WORKERS = 4;
const LOOKUPS = 20_000;
const KEYS = 100;

await using manager = getLockManager();
const values = new Float64Array(new SharedArrayBuffer(KEYS * 8));
/** How often something was computed, and how often a look-up gave something wrong. */
const counts = new Int32Array(new SharedArrayBuffer(8));

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, () => new Worker(url, { workerData: { values, counts, lookups: LOOKUPS } }));
await Promise.all(workers.map((worker) => once(worker, 'exit')));

const { read, write } = manager.getStatistics('cache')!.locks;
const [computed, wrong] = counts;
const passed = computed === KEYS && wrong === 0 && read.totalAcquisitions === WORKERS * LOOKUPS && write.totalAcquisitions >= KEYS;
console.log(`${read.totalAcquisitions} look-ups of ${KEYS} values, each computed once: ${computed}; ${wrong} were wrong`);
console.log(`check: ${passed ? 'passed' : 'failed'}`);
process.exitCode = passed ? 0 : 1;
