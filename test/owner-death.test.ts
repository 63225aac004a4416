import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LockManager, type MutexGuard, type OwnerDeath } from 'holdfast';
import { endThreads, entries, newLog, refusal, refusalCode, resume, sharedWords, startThreads, startWorker, Thread, until, untilBlocked, type Way } from './harness/workers.js';

const manager = LockManager.create();
const ways: Way[] = ['terminate()', 'process.exit()', 'an uncaught error', 'an unhandled rejection', 'out of memory', 'a normal end'];
let name: string;
let names = 0;

beforeEach(() => {
  name = `lock ${names++}`;
});
afterEach(endThreads);
afterAll(() => manager.close());

/** A worker that holds the lock `name`; small, so that running out of memory is quick. */
async function holder(): Promise<Thread> {
  const thread = await Thread.start({ resourceLimits: { maxOldGenerationSizeMb: 16 } });
  await thread.do('acquire', name);
  return thread;
}

/** Has a holder of the lock `name` die; its thread id. */
async function die(way: Way = 'terminate()'): Promise<number> {
  const thread = await holder();
  const { threadId } = thread;
  await thread.end(way);
  return threadId;
}

function state(): string | undefined {
  return manager.getLockStatus(name)?.state;
}

describe.each(ways)('a holder that ends by %s', (way) => {
  test('poisons the lock: acquisitions are refused in every form until the data is declared good', async () => {
    const threadId = await die(way);
    const mutex = manager.mutex(name);
    const forms = [() => mutex.acquire(), () => mutex.tryAcquire(), () => mutex.lock(), () => mutex.run(() => {}), () => mutex.acquireAsync(), () => mutex.runAsync(() => {})];
    for (const form of forms) expect(await refusal(form)).toMatchObject({ code: 'ERR_LOCK_OWNER_DIED', report: { death: { threadId } } });
    expect(state()).toBe('inconsistent');
    mutex.acquireInconsistent().markConsistent();
    expect(state()).toBe('held');
  });

  test("tells the next guard if the lock is made with ownerDeath: 'release'", async () => {
    const mutex = manager.mutex(name, { ownerDeath: 'release' });
    const thread = await Thread.start({ resourceLimits: { maxOldGenerationSizeMb: 16 } });
    await thread.do('open', name, { ownerDeath: 'release' });
    await thread.do('acquire', name);
    const { threadId } = thread;
    await thread.end(way);
    const told = mutex.acquire();
    expect(told.ownerDied).toMatchObject({ threadId });
    told.release();
    expect(mutex.acquire().ownerDied).toBeUndefined();
  });

  test('has a repair run under the lock, which then is as before', async () => {
    const threadId = await die(way);
    const seen: [MutexGuard, OwnerDeath, string | undefined][] = [];
    const mutex = manager.mutex(name, { repair: (guard, death) => seen.push([guard, death, manager.getLockStatus(name)?.state]) });
    const guard = mutex.acquire();
    expect(seen).toEqual([[guard, expect.objectContaining({ threadId }), 'inconsistent']]);
    expect(state()).toBe('held');
    guard.release();
    mutex.run(() => {});
    manager.mutex(name).run(() => {});
    expect(seen).toHaveLength(1);
  });

  test('has a repair run again after one that threw', async () => {
    await die(way);
    const outcomes = [new Error('beyond repair'), undefined];
    const repair = (): void => {
      const error = outcomes.shift();
      if (error) throw error;
    };
    const mutex = manager.mutex(name, { repair });
    expect(() => mutex.acquire()).toThrow('beyond repair');
    expect(state()).toBe('inconsistent');
    expect(await refusalCode(() => manager.mutex(name).acquire())).toBe('ERR_LOCK_OWNER_DIED');
    mutex.run(() => {});
    expect(outcomes).toEqual([]);
    expect(state()).toBe('free');
  });

  test('leaves the lock to acquireInconsistent and markConsistent', async () => {
    const threadId = await die(way);
    const mutex = manager.mutex(name);
    const guard = mutex.acquireInconsistent();
    expect(guard.ownerDied).toMatchObject({ threadId });
    guard.markConsistent();
    guard.release();
    mutex.run((next) => expect(next.ownerDied).toBeUndefined());
  });

  test('leaves the lock inconsistent if it is released without being declared good', async () => {
    await die(way);
    const mutex = manager.mutex(name);
    mutex.acquireInconsistent().release();
    expect(await refusalCode(() => mutex.acquire())).toBe('ERR_LOCK_OWNER_DIED');
    expect(mutex.acquireInconsistent().ownerDied).toBeDefined();
  });
});

