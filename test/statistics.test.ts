import { afterEach, beforeEach, expect, test } from 'vitest';
import { getLockManager, type Mutex } from 'holdfast';
import { endThreads, newLog, refusal, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;

beforeEach(() => {
  name = `lock ${names++}`;
});
afterEach(endThreads);

function counts() {
  return manager.getStatistics(name)!.locks.exclusive;
}

test('of a lock that nobody has opened there are none', () => {
  expect(manager.getStatistics('nobody')).toBeUndefined();
  expect(manager.getLockStatus('nobody')).toBeUndefined();
});

test('of a new lock are all zero', () => {
  manager.mutex(name);
  expect(manager.getStatistics(name)).toMatchObject({ kind: 'mutex', ownerDeaths: 0 });
  expect(new Set(Object.values(counts()))).toEqual(new Set([0]));
});

test('count every acquisition of whichever form, and nested ones with the outermost', async () => {
  const mutex = manager.mutex(name, { reentrant: true });
  mutex.acquire().release();
  mutex.tryAcquire()!.release();
  mutex.lock();
  mutex.lock();
  mutex.unlock();
  mutex.unlock();
  mutex.run(() => mutex.run(() => {}));
  (await mutex.acquireAsync()).release();
  await mutex.runAsync(() => {});
  expect(counts()).toMatchObject({ totalAcquisitions: 6, contendedAcquisitions: 0, totalWaits: 0 });
});

test('are exact over many threads, some of which have died', async () => {
  const threads = await startThreads(4);
  const shadow = sharedWords(4);
  await Promise.all(threads.map((thread) => thread.do('count', name, shadow, 5_000, 'lock', 4)));
  await Promise.all(threads.map((thread) => thread.end('terminate()')));
  expect(counts().totalAcquisitions).toBe(20_000);
});

test('count what was refused, by its reason', async () => {
  const worker = await Thread.start();
  const mutex = manager.mutex(name);
  mutex.lock();
  await refusal(worker.do('acquire', name, { timeoutMs: 1 }));
  await refusal(worker.do('acquire', name, { timeoutMs: 0 }));
  await refusal(mutex.acquireAsync({ timeoutMs: 1 }));
  await refusal(mutex.acquireAsync({ signal: AbortSignal.abort() }));
  const cancel = manager.cancelToken();
  const cancelled = refusal(worker.do('acquire', name, { cancel }));
  await untilBlocked(manager, name, 1);
  cancel.cancel();
  await cancelled;
  mutex.unlock();
  expect(counts()).toMatchObject({ totalAcquisitions: 1, totalTimeouts: 3, totalAborts: 2 });
});

test('tell how long those waited that had to sleep', async () => {
  const threads = await startThreads(3);
  const guard = manager.mutex(name).acquire();
  const entered = threads.map((thread, i) => thread.do('enter', name, newLog(1), i));
  await untilBlocked(manager, name, 3);
  const longest = await until('waits of some length', () => {
    const waited = manager.getLockStatus(name)!.waiters.map(({ waitedMs }) => waitedMs);
    return Math.min(...waited) > 10 && Math.max(...waited);
  });
  guard.release();
  await Promise.all(entered);
  const { contendedAcquisitions, totalWaits, totalWaitTimeMs, avgWaitTimeMs, maxWaitTimeMs, waitP50Ms, waitP99Ms } = counts();
  expect({ contendedAcquisitions, totalWaits }).toEqual({ contendedAcquisitions: 3, totalWaits: 3 });
  expect(maxWaitTimeMs).toBeGreaterThanOrEqual(longest);
  expect(totalWaitTimeMs).toBeGreaterThanOrEqual(30);
  expect(avgWaitTimeMs).toBeCloseTo(totalWaitTimeMs / 3, 6);
  expect(avgWaitTimeMs).toBeLessThanOrEqual(maxWaitTimeMs);
  expect(waitP50Ms).toBeGreaterThanOrEqual(10);
  expect(waitP50Ms).toBeLessThanOrEqual(waitP99Ms);
  expect(waitP99Ms).toBeLessThanOrEqual(maxWaitTimeMs);
});

test('of flows count as well', async () => {
  const mutex = manager.mutex(name);
  const guard = await mutex.acquireAsync();
  const flows = Array.from({ length: 5 }, () => mutex.runAsync(() => {}));
  guard.release();
  await Promise.all(flows);
  expect(counts()).toMatchObject({ totalAcquisitions: 6, contendedAcquisitions: 5, totalWaits: 5 });
});

test('are the same from every thread, all at once or one by one', () => {
  manager.mutex(name).run(() => {});
  const all = manager.getStatistics();
  expect(all[name]).toEqual(manager.getStatistics(name));
  expect(Object.keys(all)).toHaveLength(manager.stats.locks);
});

/** Has a worker wait for a lock that this thread holds, and get it. */
async function getBySleeping(mutex: Mutex, worker: Thread, form: 'acquire' | 'acquireAsync'): Promise<void> {
  const guard = mutex.acquire();
  const waiting = worker.do(form, name, { timeoutMs: Infinity });
  if (form === 'acquire') await untilBlocked(manager, name, 1);
  // A flow does not show as blocked; when this is answered, it waits.
  else await worker.do('ping');
  guard.release();
  expect(await waiting).toMatchObject({ held: true });
}

/** Until it has been held for some time: a lower bound of that. */
function heldForSomeTime(): Promise<number> {
  return until('a hold of some length', () => {
    const [holder] = manager.getLockStatus(name)!.holders;
    return holder!.heldForMs > 10 && holder!.heldForMs;
  });
}

test.each([
  ['acquire', {}],
  ['acquireAsync', {}],
  ['acquire', { fairness: 'fifo' }],
  ['acquire', { reentrant: true }],
  ['acquireAsync', { reentrant: true, fairness: 'fifo' }],
] as const)('tell how long holds took that began with a sleep: by %s, %o', async (form, options) => {
  const mutex = manager.mutex(name, options);
  const worker = await Thread.start();
  await worker.do('open', name, options);
  await getBySleeping(mutex, worker, form);
  const leastMs = await heldForSomeTime();
  expect(counts().sampledHolds).toBe(0);
  await worker.do('release', name);
  const long = counts();
  expect(long).toMatchObject({ totalAcquisitions: 2, sampledHolds: 1, avgSampledHoldTimeMs: long.maxSampledHoldTimeMs });
  expect(long.maxSampledHoldTimeMs).toBeGreaterThanOrEqual(leastMs);
  await worker.do('acquire', name);
  await worker.do('release', name);
  expect(counts()).toMatchObject({ totalAcquisitions: 3, sampledHolds: 1 });
  await getBySleeping(mutex, worker, form);
  await worker.do('release', name);
  const { sampledHolds, avgSampledHoldTimeMs, maxSampledHoldTimeMs } = counts();
  expect(sampledHolds).toBe(2);
  expect(avgSampledHoldTimeMs).toBeGreaterThanOrEqual(maxSampledHoldTimeMs / 2);
  expect(avgSampledHoldTimeMs).toBeLessThan(maxSampledHoldTimeMs);
});

test('time a nested hold once, as a whole', async () => {
  const mutex = manager.mutex(name, { reentrant: true });
  const worker = await Thread.start();
  await worker.do('open', name, { reentrant: true });
  await getBySleeping(mutex, worker, 'acquire');
  await worker.do('acquire', name);
  await worker.do('release', name);
  const leastMs = await heldForSomeTime();
  expect(counts().sampledHolds).toBe(0);
  await worker.do('release', name);
  expect(counts().sampledHolds).toBe(1);
  expect(counts().maxSampledHoldTimeMs).toBeGreaterThanOrEqual(leastMs);
});

test('do not time what did not end by a release of the owner', async () => {
  const mutex = manager.mutex(name, { ownerDeath: 'release' });
  const workers = await startThreads(2);
  for (const worker of workers) await worker.do('open', name, { ownerDeath: 'release' });
  await getBySleeping(mutex, workers[0]!, 'acquire');
  expect(await refusal(workers[1]!.do('unlock', name))).toMatchObject({ code: 'ERR_LOCK_NOT_HELD' });
  expect(counts().sampledHolds).toBe(0);
  await workers[0]!.end('terminate()');
  await workers[1]!.do('acquire', name);
  await workers[1]!.do('release', name);
  expect(counts()).toMatchObject({ totalAcquisitions: 3, sampledHolds: 0 });
});
