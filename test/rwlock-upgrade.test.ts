import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager, type Rwlock } from 'holdfast';
import { endThreads, refusal, refusalCode, sharedWords, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;
let rwlock: Rwlock;

beforeEach(() => {
  name = `lock ${names++}`;
  rwlock = manager.rwlock(name);
});
afterEach(endThreads);

function as(mode: 'read' | 'write' | 'upgradableRead'): string {
  return `${name}#${mode}`;
}

async function holder(mode: 'read' | 'write' | 'upgradableRead'): Promise<Thread> {
  const thread = await Thread.start();
  await thread.do('acquire', as(mode));
  return thread;
}

function status() {
  return manager.getLockStatus(name)!;
}

describe('an upgradable hold', () => {
  test('is one at a time, beside readers', async () => {
    const reader = await holder('read');
    const owner = await holder('upgradableRead');
    const late = await holder('read');
    expect(rwlock.upgradableRead.tryAcquire()).toBeUndefined();
    expect(rwlock.write.tryAcquire()).toBeUndefined();
    expect(new Set(status().holders.map(({ threadId }) => threadId))).toEqual(new Set([reader.threadId, owner.threadId, late.threadId]));
    await owner.do('release', as('upgradableRead'));
    expect(rwlock.upgradableRead.tryAcquire()).toBeDefined();
  });

  test('lets the readers in that waited for the writer before it', async () => {
    const writer = await holder('write');
    const [owner, reader] = [await Thread.start(), await Thread.start()];
    const owned = owner.do('acquire', as('upgradableRead'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    const read = reader.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    await writer.do('release', as('write'));
    expect(await owned).toMatchObject({ held: true });
    expect(await read).toMatchObject({ held: true });
  });

  test('that is upgraded waits for the readers, keeps new ones out, and then is alone', async () => {
    const reader = await holder('read');
    const owner = await holder('upgradableRead');
    const upgraded = owner.do('upgrade', as('upgradableRead'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    expect(rwlock.read.tryAcquire()).toBeUndefined();
    await reader.do('release', as('read'));
    expect(await upgraded).toMatchObject({ held: true, fencingToken: 1n });
    expect(status()).toMatchObject({ holders: [{ threadId: owner.threadId, mode: 'exclusive' }], waiters: [] });
    await owner.do('downgrade', as('upgradableRead'));
    rwlock.read.run(() => expect(rwlock.write.tryAcquire()).toBeUndefined());
    await owner.do('release', as('upgradableRead'));
    expect(status()).toMatchObject({ state: 'free', holders: [] });
  });

  test('whose upgrade times out or is cancelled goes on, and lets the readers in that waited', async () => {
    await holder('read');
    const owner = await holder('upgradableRead');
    expect(await refusalCode(owner.do('upgrade', as('upgradableRead'), { timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(owner.do('upgrade', as('upgradableRead'), { timeoutMs: 10 }))).toBe('ERR_LOCK_TIMEOUT');
    const cancel = manager.cancelToken();
    const cancelled = refusalCode(owner.do('upgrade', as('upgradableRead'), { timeoutMs: Infinity, cancel }));
    await untilBlocked(manager, name, 1);
    const late = await Thread.start();
    const read = late.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    cancel.cancel();
    expect(await cancelled).toBe('ERR_LOCK_ABORTED');
    expect(await read).toMatchObject({ held: true });
    expect(rwlock.upgradableRead.tryAcquire()).toBeUndefined();
    expect(status().holders).toHaveLength(3);
  });

  test('is not upgraded while its thread reads besides: at once, and it goes on', async () => {
    const owner = await holder('upgradableRead');
    await owner.do('acquire', as('read'));
    expect(await refusalCode(owner.do('upgrade', as('upgradableRead'), { timeoutMs: Infinity }))).toBe('ERR_LOCK_UPGRADE');
    await owner.do('release', as('read'));
    expect(await owner.do('upgrade', as('upgradableRead'))).toMatchObject({ held: true });
  });

  test('is not upgraded on the main thread where that would block it', async () => {
    const guard = rwlock.upgradableRead.acquire();
    await holder('read');
    expect(await refusalCode(() => guard.upgrade())).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
    expect(guard).toMatchObject({ held: true, lock: rwlock.upgradableRead });
    guard.release();
  });

  test('is upgraded at once where nobody else reads, twice as once', () => {
    const guard = rwlock.upgradableRead.acquire();
    expect(guard.upgrade()).toBe(guard);
    expect(guard.upgrade().lock).toBe(rwlock.write);
    expect(guard.fencingToken).toBe(1n);
    expect(guard.downgrade().lock).toBe(rwlock.read);
    guard.release();
    expect(status().state).toBe('free');
  });
});

describe('upgradeAsync', () => {
  test('waits for the readers without blocking, and then is alone', async () => {
    const reader = await holder('read');
    const guard = await rwlock.upgradableRead.acquireAsync();
    const upgraded = guard.upgradeAsync();
    expect(rwlock.read.tryAcquire()).toBeUndefined();
    await reader.do('release', as('read'));
    expect(await upgraded).toBe(guard);
    expect(status().holders).toMatchObject([{ threadId: 0, mode: 'exclusive' }]);
    guard.release();
    expect(manager.getStatistics(name)!.locks.write).toMatchObject({ totalAcquisitions: 1, contendedAcquisitions: 1, totalWaits: 1 });
  });

  test('that times out or is aborted goes on, and lets the readers in that waited', async () => {
    await holder('read');
    const guard = rwlock.upgradableRead.acquire();
    expect(await refusalCode(guard.upgradeAsync({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(guard.upgradeAsync({ timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(guard.upgradeAsync({ signal: AbortSignal.abort() }))).toBe('ERR_LOCK_ABORTED');
    const abort = new AbortController();
    const aborted = refusal(guard.upgradeAsync({ signal: abort.signal }));
    const late = await Thread.start();
    const read = late.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    abort.abort('enough');
    expect(await aborted).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    expect(await read).toMatchObject({ held: true });
    expect(guard).toMatchObject({ held: true, lock: rwlock.upgradableRead });
    guard.release();
  });

  test.each(['release', 'downgrade'] as const)('ends with a %s meanwhile', async (action) => {
    await holder('read');
    const guard = rwlock.upgradableRead.acquire();
    const upgraded = refusalCode(guard.upgradeAsync());
    guard[action]();
    expect(await upgraded).toBe('ERR_LOCK_NOT_HELD');
    guard.release();
    expect(rwlock.upgradableRead.tryAcquire()).toBeDefined();
  });

  test('once begun is the same for all who ask', async () => {
    const reader = await holder('read');
    const guard = rwlock.upgradableRead.acquire();
    const both = [guard.upgradeAsync(), guard.upgradeAsync()];
    await reader.do('release', as('read'));
    expect(await Promise.all(both)).toEqual([guard, guard]);
    guard.release();
    expect(manager.getStatistics(name)!.locks.write.totalAcquisitions).toBe(1);
  });

  test('ends when the manager is closed', async () => {
    const own = LockManager.create({ name: `closed ${name}` });
    const reader = await Thread.start();
    await reader.do('attach', `closed ${name}`);
    await reader.do('acquire', as('read'));
    const guard = own.rwlock(name).upgradableRead.acquire();
    const upgraded = refusalCode(guard.upgradeAsync());
    await own.close();
    expect(await upgraded).toBe('ERR_LOCK_CLOSED');
  });
});

describe('a downgrade', () => {
  test('lets readers in and no writer in between', async () => {
    const writer = await holder('write');
    const [next, reader] = [await Thread.start(), await Thread.start()];
    const written = next.do('acquire', as('write'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    await writer.do('downgrade', as('write'));
    expect(status().holders).toMatchObject([{ threadId: writer.threadId, mode: 'shared' }]);
    const read = reader.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    await writer.do('release', as('write'));
    expect(await written).toMatchObject({ fencingToken: 2n });
    await next.do('release', as('write'));
    expect(await read).toMatchObject({ held: true });
  });

  test('of a reader changes nothing; after the release it is refused, as an upgrade is', async () => {
    const guard = rwlock.read.acquire();
    expect(guard.downgrade()).toBe(guard);
    expect(await refusalCode(() => guard.upgrade())).toBe('ERR_LOCK_UPGRADE');
    expect(await refusalCode(guard.upgradeAsync())).toBe('ERR_LOCK_UPGRADE');
    expect(await refusalCode(() => guard.markConsistent())).toBe('ERR_LOCK_NOT_HELD');
    guard.release();
    for (const action of [() => guard.downgrade(), () => guard.upgrade(), () => guard.upgradeAsync(), () => guard.markConsistent()]) {
      expect(await refusalCode(action)).toBe('ERR_LOCK_NOT_HELD');
    }
    expect(status().state).toBe('free');
  });

  test('in run and using is released with the guard', () => {
    rwlock.write.run((guard) => void guard.downgrade());
    {
      using guard = rwlock.write.acquire();
      guard.downgrade();
    }
    expect(status().state).toBe('free');
  });
});

describe('optimistic', () => {
  test('runs once without a hold where nobody writes', () => {
    let runs = 0;
    expect(rwlock.optimistic(() => ++runs)).toBe(1);
    expect(manager.getStatistics(name)!.locks.read.totalAcquisitions).toBe(0);
  });

  test('runs again if somebody wrote meanwhile, at last with a read hold', () => {
    const held: boolean[] = [];
    const result = rwlock.optimistic(() => {
      const isReading = status().holders.length > 0;
      held.push(isReading);
      if (!isReading) rwlock.write.run(() => {});
      return 'read';
    });
    expect(result).toBe('read');
    expect(held).toEqual([false, false, false, true]);
  });

  test('throws what the function throws if nobody wrote, and forgets it otherwise', () => {
    expect(() => rwlock.optimistic(() => { throw new Error('on purpose'); })).toThrow('on purpose');
    let runs = 0;
    const torn = (): string => {
      if (++runs > 1) return 'whole';
      rwlock.write.run(() => {});
      throw new Error('torn');
    };
    expect(rwlock.optimistic(torn)).toBe('whole');
  });

  test('sees no torn data beside a writer', async () => {
    const data = sharedWords(3);
    const writer = await Thread.start();
    const writing = writer.do('writePairs', name, data);
    await until('rounds', () => Atomics.load(data, 0) > 10);
    let reads = 0;
    await until('reads', () => {
      try {
        const [a, b] = rwlock.optimistic(() => [Atomics.load(data, 0), Atomics.load(data, 1)] as const);
        expect(a).toBe(b);
        reads++;
      } catch (error) {
        // A writer was there, and the main thread may not wait for it.
        expect(error).toMatchObject({ code: 'ERR_LOCK_WOULD_BLOCK_MAIN' });
      }
      return reads >= 100;
    });
    Atomics.store(data, 2, 1);
    await writing;
  });
});