test("the manager's ownerDeath is the default of its locks, in all threads", async () => {
  await using own = LockManager.create({ name: 'released', ownerDeath: 'release' });
  const thread = await Thread.start();
  await thread.do('attach', 'released');
  await thread.do('acquire', 'm');
  await thread.end('terminate()');
  expect(own.mutex('m').acquire().ownerDied).toBeDefined();
});

describe('those who wait when the owner dies', () => {
  test('are all refused if the lock is poisoned, blocked or not', async () => {
    const owner = await holder();
    const blocked = await startThreads(3);
    const refused = blocked.flatMap((thread) => [refusalCode(thread.do('acquireAsync', name)), refusalCode(thread.do('acquire', name))]);
    refused.push(refusalCode(manager.mutex(name).acquireAsync()), refusalCode(manager.mutex(name).runAsync(() => {})));
    await untilBlocked(manager, name, 3);
    await owner.end('terminate()');
    expect(await Promise.all(refused)).toEqual(new Array(8).fill('ERR_LOCK_OWNER_DIED'));
  });

  test("get the lock one after the other if it is made with ownerDeath: 'release', and one of them is told", async () => {
    const threads = await startThreads(4);
    await Promise.all(threads.map((thread) => thread.do('open', name, { ownerDeath: 'release' })));
    const [owner, ...waiting] = threads;
    await owner!.do('acquire', name);
    const { threadId } = owner!;
    const mutex = manager.mutex(name, { ownerDeath: 'release' });
    const told: (OwnerDeath | undefined)[] = [];
    const blocked = waiting.map(async (thread) => {
      told.push((await thread.do('acquire', name)).ownerDied);
      await thread.do('release', name);
    });
    const flows = [1, 2, 3].map(() => mutex.runAsync((guard) => void told.push(guard.ownerDied)));
    await untilBlocked(manager, name, 3);
    await owner!.end('terminate()');
    await Promise.all([...blocked, ...flows]);
    expect(told).toHaveLength(6);
    expect(told.filter((death) => death !== undefined)).toEqual([expect.objectContaining({ threadId })]);
  });

  test('repair once, whoever of them comes first', async () => {
    const owner = await holder();
    const threads = await startThreads(3);
    const repairs = newLog(10);
    await Promise.all(threads.map((thread) => thread.do('openWithRepair', name, repairs, 'succeeds')));
    const log = newLog(3);
    const entered = threads.map((thread, i) => thread.do('enter', name, log, i));
    await untilBlocked(manager, name, 3);
    await owner.end('terminate()');
    await Promise.all(entered);
    expect(entries(repairs)).toEqual([1]);
    expect(entries(log)).toHaveLength(3);
  });

  test('each try the repair if it throws', async () => {
    const owner = await holder();
    const threads = await startThreads(3);
    const repairs = newLog(10);
    await Promise.all(threads.map((thread) => thread.do('openWithRepair', name, repairs, 'fails')));
    const failed = threads.map((thread) => expect(thread.do('acquire', name)).rejects.toThrow('beyond repair'));
    await untilBlocked(manager, name, 3);
    await owner.end('terminate()');
    await Promise.all(failed);
    expect(entries(repairs)).toEqual([1, 1, 1]);
    expect(state()).toBe('inconsistent');
  });

  test('go on waiting if it was another lock', async () => {
    const [owner, other, waiting] = await startThreads(3);
    await owner!.do('acquire', `${name}/other`);
    await other!.do('acquire', name);
    const acquired = waiting!.do('acquire', name);
    await untilBlocked(manager, name, 1);
    await owner!.end('terminate()');
    expect(manager.getLockStatus(name)?.waiters).toHaveLength(1);
    await other!.do('release', name);
    expect(await acquired).toMatchObject({ ownerDied: undefined });
  });
});

