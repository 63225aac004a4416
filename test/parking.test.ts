import { afterEach, describe, expect, test, vi } from 'vitest';
import { getLockManager, LockManager } from 'holdfast';
import { OWNER, slot } from '../native-layout/index.js';
import { plainWords } from '../src/shm/atomics.js';
import { readOptions } from '../src/shm/header.js';
import { placeRegions } from '../src/shm/segment.js';
import { endThreads, entries, newLog, resume, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
afterEach(() => {
  vi.restoreAllMocks();
  return endThreads();
});

describe("a lock with fairness 'fifo'", () => {
  const fifo = { fairness: 'fifo' } as const;

  async function openers(name: string, count: number): Promise<Thread[]> {
    const threads = await startThreads(count);
    await Promise.all(threads.map((thread) => thread.do('open', name, fifo)));
    return threads;
  }

  test('passes to the next in the queue if the one that it was handed to does not come', async () => {
    const mutex = manager.mutex('fifo/absent', fifo);
    const [absent, next] = await openers('fifo/absent', 2);
    const guard = mutex.acquire();
    await absent!.do('breakOff', 'fifo/absent', 50);
    // Nothing has withdrawn its interest.
    await untilBlocked(manager, 'fifo/absent', 1);
    const acquired = next!.do('acquire', 'fifo/absent', { timeoutMs: 10_000 });
    await untilBlocked(manager, 'fifo/absent', 2);
    guard.release();
    await acquired;
  });

  test('is handed on in the order of arrival', async () => {
    const mutex = manager.mutex('fifo/order', fifo);
    const threads = await openers('fifo/order', 8);
    const log = newLog(8);
    const guard = mutex.acquire();
    const entered: Promise<void>[] = [];
    for (const [i, thread] of threads.entries()) {
      entered.push(thread.do('enter', 'fifo/order', log, i));
      await untilBlocked(manager, 'fifo/order', i + 1);
    }
    guard.release();
    await Promise.all(entered);
    expect(entries(log)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('keeps the order of those that stay when some give up', async () => {
    const mutex = manager.mutex('fifo/give-up', fifo);
    const threads = await openers('fifo/give-up', 6);
    const log = newLog(6);
    const cancel = manager.cancelToken();
    const guard = mutex.acquire();
    const entered: Promise<unknown>[] = [];
    for (const [i, thread] of threads.entries()) {
      entered.push(thread.do('enter', 'fifo/give-up', log, i, i % 2 ? { cancel } : {}).catch(() => {}));
      await untilBlocked(manager, 'fifo/give-up', i + 1);
    }
    cancel.cancel();
    await untilBlocked(manager, 'fifo/give-up', 3);
    guard.release();
    await Promise.all(entered);
    expect(entries(log)).toEqual([0, 2, 4]);
  });

  test('is not taken by a newcomer past a waiter', async () => {
    const mutex = manager.mutex('fifo/newcomer', fifo);
    const [waiter] = await openers('fifo/newcomer', 1);
    const guard = mutex.acquire();
    const acquired = waiter!.do('acquire', 'fifo/newcomer');
    await untilBlocked(manager, 'fifo/newcomer', 1);
    guard.release();
    expect(mutex.tryAcquire()).toBeUndefined();
    expect(await acquired).toMatchObject({ held: true });
  });

  test('reaches flows and blocked threads', async () => {
    const mutex = manager.mutex('fifo/mixed', fifo);
    const threads = await openers('fifo/mixed', 2);
    const log = newLog(4);
    const guard = await mutex.acquireAsync();
    const entered = [threads[0]!.do('enter', 'fifo/mixed', log, 0), threads[1]!.do('enterAsync', 'fifo/mixed', log, 1), mutex.runAsync(() => {})];
    await untilBlocked(manager, 'fifo/mixed', 1);
    guard.release();
    await Promise.all(entered);
    expect(entries(log).sort()).toEqual([0, 1]);
  });
});

test('a waiter is not passed over for ever by a thread that hardly lets go', async () => {
  const [greedy, patient] = await startThreads(2);
  const gate = sharedWords(2);
  const hammering = greedy!.do('hammer', 'eventual', gate);
  await until('the lock is under fire', () => Atomics.load(gate, 0) === 1);
  expect(await patient!.do('acquire', 'eventual', { timeoutMs: 15_000 })).toMatchObject({ held: true });
  await patient!.do('release', 'eventual');
  resume(gate);
  await hammering;
});

describe('all who wait get the lock', () => {
  test('sixteen blocked threads', async () => {
    const threads = await startThreads(16);
    const log = newLog(16);
    const guard = manager.mutex('all/blocked').acquire();
    const entered = threads.map((thread, i) => thread.do('enter', 'all/blocked', log, i));
    await untilBlocked(manager, 'all/blocked', 16);
    guard.release();
    await Promise.all(entered);
    expect(entries(log).sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  test('blocked threads and flows, in workers and on the main thread', async () => {
    const mutex = manager.mutex('all/mixed');
    const threads = await startThreads(4);
    const log = newLog(8);
    let onMain = 0;
    const guard = await mutex.acquireAsync();
    const entered = threads.flatMap((thread, i) => [thread.do('enterAsync', 'all/mixed', log, 2 * i), thread.do('enter', 'all/mixed', log, 2 * i + 1)]);
    const flows = Array.from({ length: 4 }, () => mutex.runAsync(() => onMain++));
    await untilBlocked(manager, 'all/mixed', 4);
    guard.release();
    await Promise.all([...entered, ...flows]);
    expect([entries(log).sort(), onMain]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7], 4]);
  });

  test('a thread that blocks for much longer than it takes to look whether the owner lives', async () => {
    const worker = await Thread.start();
    const guard = manager.mutex('all/long').acquire();
    const acquired = worker.do('acquire', 'all/long');
    await until('a long wait', () => (manager.getLockStatus('all/long')?.waiters[0]?.waitedMs ?? 0) > 250);
    guard.release();
    expect(await acquired).toMatchObject({ held: true, ownerDied: undefined });
  });
});

describe('a thread that can not look', () => {
  test('because it is busy does not hold up the others, though its flow came first', async () => {
    const [busy, other] = await startThreads(2);
    const log = newLog(2);
    const gate = sharedWords(2);
    const guard = manager.mutex('stalled/busy').acquire();
    const late = busy!.do('enterAsync', 'stalled/busy', log, 1);
    const stalled = busy!.do('stall', gate);
    await until('the event loop is stuck', () => Atomics.load(gate, 0) === 1);
    const entered = other!.do('enter', 'stalled/busy', log, 2);
    await untilBlocked(manager, 'stalled/busy', 1);
    guard.release();
    await entered;
    resume(gate);
    await Promise.all([late, stalled]);
    expect(entries(log)).toEqual([2, 1]);
  });

  test('because it is busy does not hold up flows of others', async () => {
    const [busy, other] = await startThreads(2);
    const log = newLog(3);
    const gate = sharedWords(2);
    const guard = manager.mutex('stalled/flows').acquire();
    const late = busy!.do('enterAsync', 'stalled/flows', log, 1);
    const stalled = busy!.do('stall', gate);
    await until('the event loop is stuck', () => Atomics.load(gate, 0) === 1);
    const entered = [other!.do('enterAsync', 'stalled/flows', log, 2), other!.do('enterAsync', 'stalled/flows', log, 3)];
    await other!.do('ping');
    guard.release();
    await Promise.all(entered);
    resume(gate);
    await Promise.all([late, stalled]);
    expect(entries(log)).toEqual([2, 3, 1]);
  });

  test('because it is blocked on one lock leaves another, which its flow waits for, to the others', async () => {
    const [worker, other] = await startThreads(2);
    const log = newLog(2);
    const a = manager.mutex('stalled/a').acquire();
    const b = manager.mutex('stalled/b').acquire();
    const flow = worker!.do('enterAsync', 'stalled/a', log, 1);
    const blocked = worker!.do('acquire', 'stalled/b');
    await untilBlocked(manager, 'stalled/b', 1);
    a.release();
    await other!.do('enter', 'stalled/a', log, 2);
    expect(manager.getLockStatus('stalled/b')?.waiters).toHaveLength(1);
    b.release();
    await Promise.all([flow, blocked]);
    expect(entries(log)).toEqual([2, 1]);
  });

  test('because it is blocked gets its flows served when it has come back, in every lock they wait for', async () => {
    const worker = await Thread.start();
    const log = newLog(5);
    const guards = [0, 1, 2, 3].map((i) => manager.mutex(`stalled/many/${i}`).acquire());
    const block = manager.mutex('stalled/block').acquire();
    const flows = guards.map((_, i) => worker.do('enterAsync', `stalled/many/${i}`, log, i));
    const blocked = worker.do('acquire', 'stalled/block');
    await untilBlocked(manager, 'stalled/block', 1);
    for (const guard of guards) guard.release();
    block.release();
    await Promise.all([...flows, blocked]);
    expect(entries(log).sort()).toEqual([0, 1, 2, 3]);
  });
});

describe('a wake that never comes', () => {
  /** Frees a lock as a thread does that dies before it wakes anybody. */
  function freeSilently(own: LockManager): void {
    const { memory, start } = own.share();
    const words = plainWords((memory as { buffer: SharedArrayBuffer }).buffer);
    const { slots } = placeRegions(start, readOptions(words, start));
    expect(words.load(slots + slot.fields.word.at) & OWNER).not.toBe(0);
    words.store(slots + slot.fields.word.at, 0);
  }

  test('does not keep a blocked thread from looking', async () => {
    await using own = LockManager.create({ name: 'silent/blocked' });
    const worker = await Thread.start();
    await worker.do('attach', 'silent/blocked');
    own.mutex('m').lock();
    const acquired = worker.do('acquire', 'm');
    await untilBlocked(own, 'm', 1);
    freeSilently(own);
    expect(await acquired).toMatchObject({ held: true });
  });

  test('does not keep a waiting flow from looking', async () => {
    await using own = LockManager.create({ name: 'silent/flow' });
    const worker = await Thread.start();
    await worker.do('attach', 'silent/flow');
    await worker.do('acquire', 'm');
    const acquired = own.mutex('m').acquireAsync();
    freeSilently(own);
    expect((await acquired).held).toBe(true);
  });
});

describe('what waiting costs', () => {
  test('is one pending wait per thread, however many flows and locks', async () => {
    const worker = await Thread.start();
    const waitAsync = vi.spyOn(Atomics, 'waitAsync');
    const names = ['cost/a', 'cost/b', 'cost/c'];
    for (const name of names) await worker.do('acquire', name);
    const flows = Array.from({ length: 300 }, (_, i) => manager.mutex(names[i % 3]!).runAsync(() => {}));
    expect(waitAsync).toHaveBeenCalledTimes(1);
    for (const name of names) await worker.do('release', name);
    await Promise.all(flows);
  });

  test('is no wake and no wait where nobody contends', async () => {
    const spies = [vi.spyOn(Atomics, 'notify'), vi.spyOn(Atomics, 'wait'), vi.spyOn(Atomics, 'waitAsync')];
    const mutex = manager.mutex('cost/none');
    for (let i = 0; i < 1_000; i++) {
      mutex.lock();
      mutex.unlock();
      mutex.run(() => {});
      await mutex.runAsync(() => {});
    }
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });

  test('is seen: those who are blocked, in the order of arrival, and since when', async () => {
    const threads = await startThreads(3);
    const guard = manager.mutex('cost/seen').acquire();
    const acquired = [];
    for (const [i, thread] of threads.entries()) {
      acquired.push(thread.do('enter', 'cost/seen', newLog(1), i));
      await untilBlocked(manager, 'cost/seen', i + 1);
    }
    const { waiters, holders, state } = manager.getLockStatus('cost/seen')!;
    expect({ state, holders }).toMatchObject({ state: 'held', holders: [{ threadId: 0 }] });
    expect(waiters.map(({ threadId }) => threadId)).toEqual(threads.map(({ threadId }) => threadId));
    expect(waiters.map(({ waitedMs }) => waitedMs)).toEqual(waiters.map(({ waitedMs }) => waitedMs).sort((a, b) => b - a));
    expect(manager.stats).toMatchObject({ active: 1, waiting: 3 });
    guard.release();
    await Promise.all(acquired);
    expect(manager.getStatistics('cost/seen')?.locks.exclusive).toMatchObject({ totalAcquisitions: 4, contendedAcquisitions: 3, totalWaits: 3 });
  });
});
