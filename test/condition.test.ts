import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Condition, getLockManager, LockManager, type Mutex } from 'holdfast';
import { endThreads, entries, newLog, refusal, refusalCode, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let box: string;
let name: string;
let names = 0;

beforeEach(() => {
  box = `box ${names}`;
  name = `condition ${names++}`;
});
afterEach(endThreads);

function open(): { readonly mutex: Mutex; readonly condition: Condition } {
  const mutex = manager.mutex(box);
  return { mutex, condition: manager.condition(name, mutex) };
}

async function startWaiting(count: number): Promise<Thread[]> {
  const threads = await startThreads(count);
  await Promise.all(threads.map((thread) => thread.do('openCondition', name, box)));
  return threads;
}

function counts() {
  return manager.getStatistics(name)!.locks.wait;
}

describe('waiting', () => {
  test('releases the mutex, and holds it again when it has been notified, by the same guard with a new token', async () => {
    const { mutex, condition } = open();
    const [worker] = await startWaiting(1);
    const before = await worker!.do('acquire', box);
    const waiting = worker!.do('waitFor', name, box);
    await untilBlocked(manager, name, 1);
    const guard = mutex.tryAcquire()!;
    expect(guard.fencingToken).toBe(before.fencingToken + 1n);
    expect(condition.notify()).toBe(1);
    guard.release();
    expect(await waiting).toMatchObject({ held: true, fencingToken: before.fencingToken + 2n });
    expect(mutex.tryAcquire()).toBeUndefined();
    await worker!.do('release', box);
    expect(counts()).toMatchObject({ totalAcquisitions: 1, totalWaits: 1, totalTimeouts: 0 });
  });

  test('A2: a notification between the release and the sleep is not lost', async () => {
    const { condition, mutex } = open();
    const rounds = 2_000;
    const items = sharedWords(2);
    const [worker] = await startWaiting(1);
    const consumed = worker!.do('consume', name, box, items, rounds);
    for (let made = 0; made < rounds; ) {
      const guard = mutex.tryAcquire();
      if (guard === undefined) continue;
      // Notified at the first moment at which the mutex is free again after the look of the other.
      if (Atomics.load(items, 0) === 0) {
        Atomics.store(items, 0, 1);
        made++;
        condition.notify();
      }
      guard.release();
    }
    await consumed;
    expect(Atomics.load(items, 1)).toBe(rounds);
  });

  test('ends in the order in which it began, one for each notification', async () => {
    const { condition } = open();
    const threads = await startWaiting(3);
    const log = newLog(3);
    const waits: Promise<unknown>[] = [];
    for (const [i, thread] of threads.entries()) {
      waits.push(thread.do('waitAndNote', name, box, log, i));
      await untilBlocked(manager, name, i + 1);
    }
    for (const i of threads.keys()) {
      expect(condition.notify()).toBe(1);
      await waits[i];
    }
    expect(entries(log)).toEqual([0, 1, 2]);
    expect(condition.notify()).toBe(0);
  });

  test('ends for n, or for all', async () => {
    const { condition } = open();
    const threads = await startWaiting(4);
    const log = newLog(4);
    const waits = threads.map((thread, i) => thread.do('waitAndNote', name, box, log, i));
    await untilBlocked(manager, name, 4);
    expect(condition.notify(3)).toBe(3);
    await until('three have returned', () => entries(log).length === 3);
    expect(manager.getLockStatus(name)!.waiters).toHaveLength(1);
    expect(condition.notifyAll()).toBe(1);
    await Promise.all(waits);
    expect(condition.notifyAll()).toBe(0);
    expect(() => condition.notify(0)).toThrow(TypeError);
    expect(() => condition.notify(1.5)).toThrow(TypeError);
  });

  test('keeps no notification for those who come later', async () => {
    const { condition, mutex } = open();
    expect(condition.notify()).toBe(0);
    const guard = mutex.tryAcquire()!;
    expect(await refusalCode(condition.waitAsync(guard, { timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    guard.release();
  });

  test('until a predicate is true has one time-out for all, and returns what it found', async () => {
    const { condition, mutex } = open();
    const guard = await mutex.acquireAsync();
    const value = sharedWords(1);
    expect(await condition.waitForAsync(guard, () => 'at once')).toBe('at once');
    let looks = 0;
    const began = performance.now();
    const noise = setInterval(() => condition.notifyAll(), 5);
    const refused = await refusal(condition.waitForAsync(guard, () => ++looks < 0, { timeoutMs: 100 }));
    clearInterval(noise);
    expect(refused.code).toBe('ERR_LOCK_TIMEOUT');
    expect(refused.message).toMatch(/not notified within 100 ms/);
    expect(performance.now() - began).toBeGreaterThanOrEqual(99);
    expect(looks).toBeGreaterThan(2);
    setImmediate(() => mutex.runAsync(() => {
      value[0] = 7;
      condition.notify();
    }));
    expect(await condition.waitForAsync(guard, () => value[0])).toBe(7);
    guard.release();
  });

  test('in several flows and threads ends once for each', async () => {
    const { condition, mutex } = open();
    const [worker] = await startWaiting(1);
    const log = newLog(1);
    let woken = 0;
    const wait = async (): Promise<void> => {
      await using guard = await mutex.acquireAsync();
      await condition.waitAsync(guard);
      woken++;
    };
    const flows = [wait(), wait()];
    await until('both flows wait', () => manager.getStatistics(box)!.locks.exclusive.totalAcquisitions === 2);
    const blocked = worker!.do('waitAndNote', name, box, log, 1);
    await untilBlocked(manager, name, 1);
    // The flows of a thread stand where the oldest stands: before the blocked thread.
    expect(condition.notify(2)).toBe(2);
    await Promise.all(flows);
    expect([woken, entries(log)]).toEqual([2, []]);
    expect(condition.notify()).toBe(1);
    await blocked;
  });

  test('may end a wait that began with a blocking hold without blocking, and the other way round', async () => {
    const { condition, mutex } = open();
    const guard = mutex.tryAcquire()!;
    setImmediate(() => condition.notify());
    await condition.waitAsync(guard);
    expect(guard.held).toBe(true);
    expect(() => mutex.assertHeld()).not.toThrow();
    guard.release();
    const [worker] = await startWaiting(1);
    await worker!.do('acquireAsync', box);
    const waiting = worker!.do('waitFor', name, box);
    await untilBlocked(manager, name, 1);
    condition.notify();
    expect(await waiting).toMatchObject({ held: true });
    await worker!.do('release', box);
    expect(mutex.tryAcquire()?.release()).toBeUndefined();
  });
});

describe('giving up', () => {
  test('by time-out holds the mutex again before it throws', async () => {
    const { mutex } = open();
    const [worker] = await startWaiting(1);
    await worker!.do('acquire', box);
    const waiting = refusal(worker!.do('waitFor', name, box, { timeoutMs: 50 }));
    await untilBlocked(manager, name, 1);
    const guard = await mutex.acquireAsync();
    // It is out of time, and has to wait for the mutex.
    await untilBlocked(manager, box, 1);
    expect(manager.getLockStatus(name)!.waiters).toEqual([]);
    guard.release();
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { lock: name, kind: 'condition', timeoutMs: 50 } });
    expect(await worker!.do('release', box)).toMatchObject({ held: false });
    expect(counts()).toMatchObject({ totalAcquisitions: 0, totalTimeouts: 1 });
  });

  test('by a cancel token or a signal does as well, and what is cancelled before is not begun', async () => {
    const { condition, mutex } = open();
    const token = manager.cancelToken();
    const worker = await Thread.start({ workerData: { cancel: token } });
    await worker.do('openCondition', name, box);
    await worker.do('acquire', box);
    const waiting = refusal(worker.do('waitCancellable', name, box));
    await untilBlocked(manager, name, 1);
    token.cancel('enough');
    expect((await waiting).message).toMatch(/not notified: the wait was ended from outside after \d+ ms: enough/);
    expect(await worker.do('release', box)).toMatchObject({ held: false });
    const guard = await mutex.acquireAsync();
    const controller = new AbortController();
    const aborted = refusalCode(condition.waitAsync(guard, { signal: controller.signal }));
    controller.abort();
    expect(await aborted).toBe('ERR_LOCK_ABORTED');
    const { fencingToken } = guard;
    expect(await refusalCode(condition.waitAsync(guard, { signal: controller.signal }))).toBe('ERR_LOCK_ABORTED');
    expect([guard.held, guard.fencingToken]).toEqual([true, fencingToken]);
    guard.release();
    expect(counts()).toMatchObject({ totalAborts: 3 });
  });

  test('leaves the notification to another', async () => {
    const { condition, mutex } = open();
    const [worker] = await startWaiting(1);
    const log = newLog(1);
    const guard = await mutex.acquireAsync();
    const controller = new AbortController();
    const aborted = refusalCode(condition.waitAsync(guard, { signal: controller.signal }));
    const waiting = worker!.do('waitAndNote', name, box, log, 1);
    await untilBlocked(manager, name, 1);
    controller.abort();
    expect(await aborted).toBe('ERR_LOCK_ABORTED');
    guard.release();
    expect(condition.notify()).toBe(1);
    await waiting;
  });

  test('by closing the manager leaves the guard without a hold', async () => {
    const other = LockManager.create({ name: `closing ${names}` });
    const mutex = other.mutex(box);
    const condition = other.condition(name, mutex);
    const worker = await Thread.start();
    await worker.do('attach', `closing ${names}`);
    await worker.do('openCondition', name, box);
    await worker.do('acquire', box);
    const blocked = refusalCode(worker.do('waitFor', name, box));
    await untilBlocked(other, name, 1);
    const guard = mutex.tryAcquire()!;
    const flow = refusalCode(condition.waitAsync(guard));
    await other.close();
    expect([await blocked, await flow]).toEqual(['ERR_LOCK_CLOSED', 'ERR_LOCK_CLOSED']);
    expect(guard.held).toBe(false);
    expect(await refusalCode(() => condition.notify())).toBe('ERR_LOCK_CLOSED');
    expect(() => other.condition(name, mutex)).toThrow(/closed/);
  });
});

describe('refuses', () => {
  test('what is no hold of its mutex, with nothing changed', async () => {
    const { condition, mutex } = open();
    const guard = mutex.tryAcquire()!;
    const other = manager.mutex(`${box}, another`).tryAcquire()!;
    expect(await refusal(condition.waitAsync(other))).toMatchObject({ code: 'ERR_LOCK_NOT_HELD', message: expect.stringContaining(`the guard is one of "${box}, another"`) });
    expect([guard.held, other.held]).toEqual([true, true]);
    await expect(condition.waitAsync({ held: true } as never)).rejects.toThrow(TypeError);
    await expect(condition.waitAsync(guard, { timeoutMs: -1 })).rejects.toThrow(TypeError);
    expect(() => condition.waitFor(guard, 1 as never)).toThrow(TypeError);
    expect([guard.held, guard.fencingToken]).toEqual([true, 1n]);
    other.release();
    guard.release();
    expect(await refusal(condition.waitAsync(guard))).toMatchObject({ code: 'ERR_LOCK_NOT_HELD', message: expect.stringContaining('was released already') });
    expect(manager.getStatistics(box)!.locks.exclusive.totalAcquisitions).toBe(1);
  });

  test('a reentrant mutex that is held more than once', async () => {
    const mutex = manager.mutex(box, { reentrant: true });
    const condition = manager.condition(name, mutex);
    const guard = mutex.tryAcquire()!;
    const inner = mutex.tryAcquire()!;
    expect(await refusalCode(condition.waitAsync(guard))).toBe('ERR_LOCK_RECURSIVE');
    inner.release();
    setImmediate(() => condition.notify());
    await condition.waitAsync(guard);
    expect(guard.held).toBe(true);
    guard.release();
    expect(manager.getLockStatus(box)!.state).toBe('free');
  });

  test('to block the main thread, but not to look', async () => {
    const { condition, mutex } = open();
    const guard = mutex.tryAcquire()!;
    expect(await refusalCode(() => condition.wait(guard))).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
    expect(condition.waitFor(guard, () => 5)).toBe(5);
    expect(await refusalCode(() => condition.waitFor(guard, () => Promise.resolve(true)))).toBe('ERR_LOCK_ASYNC_BODY');
    expect(await refusalCode(condition.waitForAsync(guard, async () => true))).toBe('ERR_LOCK_ASYNC_BODY');
    expect(() => condition.waitFor(guard, () => {
      throw new Error('on purpose');
    })).toThrow('on purpose');
    expect(guard.held).toBe(true);
    guard.release();
  });

  test('another mutex under the same name, and a mutex of another manager', async () => {
    const { condition, mutex } = open();
    expect(manager.condition(name, mutex)).toBe(condition);
    const refused = await refusal(() => manager.condition(name, manager.mutex(`${box}, another`)));
    expect(refused).toMatchObject({ code: 'ERR_LOCK_KIND_MISMATCH', message: expect.stringContaining(`is already a condition { mutex: '${box}' }`) });
    expect(await refusalCode(() => manager.mutex(name))).toBe('ERR_LOCK_KIND_MISMATCH');
    await using other = LockManager.create({ name: `another ${names}` });
    expect(() => manager.condition(`${name}, another`, other.mutex(box))).toThrow(TypeError);
    expect(() => manager.condition(`${name}, another`, {} as never)).toThrow(TypeError);
  });

  test('a mutex that has become inconsistent, without a hold; or mends it first', async () => {
    const { condition, mutex } = open();
    const [waiter, victim] = await startWaiting(2);
    await waiter!.do('acquire', box);
    const waiting = refusalCode(waiter!.do('waitFor', name, box));
    await untilBlocked(manager, name, 1);
    await victim!.do('acquire', box);
    await victim!.end('terminate()');
    expect(await waiting).toBe('ERR_LOCK_OWNER_DIED');
    expect(await waiter!.do('release', box)).toMatchObject({ held: false });
    const guard = mutex.acquireInconsistent();
    guard.markConsistent();
    const flow = condition.waitAsync(guard);
    condition.notify();
    await flow;
    expect([guard.held, guard.ownerDied]).toEqual([true, undefined]);
    guard.release();
  });
});

describe('after a death', () => {
  test('of one who was notified, another is', async () => {
    const { condition } = open();
    for (let round = 0; round < 30; round++) {
      const [first, second] = await startWaiting(2);
      const log = newLog(2);
      const lost = first!.do('waitAndNote', name, box, log, 1).catch(() => undefined);
      await untilBlocked(manager, name, 1);
      const waiting = second!.do('waitAndNote', name, box, log, 2);
      await untilBlocked(manager, name, 2);
      first!.kill();
      condition.notify();
      await waiting;
      await lost;
      await endThreads();
    }
  });

  test('all waits end, of flows too, and those who wait for data look again', async () => {
    const { condition, mutex } = open();
    const [waiter, victim] = await startWaiting(2);
    const items = sharedWords(2);
    const consumed = waiter!.do('consume', name, box, items, 1);
    const guard = await mutex.acquireAsync();
    const flow = condition.waitAsync(guard);
    await untilBlocked(manager, name, 1);
    await victim!.end('terminate()');
    await flow;
    // The wait for an item goes on.
    guard.release();
    await untilBlocked(manager, name, 1);
    await mutex.runAsync(() => {
      items[0] = 1;
      condition.notify();
    });
    await consumed;
  });

  test('of one who waits, the others go on', async () => {
    const { condition } = open();
    const threads = await startWaiting(3);
    const log = newLog(3);
    const waits = threads.map((thread, i) => thread.do('waitAndNote', name, box, log, i).catch(() => undefined));
    await untilBlocked(manager, name, 3);
    await threads[0]!.end('terminate()');
    await Promise.all(waits);
    expect(entries(log).sort()).toEqual([1, 2]);
    expect(condition.notify()).toBe(0);
  });
});

test('a bounded buffer between threads loses and doubles nothing', async () => {
  open();
  const threads = await startWaiting(4);
  const perThread = 5_000;
  const buffer = sharedWords(8);
  await Promise.all(threads.map((thread, i) => thread.do('passItems', name, box, buffer, i % 2 === 0 ? 'put' : 'take', perThread)));
  const [inside, put, taken, wrong] = buffer;
  expect([inside, put, taken, wrong]).toEqual([0, 2 * perThread, 2 * perThread, 0]);
});