describe('a repair function', () => {
  test.each([async () => {}, () => ({ then: () => {} })])('may not leave the mending to a promise: %s', async (repair) => {
    await die();
    const mutex = manager.mutex(name, { repair });
    expect(await refusalCode(() => mutex.acquire())).toBe('ERR_LOCK_ASYNC_BODY');
    expect(await refusalCode(mutex.acquireAsync())).toBe('ERR_LOCK_ASYNC_BODY');
    expect(manager.getLockStatus(name)).toMatchObject({ state: 'inconsistent', holders: [] });
  });

  test('that releases the lock has the acquisition refused, and nothing is held', async () => {
    await die();
    const mutex = manager.mutex(name, { repair: (guard) => guard.release() });
    for (const form of [() => mutex.acquire(), () => mutex.lock(), () => mutex.run(() => {}), () => mutex.acquireAsync()]) {
      expect(await refusalCode(form)).toBe('ERR_LOCK_NOT_HELD');
    }
    expect(manager.getLockStatus(name)).toMatchObject({ state: 'inconsistent', holders: [] });
    const guard = mutex.acquireInconsistent();
    expect(await refusalCode(() => mutex.unlock())).toBe('ERR_LOCK_NOT_HELD');
    expect(guard.held).toBe(true);
    guard.release();
  });

  test('may declare the data good itself', async () => {
    await die();
    const mutex = manager.mutex(name, { repair: (guard) => guard.markConsistent() });
    mutex.run(() => mutex.assertHeld());
    expect(state()).toBe('free');
  });

  test('runs for an asynchronous acquisition too', async () => {
    await die();
    let repairs = 0;
    await manager.mutex(name, { repair: () => void repairs++ }).runAsync(() => {});
    expect(repairs).toBe(1);
  });

  test('runs for a reentrant lock, and may nest in it', async () => {
    const thread = await Thread.start();
    await thread.do('open', name, { reentrant: true });
    await thread.do('acquire', name);
    await thread.end('terminate()');
    const mutex = manager.mutex(name, { reentrant: true, repair: () => mutex.run(() => {}) });
    mutex.run(() => {});
    expect(state()).toBe('free');
  });
});

describe('markConsistent()', () => {
  test('is refused after the release', async () => {
    await die();
    const guard = manager.mutex(name).acquireInconsistent();
    guard.release();
    expect(await refusalCode(() => guard.markConsistent())).toBe('ERR_LOCK_NOT_HELD');
    expect(state()).toBe('inconsistent');
  });

  test('does nothing where no owner had died, and nothing the second time', async () => {
    const guard = manager.mutex(name).acquire();
    guard.markConsistent();
    guard.markConsistent();
    manager.mutex(name).assertHeld();
    guard.release();
    expect(state()).toBe('free');
  });
});

