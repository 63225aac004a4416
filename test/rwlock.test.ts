import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getLockManager, type Lock, LockManager, type Rwlock } from 'holdfast';
import { endThreads, refusal, refusalCode, type RwlockForm, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;
let rwlock: Rwlock;

beforeEach(() => {
  name = `lock ${names++}`;
  rwlock = manager.rwlock(name);
});
afterEach(endThreads);

type Mode = 'read' | 'write' | 'upgradableRead';

function as(mode: Mode): string {
  return `${name}#${mode}`;
}

/** A worker that holds. */
async function holder(mode: Mode): Promise<Thread> {
  const thread = await Thread.start();
  await thread.do('acquire', as(mode));
  return thread;
}

/** A worker that is blocked; what comes of it. */
async function blocked(mode: Mode, before = 0): Promise<{ thread: Thread; acquired: Promise<unknown> }> {
  const thread = await Thread.start();
  const acquired = thread.do('acquire', as(mode), { timeoutMs: Infinity });
  acquired.catch(() => {});
  await untilBlocked(manager, name, before + 1);
  return { thread, acquired };
}

function status() {
  return manager.getLockStatus(name)!;
}

function counts() {
  return manager.getStatistics(name)!.locks;
}

/** What an attempt by another thread comes to now. */
async function isFree(mode: Mode): Promise<boolean> {
  const thread = await Thread.start();
  return (await thread.do('tryAcquire', as(mode))) !== undefined;
}

describe('the views', () => {
  test('are locks of their modes', () => {
    const locks: Lock[] = [rwlock.read, rwlock.upgradableRead, rwlock.write];
    expect(locks.map(({ mode }) => mode)).toEqual(['shared', 'shared', 'exclusive']);
    for (const lock of locks) expect(lock).toMatchObject({ name, kind: 'rwlock' });
  });

  test('are those of readLock and writeLock', () => {
    expect(manager.readLock(name)).toBe(rwlock.read);
    expect(manager.writeLock(name)).toBe(rwlock.write);
  });

  test('are of one lock, which is no mutex', async () => {
    expect(manager.rwlock(name)).toBe(rwlock);
    expect(await refusalCode(() => manager.mutex(name))).toBe('ERR_LOCK_KIND_MISMATCH');
    expect(await refusalCode(() => manager.rwlock(name, { ownerDeath: 'release' }))).toBe('ERR_LOCK_KIND_MISMATCH');
  });
});

describe('readers', () => {
  test.each([2, 4, 8])('%i are inside at once', async (count) => {
    const threads = await startThreads(count);
    const shadow = sharedWords(6);
    await Promise.all(threads.map((thread) => thread.do('meetInside', name, shadow, count)));
    expect(status()).toMatchObject({ state: 'free', holders: [] });
    expect(counts().read.totalAcquisitions).toBe(count);
  });

  test('keep writers out, and are named as holders', async () => {
    const reader = await holder('read');
    expect(await isFree('write')).toBe(false);
    expect(await isFree('read')).toBe(true);
    expect(status()).toMatchObject({ state: 'held', holders: [{ threadId: reader.threadId, mode: 'shared' }, { mode: 'shared' }] });
  });

  test('are named by the error of a writer that waits for them', async () => {
    const readers = await Promise.all(Array.from({ length: 4 }, () => holder('read')));
    const error = await refusal(rwlock.write.acquireAsync({ timeoutMs: 5 }));
    expect(error.message).toMatch(/^".*" \(rwlock, exclusive\) not acquired within 5 ms\n {4}read by {2}worker \d+, worker \d+, worker \d+ and 1 more\n/);
    expect(error.report['holders']).toHaveLength(readers.length);
  });

  test('of one thread may hold several times; the last one frees', async () => {
    const first = rwlock.read.acquire();
    const second = rwlock.read.acquire();
    const third = await rwlock.read.acquireAsync();
    first.release();
    first.release();
    second.release();
    expect(await isFree('write')).toBe(false);
    third.release();
    expect(await isFree('write')).toBe(true);
    expect(counts().read.totalAcquisitions).toBe(3);
  });

  test('of one thread may nest while a writer waits', async () => {
    const reader = await holder('read');
    const { acquired } = await blocked('write');
    await reader.do('acquire', as('read'));
    await reader.do('release', as('read'));
    await reader.do('release', as('read'));
    expect(await acquired).toMatchObject({ held: true });
  });
});

describe('a writer', () => {
  test('keeps all others out', async () => {
    const writer = await holder('write');
    for (const mode of ['read', 'write', 'upgradableRead'] as const) expect(await isFree(mode)).toBe(false);
    expect(status()).toMatchObject({ state: 'held', holders: [{ threadId: writer.threadId, mode: 'exclusive' }] });
    await writer.do('release', as('write'));
    expect(await isFree('write')).toBe(true);
  });

  test('has a fencing token that grows with each acquisition to write', async () => {
    const tokens: bigint[] = [];
    rwlock.write.run((guard) => tokens.push(guard.fencingToken));
    rwlock.read.run((guard) => tokens.push(guard.fencingToken));
    await rwlock.write.runAsync((guard) => tokens.push(guard.fencingToken));
    rwlock.upgradableRead.run((guard) => tokens.push(guard.upgrade().fencingToken));
    tokens.push(rwlock.write.tryAcquire()!.fencingToken);
    expect(tokens).toEqual([1n, 1n, 2n, 3n, 4n]);
  });

  test('waits for the readers that are in, and new ones wait for it', async () => {
    const reader = await holder('read');
    const writer = await blocked('write');
    const late = await blocked('read', 1);
    expect(status().waiters).toMatchObject([{ threadId: writer.thread.threadId, mode: 'exclusive' }, { threadId: late.thread.threadId, mode: 'shared' }]);
    await reader.do('release', as('read'));
    await writer.acquired;
    expect(status().holders).toMatchObject([{ threadId: writer.thread.threadId }]);
    await writer.thread.do('release', as('write'));
    expect(await late.acquired).toMatchObject({ held: true });
  });
});

describe('exclusion holds', () => {
  const mixes: RwlockForm[][] = [
    ['read', 'read', 'write'],
    ['read', 'read', 'write', 'write'],
    ['read', 'write', 'upgrade', 'upgrade'],
    ['read', 'downgrade', 'write', 'downgrade'],
    ['readAsync', 'writeAsync', 'read', 'write'],
    ['readAsync', 'writeAsync', 'upgrade', 'downgrade', 'read', 'write', 'writeAsync', 'readAsync'],
  ];

  test.each(mixes.map((forms) => [forms.join(', '), forms] as const))('among %s, and counts are exact', async (_, forms) => {
    const rounds = 1_000;
    const shadow = sharedWords(6);
    const threads = await startThreads(forms.length);
    await Promise.all(threads.map((thread, i) => thread.do('mix', name, shadow, rounds, forms[i]!, forms.length)));
    const of = (...wanted: RwlockForm[]) => rounds * forms.filter((form) => wanted.includes(form)).length;
    const writes = of('write', 'writeAsync', 'upgrade', 'downgrade');
    expect([...shadow]).toEqual([writes, 0, 0, forms.length, 0, 0]);
    expect(counts().write.totalAcquisitions).toBe(writes);
    expect(counts().read.totalAcquisitions).toBe(of('read', 'readAsync', 'upgrade', 'downgrade'));
    expect(status()).toMatchObject({ state: 'free', holders: [], waiters: [] });
  });
});

describe('nobody starves', () => {
  test.each([
    ['writer beside readers that overlap', 'read', 'write'],
    ['reader beside writers', 'write', 'read'],
    ['writer beside writers', 'write', 'write'],
  ] as const)('a %s', async (_, crowd, one) => {
    const [single, ...many] = await startThreads(4);
    const gate = sharedWords(2);
    const counter = sharedWords(1);
    const hammering = many.map((thread) => thread.do('hammerRwlock', name, crowd, gate, counter));
    await until('rounds', () => Atomics.load(counter, 0) > 100);
    for (let i = 0; i < 50; i++) {
      await single!.do('acquire', as(one), { timeoutMs: 5_000 });
      await single!.do('release', as(one));
    }
    Atomics.store(gate, 1, 1);
    await Promise.all(hammering);
    expect(counts()[one].totalTimeouts).toBe(0);
  });

  test('blocked readers come before a writer that was blocked after them', async () => {
    const writer = await holder('write');
    const first = await blocked('read');
    const second = await blocked('read', 1);
    const late = await blocked('write', 2);
    await writer.do('release', as('write'));
    await Promise.all([first.acquired, second.acquired]);
    expect(status().holders).toHaveLength(2);
    await first.thread.do('release', as('read'));
    await second.thread.do('release', as('read'));
    expect(await late.acquired).toMatchObject({ fencingToken: 2n });
  });

  test('blocked writers come in order, and before a reader that was blocked after them', async () => {
    const writer = await holder('write');
    const first = await blocked('write');
    const second = await blocked('write', 1);
    const reader = await blocked('read', 2);
    await writer.do('release', as('write'));
    expect(await first.acquired).toMatchObject({ fencingToken: 2n });
    await first.thread.do('release', as('write'));
    expect(await second.acquired).toMatchObject({ fencingToken: 3n });
    await second.thread.do('release', as('write'));
    expect(await reader.acquired).toMatchObject({ held: true });
  });
});

describe('what a thread holds already', () => {
  test('to read may not become a hold to write: at once, and nothing changes', async () => {
    const reader = await holder('read');
    for (const mode of ['write', 'upgradableRead'] as const) {
      expect(await refusalCode(reader.do('acquire', as(mode), { timeoutMs: Infinity }))).toBe('ERR_LOCK_UPGRADE');
      expect(await reader.do('tryAcquire', as(mode))).toBeUndefined();
    }
    expect(await refusalCode(reader.do('upgrade', as('read')))).toBe('ERR_LOCK_UPGRADE');
    expect(status()).toMatchObject({ state: 'held', holders: [{ threadId: reader.threadId, mode: 'shared' }], waiters: [] });
    await reader.do('release', as('read'));
    expect(await reader.do('acquire', as('write'))).toMatchObject({ held: true });
  });

  test('to read is refused to both of two readers that want to write', async () => {
    const readers = [await holder('read'), await holder('read')];
    const codes = readers.map((reader) => refusalCode(reader.do('acquire', as('write'), { timeoutMs: Infinity })));
    expect(await Promise.all(codes)).toEqual(['ERR_LOCK_UPGRADE', 'ERR_LOCK_UPGRADE']);
    expect(status().holders).toHaveLength(2);
  });

  test.each(['read', 'write', 'upgradableRead'] as const)('to write is refused at once for %s', async (mode) => {
    const writer = await holder('write');
    expect(await refusalCode(writer.do('acquire', as(mode), { timeoutMs: Infinity }))).toBe('ERR_LOCK_RECURSIVE');
    expect(await writer.do('tryAcquire', as(mode))).toBeUndefined();
    expect(status()).toMatchObject({ holders: [{ threadId: writer.threadId, mode: 'exclusive' }], waiters: [] });
  });

  test.each(['write', 'upgradableRead'] as const)('upgradable is refused at once for %s', async (mode) => {
    const owner = await holder('upgradableRead');
    expect(await refusalCode(owner.do('acquire', as(mode), { timeoutMs: Infinity }))).toBe('ERR_LOCK_RECURSIVE');
  });

  test('by a flow is refused to a blocking acquisition', async () => {
    const worker = await Thread.start();
    await worker.do('acquireAsync', as('write'));
    expect(await refusal(worker.do('acquire', as('read'), { timeoutMs: Infinity }))).toMatchObject({ code: 'ERR_LOCK_RECURSIVE', report: { holding: 'asynchronous' } });
  });

  test.each(['write', 'upgradableRead'] as const)('to read is refused to a flow that wants %s, if it is of the thread, not of a flow', async (mode) => {
    const guard = rwlock.read.acquire();
    expect(await refusal(rwlock[mode].acquireAsync())).toMatchObject({ code: 'ERR_LOCK_UPGRADE', report: { lock: name, threadId: 0 } });
    guard.release();
    rwlock.read.lock();
    expect(await refusalCode(rwlock[mode].acquireAsync())).toBe('ERR_LOCK_UPGRADE');
    rwlock.read.unlock();
    expect(status()).toMatchObject({ state: 'free', waiters: [] });
    const reader = await holder('read');
    const before = rwlock.write.acquireAsync();
    await reader.do('release', as('read'));
    const writer = await before;
    const queued = rwlock.read.acquireAsync();
    writer.downgrade();
    rwlock.read.lock();
    const behind = refusalCode(rwlock[mode].acquireAsync());
    expect(await behind).toBe('ERR_LOCK_UPGRADE');
    rwlock.read.unlock();
    for (const one of [writer, await queued]) one.release();
    const flow = await rwlock.read.acquireAsync();
    const wanting = rwlock[mode].acquireAsync();
    expect(await refusalCode(() => rwlock[mode].acquire())).toBe('ERR_LOCK_UPGRADE');
    flow.release();
    expect((await wanting).held).toBe(true);
  });

  test('upgradable is not upgraded in a flow while the thread reads by a blocking call besides', async () => {
    const guard = await rwlock.upgradableRead.acquireAsync();
    const other = rwlock.read.acquire();
    expect(await refusalCode(guard.upgradeAsync())).toBe('ERR_LOCK_UPGRADE');
    other.release();
    expect((await guard.upgradeAsync()).lock).toBe(rwlock.write);
  });

  test('by a flow keeps another flow waiting', async () => {
    const first = await rwlock.write.acquireAsync();
    const second = rwlock.read.acquireAsync();
    const third = rwlock.write.acquireAsync();
    first.release();
    (await second).release();
    expect((await third).fencingToken).toBe(2n);
  });
});

describe('a wait', () => {
  const cases = [
    ['write', 'read'],
    ['write', 'write'],
    ['write', 'upgradableRead'],
    ['read', 'write'],
    ['upgradableRead', 'upgradableRead'],
    ['upgradableRead', 'write'],
  ] as const;

  test.each(cases)('behind %s ends %s by its time-out, and leaves nothing behind', async (held, wanted) => {
    const held1 = await holder(held);
    const waiter = await Thread.start();
    for (const form of ['acquire', 'acquireAsync'] as const) {
      const error = await refusal(waiter.do(form, as(wanted), { timeoutMs: 20 }));
      expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 20, holders: [{ threadId: held1.threadId }] } });
      expect(error.report['waitedMs']).toBeGreaterThanOrEqual(19);
    }
    expect(await refusalCode(waiter.do('acquire', as(wanted), { timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(status()).toMatchObject({ state: 'held', holders: [{ threadId: held1.threadId }], waiters: [] });
    await held1.do('release', as(held));
    expect(status()).toMatchObject({ state: 'free' });
    expect(await waiter.do('acquire', as(wanted), { timeoutMs: 0 })).toMatchObject({ held: true });
  });

  test.each(cases)('behind %s ends %s when its token is cancelled', async (held, wanted) => {
    await holder(held);
    const waiter = await Thread.start();
    const cancel = manager.cancelToken();
    const waiting = refusal(waiter.do('acquire', as(wanted), { cancel, timeoutMs: Infinity }));
    await untilBlocked(manager, name, 1);
    cancel.cancel('enough');
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    expect(status().waiters).toEqual([]);
  });

  test.each(cases)('behind %s ends %s when its signal is aborted', async (held, wanted) => {
    const owner = await holder(held);
    const abort = new AbortController();
    const waiting = refusal(rwlock[wanted].acquireAsync({ signal: abort.signal }));
    abort.abort('enough');
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    await owner.do('release', as(held));
    expect(status().state).toBe('free');
  });

  test('of a writer that gives up lets the readers in that waited for it', async () => {
    await holder('read');
    const writer = await Thread.start();
    const cancel = manager.cancelToken();
    const waiting = refusalCode(writer.do('acquire', as('write'), { cancel, timeoutMs: Infinity }));
    await untilBlocked(manager, name, 1);
    const { acquired } = await blocked('read', 1);
    const flow = rwlock.read.acquireAsync();
    cancel.cancel();
    expect(await waiting).toBe('ERR_LOCK_ABORTED');
    expect(await acquired).toMatchObject({ held: true });
    (await flow).release();
  });

  test('of a flow that writes and gives up lets the readers in that waited for it', async () => {
    await holder('read');
    const abort = new AbortController();
    const flow = refusalCode(rwlock.write.acquireAsync({ signal: abort.signal }));
    const { acquired } = await blocked('read');
    const behind = rwlock.read.acquireAsync();
    abort.abort();
    expect(await flow).toBe('ERR_LOCK_ABORTED');
    expect(await acquired).toMatchObject({ held: true });
    (await behind).release();
  });

  test.each(['read', 'write', 'upgradableRead'] as const)('on the main thread is refused to %s', async (mode) => {
    await holder('write');
    expect(await refusalCode(() => rwlock[mode].acquire())).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
    expect(status().waiters).toEqual([]);
  });

  test('takes the default time-out of its mode', async () => {
    await using own = LockManager.create({ name: `own ${name}`, timeouts: { sharedMs: 5, exclusiveMs: 7 } });
    const writer = await Thread.start();
    await writer.do('attach', `own ${name}`);
    await writer.do('acquire', as('write'));
    const mine = own.rwlock(name);
    expect(await refusal(mine.read.acquireAsync())).toMatchObject({ report: { timeoutMs: 5 } });
    expect(await refusal(mine.upgradableRead.acquireAsync())).toMatchObject({ report: { timeoutMs: 5 } });
    expect(await refusal(mine.write.acquireAsync())).toMatchObject({ report: { timeoutMs: 7 } });
    expect(await refusal(own.rwlock(name, { timeoutMs: 9 }).read.acquireAsync())).toMatchObject({ report: { timeoutMs: 9 } });
  });
});

describe('flows', () => {
  test('read together, and one that writes comes between those before and after it', async () => {
    const order: string[] = [];
    const readers = await Promise.all([rwlock.read.acquireAsync(), rwlock.read.acquireAsync()]);
    const writer = rwlock.write.runAsync(() => void order.push('writes'));
    const late = rwlock.read.runAsync(() => void order.push('reads'));
    for (const guard of readers) guard.release();
    await Promise.all([writer, late]);
    expect(order).toEqual(['writes', 'reads']);
  });

  test('get the lock when other threads release it', async () => {
    const writer = await holder('write');
    const flows = [rwlock.read.acquireAsync(), rwlock.read.acquireAsync(), rwlock.upgradableRead.acquireAsync()];
    await writer.do('release', as('write'));
    for (const guard of await Promise.all(flows)) expect(guard.held).toBe(true);
  });

  test('that write get the lock when the last reader of another thread releases it', async () => {
    const readers = [await holder('read'), await holder('read')];
    const flow = rwlock.write.acquireAsync();
    for (const reader of readers) await reader.do('release', as('read'));
    expect((await flow).held).toBe(true);
  });

  test('end with a closed manager, blocked threads too', async () => {
    const own = LockManager.create({ name: `closed ${name}` });
    const threads = await startThreads(3);
    for (const thread of threads) await thread.do('attach', `closed ${name}`);
    const mine = own.rwlock(name);
    await threads[0]!.do('acquire', as('read'));
    const waits = [mine.write.acquireAsync(), mine.read.acquireAsync(), threads[1]!.do('acquire', as('write')), threads[2]!.do('acquire', as('read'))].map((wait) => refusalCode(wait));
    await untilBlocked(own, name, 2);
    await own.close();
    expect(await Promise.all(waits)).toEqual(new Array(4).fill('ERR_LOCK_CLOSED'));
    expect(await refusalCode(() => mine.read.acquire())).toBe('ERR_LOCK_CLOSED');
  });
});

describe('read.lock and read.unlock', () => {
  test('are a hold as any other, and nest', async () => {
    rwlock.read.lock();
    rwlock.read.lock({ timeoutMs: 0 });
    const guard = rwlock.read.acquire();
    rwlock.read.unlock();
    rwlock.read.unlock();
    expect(await isFree('write')).toBe(false);
    guard.release();
    expect(await isFree('write')).toBe(true);
    expect(counts().read.totalAcquisitions).toBe(3);
  });

  test('wait for a writer, and are refused with nothing changed', async () => {
    const writer = await holder('write');
    expect(await refusalCode(() => rwlock.read.lock({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(() => rwlock.read.unlock())).toBe('ERR_LOCK_NOT_HELD');
    const reader = await Thread.start();
    const locked = reader.do('lock', as('read'));
    await untilBlocked(manager, name, 1);
    await writer.do('release', as('write'));
    await locked;
    expect(status().holders).toMatchObject([{ threadId: reader.threadId, mode: 'shared' }]);
    await reader.do('unlock', as('read'));
    expect(status().state).toBe('free');
  });

  test('undo no guard', async () => {
    const guard = rwlock.read.acquire();
    expect(await refusalCode(() => rwlock.read.unlock())).toBe('ERR_LOCK_NOT_HELD');
    expect(await isFree('write')).toBe(false);
    guard.release();
  });
});

describe('one whose turn it is, and who does not come,', () => {
  /** A thread that is first in the queue and no longer waits, with nothing withdrawn. */
  async function absent(mode: Mode): Promise<void> {
    const thread = await Thread.start();
    // On a busy machine it may be broken off before it is queued.
    do await thread.do('breakOff', as(mode), 50);
    while (status().waiters.length === 0);
  }

  test.each([
    ['write', 'write'],
    ['read', 'write'],
    ['upgradableRead', 'upgradableRead'],
    ['write', 'read'],
  ] as const)('for %s is passed over by a thread that is blocked for %s', async (mode, next) => {
    const guard = rwlock.write.acquire();
    await absent(mode);
    const { acquired } = await blocked(next, 1);
    guard.release();
    expect(await acquired).toMatchObject({ held: true });
    expect(status().waiters).toHaveLength(1);
  });

  test.each(['write', 'upgradableRead'] as const)('is passed over by an event loop that waits for %s', async (mode) => {
    const guard = rwlock.write.acquire();
    await absent('write');
    const flow = rwlock[mode].acquireAsync({ timeoutMs: Infinity });
    guard.release();
    expect((await flow).held).toBe(true);
  });
});

describe('run', () => {
  test.each(['read', 'write', 'upgradableRead'] as const)('%s returns, releases, throws and refuses promises', async (mode) => {
    expect(rwlock[mode].run(({ held }) => held)).toBe(true);
    expect(() => rwlock[mode].run(() => { throw new Error('on purpose'); })).toThrow('on purpose');
    expect(await refusalCode(() => rwlock[mode].run(async () => 1))).toBe('ERR_LOCK_ASYNC_BODY');
    expect(await rwlock[mode].runAsync(async ({ held }) => held)).toBe(true);
    await expect(rwlock[mode].runAsync(() => Promise.reject(new Error('on purpose')))).rejects.toThrow('on purpose');
    expect(status()).toMatchObject({ state: 'free', holders: [] });
  });
});

describe('statistics', () => {
  test('of a new lock are all zero, for each mode', () => {
    for (const mode of Object.values(counts())) expect(new Set(Object.values(mode))).toEqual(new Set([0]));
  });

  test('count each mode apart, refusals too', async () => {
    const writer = await holder('write');
    const waiter = await Thread.start();
    await refusal(waiter.do('acquire', as('read'), { timeoutMs: 1 }));
    await refusal(waiter.do('acquire', as('read'), { timeoutMs: 0 }));
    await refusal(waiter.do('acquire', as('write'), { timeoutMs: 1 }));
    await refusal(rwlock.read.acquireAsync({ signal: AbortSignal.abort() }));
    const { acquired } = await blocked('read');
    await until('a wait of some length', () => status().waiters[0]!.waitedMs > 10);
    await writer.do('release', as('write'));
    await acquired;
    expect(counts().read).toMatchObject({ totalAcquisitions: 1, contendedAcquisitions: 1, totalWaits: 1, totalTimeouts: 2, totalAborts: 1 });
    expect(counts().read.maxWaitTimeMs).toBeGreaterThanOrEqual(10);
    expect(counts().read.totalWaitTimeMs).toBeCloseTo(counts().read.maxWaitTimeMs, 6);
    expect(counts().read.waitP50Ms).toBeGreaterThanOrEqual(10);
    expect(counts().write).toMatchObject({ totalAcquisitions: 1, contendedAcquisitions: 0, totalWaits: 0, totalTimeouts: 1, totalAborts: 0 });
  });

  test('keep what threads have counted that have died, also while they read', async () => {
    const reader = await holder('read');
    await reader.do('release', as('read'));
    await reader.do('acquire', as('read'));
    await reader.end('terminate()');
    await until('its end', () => status().holders.length === 0);
    const next = await holder('read');
    await next.do('release', as('read'));
    expect(counts().read.totalAcquisitions).toBe(3);
  });
});
