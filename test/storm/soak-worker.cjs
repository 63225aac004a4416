/** Takes and releases several locks at a time until it is told to stop; harness of soak.mjs. */
const { threadId, workerData } = require('node:worker_threads');
const { getLockManager, isLockError } = require('holdfast');
const { randomOf, below } = require('./random.cjs');

const { order, locks, permits, seed, counts, outcomes, line } = workerData;
const random = randomOf(seed + threadId);
const manager = getLockManager('soak');
const all = [
  ...Array.from({ length: locks }, (_, i) => manager.mutex(`soak/${i}`)),
  manager.semaphore('soak/permits', { permits }),
];

function count(outcome) {
  Atomics.add(counts, line + outcomes.indexOf(outcome), 1);
}

/** Two or three, in one order or in any. */
function chosen() {
  const picked = new Set();
  while (picked.size < 2 + below(random, 2)) picked.add(below(random, all.length));
  const numbers = [...picked];
  return (order === 'ordered' ? numbers.sort((a, b) => a - b) : numbers).map((i) => all[i]);
}

function timeoutMs() {
  return random() < 0.7 ? Infinity : below(random, 5);
}

function work() {
  for (let left = below(random, 2_000); left > 0; left--) Atomics.load(counts, 0);
}

while (Atomics.load(counts, 0) === 0) {
  const guards = [];
  try {
    for (const lock of chosen()) {
      guards.push(lock.acquire({ timeoutMs: timeoutMs() }));
      work();
    }
    count('done');
  } catch (error) {
    const outcome = ['ERR_LOCK_DEADLOCK', 'ERR_LOCK_TIMEOUT'].find((code) => isLockError(error, code));
    if (outcome === undefined) throw error;
    count(outcome);
  } finally {
    // Not in the order in which they were taken.
    for (const guard of guards) guard.release();
  }
}