describe('a thread that dies', () => {
  test('in a repair leaves the lock inconsistent, and the next is told of it', async () => {
    await die();
    const second = await Thread.start();
    await second.do('acquireInconsistent', name);
    const { threadId } = second;
    await second.end('terminate()');
    expect(manager.mutex(name).acquireInconsistent().ownerDied).toMatchObject({ threadId });
  });

  test('while it waits is no owner death', async () => {
    const owner = await Thread.start();
    const waiting = await Thread.start();
    await owner.do('acquire', name);
    waiting.do('acquire', name).catch(() => {});
    await untilBlocked(manager, name, 1);
    await waiting.end('terminate()');
    expect(manager.getLockStatus(name)?.waiters).toEqual([]);
    await owner.do('release', name);
    expect(manager.mutex(name).acquire().ownerDied).toBeUndefined();
    expect(manager.getStatistics(name)?.ownerDeaths).toBe(0);
  });

  test('after its release is no owner death', async () => {
    const thread = await holder();
    await thread.do('release', name);
    await thread.end('terminate()');
    expect(manager.mutex(name).acquire().ownerDied).toBeUndefined();
  });

  test('gives back all its locks, each as it was held', async () => {
    const thread = await Thread.start();
    await thread.do('acquire', `${name}/guard`);
    await thread.do('lock', `${name}/pair`);
    await thread.do('acquireAsync', `${name}/flow`);
    await thread.end('terminate()');
    for (const one of ['guard', 'pair', 'flow']) expect(manager.mutex(`${name}/${one}`).acquireInconsistent().ownerDied).toBeDefined();
  });

  test('gives back a thousand locks', async () => {
    const own = LockManager.create({ name: 'thousand', capacity: { locks: 1_000 } });
    const thread = await Thread.start();
    await thread.do('attach', 'thousand');
    const all = Array.from({ length: 1_000 }, (_, i) => `m${i}`);
    await Promise.all(all.map((one) => thread.do('lock', one)));
    await thread.end('terminate()');
    for (const one of all) expect(own.mutex(one).acquireInconsistent().held).toBe(true);
    await own.close();
  });

  test('is counted, once per lock that it held', async () => {
    await die();
    expect(manager.getStatistics(name)?.ownerDeaths).toBe(1);
    manager.mutex(name).acquireInconsistent().markConsistent();
    expect(manager.getStatistics(name)?.ownerDeaths).toBe(1);
  });

  test('takes its own workers with it, and what they hold is given back', async () => {
    const parent = await Thread.start();
    await parent.do('attach');
    const nested = await parent.nest();
    await nested.do('acquire', name);
    await parent.end('terminate()');
    expect(await refusalCode(manager.mutex(name).acquireAsync())).toBe('ERR_LOCK_OWNER_DIED');
  });

  test('is noticed by its own parent when it is a nested worker', async () => {
    const parent = await Thread.start();
    await parent.do('attach');
    const nested = await parent.nest();
    await nested.do('acquire', name);
    await parent.do('endNested');
    expect(await refusalCode(parent.do('acquire', name))).toBe('ERR_LOCK_OWNER_DIED');
    expect(await refusalCode(() => manager.mutex(name).acquire())).toBe('ERR_LOCK_OWNER_DIED');
  });

  // As everywhere without a list of threads: see docs/recovery.md.
  test.runIf(process.platform === 'linux')('leaves no record behind, at whichever operation of attaching it stops with its parent', async () => {
    const before = manager.stats.agents;
    let stops = 0;
    for (let isDone = false; !isDone; ) {
      const progress = sharedWords(2);
      const parent = startWorker('stopping-at.mjs', { workerData: { progress, before: ++stops } });
      await until('its worker has stopped or attached', () => Atomics.load(progress, 0) !== 0);
      isDone = Atomics.load(progress, 0) === 2;
      await parent.terminate();
      expect(manager.stats.agents, `operation ${stops}`).toBe(before);
    }
    expect(stops).toBeGreaterThan(10);
  }, 60_000);

  test.runIf(process.platform === 'linux')('is found by an event loop that waits, though the thread that would hear of it is blocked', async () => {
    const parent = await Thread.start();
    await parent.do('attach');
    const nested = await parent.nest();
    await nested.do('acquire', name);
    const gate = sharedWords(2);
    const stalled = parent.do('stall', gate);
    await until('its parent is stuck', () => Atomics.load(gate, 0) === 1);
    nested.do('end', 'process.exit()').catch(() => {});
    expect(await refusalCode(manager.mutex(name).acquireAsync({ timeoutMs: 10_000 }))).toBe('ERR_LOCK_OWNER_DIED');
    resume(gate);
    await stalled;
  });
});

describe('what is told of a death', () => {
  test('names the thread and the time', async () => {
    const before = Date.now();
    const threadId = await die();
    const { ownerDied } = manager.mutex(name).acquireInconsistent();
    expect(ownerDied).toEqual({ threadId, at: expect.any(Number) as number });
    expect(ownerDied!.at).toBeGreaterThanOrEqual(before);
    expect(ownerDied!.at).toBeLessThanOrEqual(Date.now());
  });
});
