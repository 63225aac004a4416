import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LockManager, type RwlockGuard } from 'holdfast';
import { endThreads, refusal, refusalCode, startThreads, Thread, until, untilBlocked, type Way } from './harness/workers.js';

const manager = LockManager.create();
const ways: Way[] = ['terminate()', 'process.exit()', 'an uncaught error', 'an unhandled rejection', 'out of memory', 'a normal end'];
let name: string;
let names = 0;

beforeEach(() => {
  name = `lock ${names++}`;
});
afterEach(endThreads);
afterAll(() => manager.close());

type Mode = 'read' | 'write' | 'upgradableRead';

function as(mode: Mode): string {
  return `${name}#${mode}`;
}

async function holder(mode: Mode): Promise<Thread> {
  const thread = await Thread.start({ resourceLimits: { maxOldGenerationSizeMb: 16 } });
  await thread.do('acquire', as(mode));
  return thread;
}

/** Has a writer die; its thread id. */
async function die(): Promise<number> {
  const writer = await holder('write');
  const { threadId } = writer;
  await writer.end('terminate()');
  return threadId;
}

function status() {
  return manager.getLockStatus(name)!;
}

function deaths(): number {
  return manager.getStatistics(name)!.ownerDeaths;
}

describe.each(ways)('a thread that ends by %s', (way) => {
  test.each(['read', 'upgradableRead'] as const)('gives back its hold to %s, and nothing else', async (mode) => {
    const rwlock = manager.rwlock(name);
    const dying = await holder(mode);
    await dying.do('acquire', as('read'));
    const other = await holder('read');
    const writer = await Thread.start();
    const acquired = writer.do('acquire', as('write'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    await dying.end(way);
    expect(rwlock.write.tryAcquire()).toBeUndefined();
    expect(status().holders.map(({ threadId }) => threadId)).toContain(other.threadId);
    await other.do('release', as('read'));
    expect(await acquired).toMatchObject({ ownerDied: undefined });
    expect(deaths()).toBe(0);
  });

  test('while it writes poisons the lock: all modes are refused in every form until the data is declared good', async () => {
    const rwlock = manager.rwlock(name);
    const writer = await holder('write');
    const { threadId } = writer;
    await writer.end(way);
    for (const lock of [rwlock.read, rwlock.upgradableRead, rwlock.write]) {
      const forms = [() => lock.acquire(), () => lock.tryAcquire(), () => lock.run(() => {}), () => lock.acquireAsync(), () => lock.runAsync(() => {})];
      for (const form of forms) expect(await refusal(form)).toMatchObject({ code: 'ERR_LOCK_OWNER_DIED', report: { death: { threadId } } });
    }
    expect(status()).toMatchObject({ state: 'inconsistent', holders: [] });
    const guard = rwlock.write.acquireInconsistent();
    expect(guard.ownerDied).toMatchObject({ threadId });
    guard.markConsistent();
    guard.release();
    rwlock.read.run((next) => expect(next.ownerDied).toBeUndefined());
    expect(deaths()).toBe(1);
  });
});

describe('a writer that dies', () => {
  test('leaves the lock inconsistent until it is declared good, and readers are refused', async () => {
    const rwlock = manager.rwlock(name);
    await die();
    rwlock.write.acquireInconsistent().release();
    expect(await refusalCode(() => rwlock.read.acquire())).toBe('ERR_LOCK_OWNER_DIED');
    expect(await refusalCode(() => rwlock.write.acquire())).toBe('ERR_LOCK_OWNER_DIED');
  });

  test("tells the readers and the next writer if the lock is made with ownerDeath: 'release'", async () => {
    const rwlock = manager.rwlock(name, { ownerDeath: 'release' });
    const writer = await Thread.start();
    await writer.do('openRwlock', name, { ownerDeath: 'release' });
    await writer.do('acquire', as('write'));
    const { threadId } = writer;
    await writer.end('terminate()');
    rwlock.read.run((guard) => expect(guard.ownerDied).toMatchObject({ threadId }));
    rwlock.upgradableRead.run((guard) => expect(guard.ownerDied).toMatchObject({ threadId }));
    rwlock.write.run((guard) => expect(guard.ownerDied).toMatchObject({ threadId }));
    rwlock.read.run((guard) => expect(guard.ownerDied).toBeUndefined());
    rwlock.write.run((guard) => expect(guard.ownerDied).toBeUndefined());
  });

  test.each(['read', 'write', 'upgradableRead'] as const)('has a repair run under the write lock by the next one, also if it is for %s', async (mode) => {
    const seen: unknown[] = [];
    const repair = (guard: RwlockGuard, death: { threadId: number }): void => void seen.push([guard.lock.mode, death.threadId]);
    const rwlock = manager.rwlock(name, { repair });
    for (const form of ['acquire', 'tryAcquire', 'acquireAsync'] as const) {
      seen.length = 0;
      const threadId = await die();
      const guard = (await rwlock[mode][form]())!;
      expect(seen).toEqual([['exclusive', threadId]]);
      expect(guard.lock).toBe(rwlock[mode]);
      expect(status().state).toBe('held');
      guard.release();
    }
    expect(status().state).toBe('free');
  });

  test('has a repair run again after one that threw, released, or was asynchronous', async () => {
    const outcomes: ((guard: RwlockGuard) => unknown)[] = [() => { throw new Error('beyond repair'); }, (guard) => guard.release(), (guard) => guard.downgrade() && undefined, async () => {}];
    const rwlock = manager.rwlock(name, { repair: (guard) => outcomes.shift()?.(guard) as void });
    await die();
    expect(() => rwlock.write.acquire()).toThrow('beyond repair');
    expect(await refusalCode(() => rwlock.read.acquire())).toBe('ERR_LOCK_NOT_HELD');
    expect(await refusalCode(() => rwlock.write.acquire())).toBe('ERR_LOCK_NOT_HELD');
    expect(await refusalCode(rwlock.write.acquireAsync())).toBe('ERR_LOCK_ASYNC_BODY');
    expect(status()).toMatchObject({ state: 'inconsistent', holders: [] });
    rwlock.read.run(() => {});
    expect(status().state).toBe('free');
  });

  test('has all refused who wait, blocked or not', async () => {
    const writer = await holder('write');
    const threads = await startThreads(3);
    const modes = ['read', 'write', 'upgradableRead'] as const;
    const refused = threads.map((thread, i) => refusalCode(thread.do('acquire', as(modes[i]!), { timeoutMs: Infinity })));
    const rwlock = manager.rwlock(name);
    refused.push(...modes.map((mode) => refusalCode(rwlock[mode].acquireAsync())));
    await untilBlocked(manager, name, 3);
    await writer.end('terminate()');
    expect(await Promise.all(refused)).toEqual(new Array(6).fill('ERR_LOCK_OWNER_DIED'));
  });

  test('after a downgrade only read', async () => {
    const writer = await holder('write');
    await writer.do('downgrade', as('write'));
    await writer.end('terminate()');
    manager.rwlock(name).write.run((guard) => expect(guard.ownerDied).toBeUndefined());
    expect(deaths()).toBe(0);
  });

  test('after an upgrade wrote', async () => {
    const owner = await holder('upgradableRead');
    await owner.do('upgrade', as('upgradableRead'));
    await owner.end('terminate()');
    expect(await refusalCode(() => manager.rwlock(name).read.acquire())).toBe('ERR_LOCK_OWNER_DIED');
    expect(deaths()).toBe(1);
  });
});

describe('a thread that dies while it waits', () => {
  test('to write for readers to go has written nothing: readers that waited for it come in', async () => {
    const reader = await holder('read');
    const [writer, late] = await startThreads(2);
    writer!.do('acquire', as('write'), { timeoutMs: Infinity }).catch(() => {});
    await untilBlocked(manager, name, 1);
    const acquired = late!.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    await writer!.end('terminate()');
    expect(await acquired).toMatchObject({ held: true, ownerDied: undefined });
    await reader.do('release', as('read'));
    expect(deaths()).toBe(0);
  });

  test('for an upgrade has written nothing', async () => {
    const reader = await holder('read');
    const owner = await holder('upgradableRead');
    const late = await Thread.start();
    owner.do('upgrade', as('upgradableRead'), { timeoutMs: Infinity }).catch(() => {});
    await untilBlocked(manager, name, 1);
    const acquired = late.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    await owner.end('terminate()');
    expect(await acquired).toMatchObject({ held: true, ownerDied: undefined });
    await reader.do('release', as('read'));
    expect(deaths()).toBe(0);
  });

  test.each(['read', 'write', 'upgradableRead'] as const)('behind a writer, for %s, leaves no trace', async (mode) => {
    const writer = await holder('write');
    const [waiter, next] = await startThreads(2);
    waiter!.do('acquire', as(mode), { timeoutMs: Infinity }).catch(() => {});
    await untilBlocked(manager, name, 1);
    const acquired = next!.do('acquire', as('write'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 2);
    await waiter!.end('terminate()');
    await until('one waiter', () => status().waiters.length === 1);
    await writer.do('release', as('write'));
    expect(await acquired).toMatchObject({ ownerDied: undefined });
    expect(deaths()).toBe(0);
  });

  test('in a flow that writes, for readers to go, has written nothing', async () => {
    const reader = await holder('read');
    const [writer, late] = await startThreads(2);
    writer!.do('acquireAsync', as('write'), { timeoutMs: Infinity }).catch(() => {});
    await writer!.do('ping');
    const acquired = late!.do('acquire', as('read'), { timeoutMs: Infinity });
    await untilBlocked(manager, name, 1);
    await writer!.end('terminate()');
    expect(await acquired).toMatchObject({ held: true });
    await reader.do('release', as('read'));
    expect(deaths()).toBe(0);
  });
});

test('threads that die in any mode at any moment leave the lock to the others', async () => {
  const survivor = await Thread.start();
  await survivor.do('openRwlock', name, { ownerDeath: 'release' });
  const modes = ['read', 'write', 'upgradableRead'] as const;
  const rwlock = manager.rwlock(name, { ownerDeath: 'release' });
  for (let i = 0; i < 20; i++) {
    const doomed = await startThreads(3);
    await Promise.all(doomed.map((thread) => thread.do('openRwlock', name, { ownerDeath: 'release' })));
    for (const [j, thread] of doomed.entries()) thread.do('acquire', as(modes[(i + j) % 3]!), { timeoutMs: Infinity }).catch(() => {});
    for (const thread of doomed) thread.kill();
    const acquired = survivor.do('acquire', as('write'), { timeoutMs: 10_000 });
    const flow = rwlock.read.runAsync(() => i, { timeoutMs: 10_000 });
    expect(await acquired).toMatchObject({ held: true });
    await survivor.do('release', as('write'));
    expect(await flow).toBe(i);
  }
  await endThreads();
  await until('nobody holds', () => status().holders.length === 0);
  rwlock.write.run(() => {});
  expect(status()).toMatchObject({ state: 'free', holders: [], waiters: [] });
});
