/**
 * Random lock traffic for a long time: node test/storm/soak.mjs [--order ordered|any] [--seconds 600] [--workers 6] [--kill-ms 100] [--seed N].
 * Threads that take their locks in one order can not deadlock: none may be refused. Those that take them in any order do, all the
 * time: nobody may hang, since nearly all waits have no time-out. Threads are killed meanwhile. Exit code 1 if anything was wrong.
 */
import { setInterval } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { LockManager } from 'holdfast';

const { values } = parseArgs({
  options: {
    order: { type: 'string', default: 'ordered' },
    seconds: { type: 'string', default: '600' },
    workers: { type: 'string', default: '6' },
    'kill-ms': { type: 'string', default: '100' },
    'stall-ms': { type: 'string', default: '15000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const { order } = values;
const [seconds, workers, killMs, stallMs, seed] = ['seconds', 'workers', 'kill-ms', 'stall-ms', 'seed'].map((name) => Number(values[name]));

const outcomes = ['stop', 'done', 'ERR_LOCK_DEADLOCK', 'ERR_LOCK_TIMEOUT'];
const LINE = 16;
const counts = new Int32Array(new SharedArrayBuffer(LINE * (workers + 1) * Int32Array.BYTES_PER_ELEMENT));
const manager = LockManager.create({ name: 'soak', ownerDeath: 'release', capacity: { agents: workers + 8 } });
const violations = [];
let killed = 0;

function sum(outcome) {
  let total = 0;
  for (let line = LINE; line < counts.length; line += LINE) total += Atomics.load(counts, line + outcomes.indexOf(outcome));
  return total;
}

const threads = new Map();
function start(place) {
  const workerData = { order, locks: order === 'ordered' ? 4 : 6, permits: 2, seed, counts, outcomes, line: LINE * (place + 1) };
  const worker = new Worker(new URL('./soak-worker.cjs', import.meta.url), { workerData });
  threads.set(place, worker);
  worker.on('error', (error) => violations.push(`a thread ended by an error of its own: ${error?.stack ?? error}`));
  return worker;
}
for (let place = 0; place < workers; place++) start(place);

async function* ticks() {
  for await (const _ of setInterval(10)) yield performance.now();
}

const startMs = performance.now();
let lastSum = 0;
let lastMs = startMs;
let longestStallMs = 0;
let nextKillMs = startMs + killMs;
for await (const nowMs of ticks()) {
  if (nowMs - startMs >= seconds * 1_000 || violations.length > 0) break;
  const now = sum('done') + sum('ERR_LOCK_DEADLOCK') + sum('ERR_LOCK_TIMEOUT');
  if (now !== lastSum) [lastSum, lastMs] = [now, nowMs];
  longestStallMs = Math.max(longestStallMs, nowMs - lastMs);
  if (nowMs - lastMs > stallMs) violations.push(`nobody has come any further for ${Math.round(nowMs - lastMs)} ms: ${JSON.stringify(manager.getLockStatus())}`);
  if (nowMs >= nextKillMs) {
    nextKillMs = nowMs + killMs;
    const place = killed++ % workers;
    await threads.get(place).terminate();
    start(place);
  }
}

Atomics.store(counts, 0, 1);
const ends = Promise.all([...threads.values()].map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
const late = new Promise((resolve) => setTimeout(resolve, stallMs, 'late').unref());
if ((await Promise.race([ends, late])) === 'late') violations.push(`not all threads end: ${JSON.stringify(manager.getLockStatus())}`);
const refused = sum('ERR_LOCK_DEADLOCK');
if (order === 'ordered' && refused > 0) violations.push(`${refused} refused for a deadlock, where none is possible`);
if (order !== 'ordered' && refused === 0) violations.push('nobody was refused for a deadlock');
const statistics = Object.values(manager.getStatistics()).reduce((total, { deadlocks }) => total + deadlocks, 0);
if (statistics < refused) violations.push(`${statistics} deadlocks counted, ${refused} told`);
const result = { node: process.versions.node, order, seed, seconds, killed, done: sum('done'), refused, timeouts: sum('ERR_LOCK_TIMEOUT'), longestStallMs: Math.round(longestStallMs), violations };
process.stdout.write(`${JSON.stringify(result)}\n`);
// A thread that is stuck would keep the process alive.
process.exit(violations.length === 0 ? 0 : 1);
