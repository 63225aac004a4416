import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager, type Mutex } from 'holdfast';
import { endThreads, refusal, refusalCode, Thread, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

/** A worker that holds the lock. */
async function holderOf(name: string): Promise<Thread> {
  const holder = await Thread.start();
  await holder.do('acquire', name);
  return holder;
}

const blockingForms = {
  acquire: (mutex: Mutex, options: object) => mutex.acquire(options),
  run: (mutex: Mutex, options: object) => mutex.run(() => 'ran', options),
  lock: (mutex: Mutex, options: object) => mutex.lock(options),
  acquireInconsistent: (mutex: Mutex, options: object) => mutex.acquireInconsistent(options),
};
const asyncForms = {
  acquireAsync: (mutex: Mutex, options: object) => mutex.acquireAsync(options),
  runAsync: (mutex: Mutex, options: object) => mutex.runAsync(() => 'ran', options),
};
const forms = Object.entries({ ...blockingForms, ...asyncForms });

describe('timeoutMs', () => {
  const wrong = [-1, -Infinity, NaN, '5', null, {}, true, 5n];

  describe.each(forms)('of %s', (form, take) => {
    test.each(wrong)('may not be %s, on a free lock either', async (timeoutMs) => {
      const name = `wrong/${form}`;
      const mutex = manager.mutex(name);
      await expect(async () => take(mutex, { timeoutMs })).rejects.toThrow(/^timeoutMs must be a non-negative number of milliseconds or Infinity, not /);
      await expect(async () => take(mutex, { timeoutMs })).rejects.toBeInstanceOf(TypeError);
      expect(manager.getStatistics(name)?.locks.exclusive.totalAcquisitions).toBe(0);
    });

    test.each([0, 0.5, 1, 2 ** 40, Infinity, undefined])('may be %s', async (timeoutMs) => {
      const name = `right/${form}/${timeoutMs}`;
      await take(manager.mutex(name), { timeoutMs });
      expect(manager.getStatistics(name)?.locks.exclusive.totalAcquisitions).toBe(1);
    });

    test('is refused with options that are no object', async () => {
      await expect(async () => take(manager.mutex(`options/${form}`), 5 as unknown as object)).rejects.toThrow(/^options must be an object, not 5/);
    });
  });

  test('0 tries once', async () => {
    await holderOf('waits/zero');
    const worker = await Thread.start();
    const error = await refusal(worker.do('acquire', 'waits/zero', { timeoutMs: 0 }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 0, waitedMs: 0 } });
  });

  test.each([20, 130])('%i ends a blocked wait, and not earlier', async (timeoutMs) => {
    await holderOf(`waits/${timeoutMs}`);
    const worker = await Thread.start();
    const error = await refusal(worker.do('acquire', `waits/${timeoutMs}`, { timeoutMs }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs } });
    expect(error.report['waitedMs']).toBeGreaterThanOrEqual(timeoutMs - 1);
  });

  test('that has run out leaves nothing behind', async () => {
    const holder = await holderOf('waits/nothing');
    const worker = await Thread.start();
    await refusal(worker.do('acquire', 'waits/nothing', { timeoutMs: 5 }));
    expect(manager.getLockStatus('waits/nothing')).toMatchObject({ state: 'held', waiters: [] });
    await holder.do('release', 'waits/nothing');
    expect(manager.getLockStatus('waits/nothing')).toMatchObject({ state: 'free' });
    expect(await worker.do('acquire', 'waits/nothing', { timeoutMs: 0 })).toMatchObject({ held: true });
  });

  test('Infinity waits until the lock is free', async () => {
    const holder = await holderOf('waits/infinity');
    const worker = await Thread.start();
    const waiting = worker.do('acquire', 'waits/infinity', { timeoutMs: Infinity });
    await untilBlocked(manager, 'waits/infinity', 1);
    await holder.do('release', 'waits/infinity');
    expect(await waiting).toMatchObject({ held: true });
  });

  test('omitted is the default of the manager, in all threads', async () => {
    await using own = LockManager.create({ name: 'defaults', timeouts: { exclusiveMs: 7 } });
    const [holder, worker] = [await Thread.start(), await Thread.start()];
    await holder.do('attach', 'defaults');
    await worker.do('attach', 'defaults');
    await holder.do('acquire', 'm');
    const expired = { code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 7 } };
    expect(await refusal(worker.do('acquire', 'm'))).toMatchObject(expired);
    expect(await refusal(worker.do('acquireAsync', 'm'))).toMatchObject(expired);
    expect(await refusal(own.mutex('m').acquireAsync())).toMatchObject(expired);
  });

  test('omitted is the default of the handle where it has one, and of no other handle', async () => {
    await using own = LockManager.create({ name: 'handles', timeouts: { exclusiveMs: 7 } });
    const holder = await Thread.start();
    await holder.do('attach', 'handles');
    await holder.do('acquire', 'm');
    const code = 'ERR_LOCK_TIMEOUT';
    expect(await refusal(own.mutex('m', { timeoutMs: 9 }).acquireAsync())).toMatchObject({ code, report: { timeoutMs: 9 } });
    expect(await refusal(own.mutex('m').acquireAsync())).toMatchObject({ code, report: { timeoutMs: 7 } });
    expect(await refusal(own.mutex('m', { timeoutMs: 9 }).acquireAsync({ timeoutMs: 2 }))).toMatchObject({ code, report: { timeoutMs: 2 } });
  });
});

describe('on the main thread', () => {
  test.each(Object.entries(blockingForms))('%s is refused if it would have to wait', async (form, take) => {
    await holderOf(`main/${form}`);
    const error = await refusal(() => take(manager.mutex(`main/${form}`), { timeoutMs: 1 }));
    expect(error.code).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
    expect(manager.getLockStatus(`main/${form}`)?.waiters).toEqual([]);
  });

  test.each(Object.entries(blockingForms))('%s takes a free lock', (form, take) => {
    take(manager.mutex(`main-free/${form}`), {});
    expect(manager.getStatistics(`main-free/${form}`)?.locks.exclusive.totalAcquisitions).toBe(1);
  });

  test('trying once is no wait', async () => {
    await holderOf('main/zero');
    expect(await refusalCode(() => manager.mutex('main/zero').acquire({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(manager.mutex('main/zero').tryAcquire()).toBeUndefined();
  });

  test("a wait is allowed by blockingOnMain: 'allow'", async () => {
    await using own = LockManager.create({ name: 'allow', blockingOnMain: 'allow' });
    const holder = await Thread.start();
    await holder.do('attach', 'allow');
    await holder.do('acquire', 'm');
    const released = holder.do('releaseWhenBlocked', 'm', 1);
    const guard = own.mutex('m').acquire();
    expect(guard.held).toBe(true);
    await released;
  });

  test.skipIf(process.platform !== 'linux')('an allowed wait ends when the holder dies meanwhile', async () => {
    await using own = LockManager.create({ name: 'allow-death', blockingOnMain: 'allow' });
    const holder = await Thread.start();
    await holder.do('attach', 'allow-death');
    await holder.do('acquire', 'm');
    const ended = holder.do('exitWhenBlocked', 'm', 1).catch(() => 'ended');
    expect(await refusalCode(() => own.mutex('m').acquire())).toBe('ERR_LOCK_OWNER_DIED');
    expect(await ended).toBe('ended');
  });
});
