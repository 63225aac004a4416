import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager, type Semaphore } from 'holdfast';
import { cell, header } from '../native-layout/index.js';
import { cellAt, placeRegions, type Segment } from '../src/shm/segment.js';
import { endThreads, entries, newLog, refusal, refusalCode, resume, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;

beforeEach(() => {
  name = `semaphore ${names++}`;
});
afterEach(endThreads);

function open(permits: number): Semaphore {
  return manager.semaphore(name, { permits });
}

/** Threads that have opened the semaphore. */
async function startSharing(count: number, permits: number): Promise<Thread[]> {
  const threads = await startThreads(count);
  await Promise.all(threads.map((thread) => thread.do('openSemaphore', name, { permits })));
  return threads;
}

function counts() {
  return manager.getStatistics(name)!.locks.permit;
}

describe('permits', () => {
  test('are held by as many as there are, in any threads', async () => {
    const semaphore = open(3);
    const [first, second] = await startSharing(2, 3);
    const guard = semaphore.acquire();
    expect(await first!.do('acquire', name)).toMatchObject({ held: true, permits: 1 });
    expect(semaphore.available).toBe(1);
    expect(await second!.do('acquire', name)).toMatchObject({ held: true });
    expect(semaphore.available).toBe(0);
    expect(semaphore.tryAcquire()).toBeUndefined();
    expect(await first!.do('tryAcquire', name)).toBeUndefined();
    guard.release();
    expect(semaphore.available).toBe(1);
  });

  test('go several at once, and all or none', async () => {
    const semaphore = open(5);
    const [worker] = await startSharing(1, 5);
    const guard = semaphore.acquire({ permits: 3 });
    expect(guard.permits).toBe(3);
    expect(await worker!.do('tryAcquire', name, { permits: 3 })).toBeUndefined();
    expect(semaphore.available).toBe(2);
    expect(await worker!.do('tryAcquire', name, { permits: 2 })).toMatchObject({ permits: 2 });
    guard.release();
    expect(semaphore.available).toBe(3);
  });

  test('of one thread add up over its guards, and each gives back its own once', () => {
    const semaphore = open(6);
    const guards = [1, 2, 3].map((permits) => semaphore.acquire({ permits }));
    expect(semaphore.available).toBe(0);
    guards[1]!.release();
    guards[1]!.release();
    expect(semaphore.available).toBe(2);
    expect(guards.map(({ held }) => held)).toEqual([true, false, true]);
    guards[0]!.release();
    guards[2]!.release();
    expect(semaphore.available).toBe(6);
  });

  test('are given back by using, run and runAsync, also when the function throws', async () => {
    const semaphore = open(4);
    const fail = (): never => {
      throw new Error('on purpose');
    };
    {
      using guard = semaphore.acquire({ permits: 4 });
      expect(guard.held).toBe(true);
    }
    {
      await using guard = await semaphore.acquireAsync({ permits: 4 });
      expect(guard.held).toBe(true);
    }
    expect(semaphore.run((guard) => [guard.permits, semaphore.available], { permits: 3 })).toEqual([3, 1]);
    expect(await semaphore.runAsync((guard) => [guard.permits, semaphore.available], { permits: 2 })).toEqual([2, 2]);
    expect(() => semaphore.run(fail)).toThrow('on purpose');
    await expect(semaphore.runAsync(fail)).rejects.toThrow('on purpose');
    expect(await refusalCode(() => semaphore.run(async () => 1))).toBe('ERR_LOCK_ASYNC_BODY');
    expect(semaphore.available).toBe(4);
  });

  test('can be as many as 65,535', async () => {
    const semaphore = open(65_535);
    const [worker] = await startSharing(1, 65_535);
    await worker!.do('acquire', name, { permits: 65_000 });
    const guard = semaphore.acquire({ permits: 535 });
    expect(semaphore.available).toBe(0);
    guard.release();
    expect(semaphore.available).toBe(535);
  });

  test('come with a token that grows with each acquisition', async () => {
    const semaphore = open(2);
    const [worker] = await startSharing(1, 2);
    const tokens = [semaphore.acquire().fencingToken, (await worker!.do('acquire', name)).fencingToken];
    await worker!.do('release', name);
    tokens.push((await semaphore.acquireAsync()).fencingToken);
    expect(tokens).toEqual([1n, 2n, 3n]);
  });
});

describe('never more than there are', () => {
  test.each([
    [1, [1]],
    [2, [1, 2]],
    [5, [1, 3, 1, 5, 2]],
  ])('%i permits, taken %j at a time by blocked threads: all finish', async (permits, amounts) => {
    const threads = await startSharing(4, permits);
    const shadow = sharedWords(4);
    await Promise.all(threads.map((thread, i) => thread.do('share', name, shadow, 500, [...amounts.slice(i % amounts.length), ...amounts], 'acquire', 4)));
    expect([...shadow.subarray(0, 3)]).toEqual([2_000, 0, 0]);
    expect(open(permits).available).toBe(permits);
    expect(counts().totalAcquisitions).toBe(2_000);
  });

  test('in every form at once', async () => {
    const threads = await startSharing(3, 4);
    const shadow = sharedWords(4);
    const forms = ['acquire', 'tryAcquire', 'acquireAsync'] as const;
    await Promise.all(threads.map((thread, i) => thread.do('share', name, shadow, 300, [1, 3, 2, 4], forms[i]!, 3)));
    expect([...shadow.subarray(0, 3)]).toEqual([900, 0, 0]);
    expect(open(4).available).toBe(4);
    expect(counts().totalAcquisitions).toBe(900);
  });
});

describe('order', () => {
  test('is that of arrival, for all amounts', async () => {
    const threads = await startSharing(4, 3);
    const semaphore = open(3);
    const guard = semaphore.acquire({ permits: 3 });
    const log = newLog(4);
    const entered: Promise<void>[] = [];
    for (const [i, thread] of threads.entries()) {
      entered.push(thread.do('enter', name, log, i, { permits: [2, 3, 1, 3][i]! }));
      await untilBlocked(manager, name, i + 1);
    }
    guard.release();
    await Promise.all(entered);
    expect(entries(log)).toEqual([0, 1, 2, 3]);
  });

  test('lets a request for few wait behind one for many', async () => {
    const [large, small] = await startSharing(2, 3);
    const semaphore = open(3);
    const guards = [semaphore.acquire(), semaphore.acquire()];
    const wide = large!.do('acquire', name, { permits: 3 });
    await untilBlocked(manager, name, 1);
    const narrow = small!.do('acquire', name);
    await untilBlocked(manager, name, 2);
    expect(semaphore.available).toBe(1);
    expect(semaphore.tryAcquire()).toBeUndefined();
    for (const guard of guards) guard.release();
    expect(await wide).toMatchObject({ permits: 3 });
    expect(manager.getLockStatus(name)?.waiters).toHaveLength(1);
    await large!.do('release', name);
    expect(await narrow).toMatchObject({ permits: 1 });
  });

  test('does not starve a request for all among many for one', async () => {
    const [large, ...small] = await startSharing(4, 3);
    const shadow = sharedWords(4);
    const sharing = small.map((thread) => thread.do('share', name, shadow, 3_000, [1], 'acquire', 3));
    for (let i = 0; i < 20; i++) {
      expect(await large!.do('acquire', name, { permits: 3 })).toMatchObject({ permits: 3 });
      await large!.do('release', name);
    }
    await Promise.all(sharing);
    expect([...shadow.subarray(0, 3)]).toEqual([9_000, 0, 0]);
  });

  test('serves all whom one release is enough for', async () => {
    const threads = await startSharing(3, 3);
    const guard = open(3).acquire({ permits: 3 });
    const acquired = threads.map((thread) => thread.do('acquire', name));
    await untilBlocked(manager, name, 3);
    guard.release();
    expect(await Promise.all(acquired)).toMatchObject([{ held: true }, { held: true }, { held: true }]);
  });

  test('is kept when each permit comes back alone', async () => {
    const threads = await startSharing(2, 2);
    const semaphore = open(2);
    const guards = [semaphore.acquire(), semaphore.acquire()];
    const acquired = threads.map((thread) => thread.do('acquire', name));
    await untilBlocked(manager, name, 2);
    for (const guard of guards) guard.release();
    expect(await Promise.all(acquired)).toMatchObject([{ held: true }, { held: true }]);
  });

  test('holds for flows as well', async () => {
    const semaphore = open(2);
    const guard = await semaphore.acquireAsync({ permits: 2 });
    const order: string[] = [];
    const enter = (what: string, permits: number): Promise<void> => semaphore.runAsync(() => void order.push(what), { permits });
    const entered = [enter('first', 2), enter('second', 1), enter('third', 2)];
    guard.release();
    const late = enter('late', 1);
    await Promise.all([...entered, late]);
    expect(order).toEqual(['first', 'second', 'third', 'late']);
  });

  test('holds between flows and threads', async () => {
    const [first, second] = await startSharing(2, 1);
    const semaphore = open(1);
    const guard = semaphore.acquire();
    const log = newLog(3);
    const entered = [first!.do('enter', name, log, 0)];
    await untilBlocked(manager, name, 1);
    entered.push(semaphore.runAsync(() => log.set([1], 1 + Atomics.add(log, 0, 1))));
    entered.push(second!.do('enter', name, log, 2));
    await untilBlocked(manager, name, 2);
    guard.release();
    await Promise.all(entered);
    expect(entries(log)).toEqual([0, 1, 2]);
  });

  test('does not let an event loop that is stuck hold up others', async () => {
    const [stuck, other] = await startSharing(2, 1);
    const semaphore = open(1);
    const guard = semaphore.acquire();
    const flow = stuck!.do('acquireAsync', name);
    await stuck!.do('ping');
    const gate = sharedWords(2);
    const stalled = stuck!.do('stall', gate);
    await until('the event loop is stuck', () => Atomics.load(gate, 0) === 1);
    guard.release();
    const shadow = sharedWords(4);
    await other!.do('share', name, shadow, 200, [1], 'acquire', 1);
    expect(shadow[0]).toBe(200);
    expect(await semaphore.runAsync(() => 'served')).toBe('served');
    resume(gate);
    await stalled;
    expect(await flow).toMatchObject({ held: true });
  });

  test('does not have a thread wait for its own flow', async () => {
    const [worker] = await startSharing(1, 1);
    const guard = open(1).acquire();
    const flow = worker!.do('acquireAsync', name);
    const blocked = worker!.do('enter', name, newLog(1), 0);
    await untilBlocked(manager, name, 1);
    guard.release();
    await blocked;
    expect(await flow).toMatchObject({ held: true });
  });
});

describe('a thread that dies', () => {
  test.each(['terminate()', 'process.exit()', 'an uncaught error'] as const)('by %s has all its permits given back, and nobody is told', async (way) => {
    const [dying, waiting] = await startSharing(2, 5);
    const semaphore = open(5);
    for (const permits of [1, 2]) await dying!.do('acquire', name, { permits });
    await dying!.do('acquireAsync', name);
    const acquired = waiting!.do('acquire', name, { permits: 4 });
    await untilBlocked(manager, name, 1);
    await dying!.end(way);
    expect(await acquired).toMatchObject({ held: true, permits: 4, ownerDied: undefined });
    expect(semaphore.available).toBe(1);
    expect(manager.getStatistics(name)?.ownerDeaths).toBe(1);
    expect(manager.getLockStatus(name)).toMatchObject({ state: 'held', holders: [{ threadId: waiting!.threadId, permits: 4 }], waiters: [] });
  });

  test('while it waits leaves the queue, and who was behind it is served', async () => {
    const [dying, behind] = await startSharing(2, 2);
    const semaphore = open(2);
    const guard = semaphore.acquire();
    dying!.do('acquire', name, { permits: 2 }).catch(() => {});
    await untilBlocked(manager, name, 1);
    const acquired = behind!.do('acquire', name);
    await untilBlocked(manager, name, 2);
    await dying!.end('terminate()');
    expect(await acquired).toMatchObject({ held: true });
    guard.release();
    expect(semaphore.available).toBe(1);
  });

  test('while its flow waits leaves the queue, too', async () => {
    const [dying, behind] = await startSharing(2, 2);
    const guard = open(2).acquire();
    dying!.do('acquireAsync', name, { permits: 2 }).catch(() => {});
    await dying!.do('ping');
    await dying!.end('terminate()');
    expect(await behind!.do('acquire', name)).toMatchObject({ held: true });
    guard.release();
  });

  test('takes its own workers with it, holding or waiting', async () => {
    const semaphore = open(3);
    const parent = await Thread.start();
    await parent.do('attach');
    const [holding, waiting] = [await parent.nest(), await parent.nest()];
    for (const nested of [holding, waiting]) await nested.do('openSemaphore', name, { permits: 3 });
    await holding.do('acquire', name, { permits: 2 });
    waiting.do('acquire', name, { permits: 2 }).catch(() => {});
    await untilBlocked(manager, name, 1);
    const flow = semaphore.acquireAsync({ permits: 3 });
    await parent.end('terminate()');
    expect(await flow).toMatchObject({ held: true, permits: 3 });
  });

  test('anywhere in taking and giving back, again and again, loses no permit and makes none', async () => {
    const semaphore = open(3);
    for (let round = 0; round < 12; round++) {
      const threads = await startSharing(3, 3);
      const shadow = sharedWords(4);
      const [survivor, ...dying] = threads;
      for (const thread of dying) thread.do('share', name, shadow, 1e9, [1, 3, 2], 'acquire', 3).catch(() => {});
      const sharing = survivor!.do('share', name, shadow, 2_000, [2, 1], 'acquire', 3);
      await until('all are at it', () => Atomics.load(shadow, 0) > 100 * round);
      await Promise.all(dying.map((thread) => thread.end('terminate()')));
      await sharing;
      expect(semaphore.available).toBe(3);
      expect(manager.getLockStatus(name)).toMatchObject({ state: 'free', holders: [], waiters: [] });
      await survivor!.end('terminate()');
    }
  }, 60_000);

  test('that leaves its manager gives back what it holds, and its guards do nothing more', async () => {
    const [leaving] = await startSharing(1, 3);
    const semaphore = open(3);
    await leaving!.do('acquire', name, { permits: 2 });
    await leaving!.do('close');
    expect(semaphore.available).toBe(3);
    const guard = semaphore.acquire({ permits: 3 });
    expect(await leaving!.do('release', name)).toMatchObject({ held: false });
    expect(semaphore.available).toBe(0);
    expect(await refusalCode(leaving!.do('tryAcquire', name))).toBe('ERR_LOCK_CLOSED');
    guard.release();
  });
});

describe('whoever gives up', () => {
  test('by time-out is told who holds how many, and leaves the way free', async () => {
    const threads = await startSharing(5, 11);
    for (const [i, thread] of threads.slice(0, 4).entries()) await thread.do('acquire', name, { permits: i + 1 });
    const error = await refusal(threads[4]!.do('acquire', name, { permits: 3, timeoutMs: 20 }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { kind: 'semaphore', mode: 'shared', permits: { total: 11, available: 1 } } });
    const [, one, two, three] = threads.map(({ threadId }) => threadId);
    expect(error.message).toContain(`1 of 11 free; held by worker ${three} (4), worker ${two} (3), worker ${one} (2) and 1 more`);
    expect(manager.getLockStatus(name)?.waiters).toEqual([]);
    expect(open(11).tryAcquire()?.held).toBe(true);
    expect(counts()).toMatchObject({ totalTimeouts: 1 });
  });

  test.each(['acquire', 'acquireAsync'] as const)('of many, by %s, has those for few behind it served', async (form) => {
    const [wide, narrow] = await startSharing(2, 2);
    const guard = open(2).acquire();
    const gaveUp = refusalCode(wide!.do(form, name, { permits: 2, timeoutMs: 300 }));
    await until('it waits', () => form === 'acquireAsync' || manager.getLockStatus(name)?.waiters.length === 1);
    if (form === 'acquireAsync') await wide!.do('ping');
    const acquired = narrow!.do('acquire', name);
    expect(await gaveUp).toBe('ERR_LOCK_TIMEOUT');
    expect(await acquired).toMatchObject({ held: true });
    guard.release();
  });

  test('at once, by timeoutMs: 0, has not waited', async () => {
    const [holder] = await startSharing(1, 1);
    await holder!.do('acquire', name);
    expect(await refusalCode(() => open(1).acquire({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(open(1).acquireAsync({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
  });

  test('by a signal is rejected with its reason', async () => {
    const semaphore = open(1);
    const guard = semaphore.acquire();
    const abort = new AbortController();
    const flow = refusal(semaphore.acquireAsync({ signal: abort.signal }));
    const next = semaphore.acquireAsync();
    abort.abort(new Error('no longer needed'));
    expect(await flow).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'no longer needed' } });
    expect(await refusalCode(semaphore.acquireAsync({ signal: AbortSignal.abort() }))).toBe('ERR_LOCK_ABORTED');
    guard.release();
    expect((await next).held).toBe(true);
    expect(counts()).toMatchObject({ totalAcquisitions: 2, totalAborts: 2 });
  });

  test('by a cancel token is refused, blocked or not yet', async () => {
    const cancel = manager.cancelToken();
    const [worker] = await startSharing(1, 1);
    const guard = open(1).acquire();
    const blocked = refusalCode(worker!.do('acquire', name, { cancel }));
    await untilBlocked(manager, name, 1);
    cancel.cancel();
    expect(await blocked).toBe('ERR_LOCK_ABORTED');
    guard.release();
    expect(await refusalCode(() => open(1).acquire({ cancel }))).toBe('ERR_LOCK_ABORTED');
    expect(open(1).available).toBe(1);
  });

  test('lets the next flow of its thread have a look, which may want less', async () => {
    const semaphore = open(2);
    const guard = semaphore.acquire();
    const abort = new AbortController();
    const wide = refusalCode(semaphore.acquireAsync({ permits: 2, signal: abort.signal }));
    const narrow = semaphore.acquireAsync();
    abort.abort();
    expect(await wide).toBe('ERR_LOCK_ABORTED');
    expect((await narrow).held).toBe(true);
    guard.release();
  });
});

describe('what can not be is refused', () => {
  test.each([0, 4, -1, 1.5, Number.NaN, '1', null])('permits: %s of 3, with nothing acquired', async (permits) => {
    const semaphore = open(3);
    const options = { permits: permits as number };
    expect(() => semaphore.acquire(options)).toThrow(TypeError);
    expect(() => semaphore.tryAcquire(options)).toThrow(TypeError);
    expect(() => semaphore.run(() => {}, options)).toThrow(TypeError);
    await expect(semaphore.acquireAsync(options)).rejects.toThrow(TypeError);
    await expect(semaphore.runAsync(() => {}, options)).rejects.toThrow(TypeError);
    expect(counts().totalAcquisitions).toBe(0);
  });

  test.each([undefined, 0, 65_536, -1, 2.5, '2'])('a semaphore of %s permits', (permits) => {
    expect(() => manager.semaphore(name, { permits: permits as number })).toThrow(TypeError);
  });

  test('no options', () => {
    // @ts-expect-error: how many permits?
    expect(() => manager.semaphore(name)).toThrow(TypeError);
  });

  test('another number of permits than others have opened it with, and another kind', async () => {
    open(2);
    expect(await refusal(() => manager.semaphore(name, { permits: 3 }))).toMatchObject({ code: 'ERR_LOCK_KIND_MISMATCH', report: { found: { kind: 'semaphore', permits: 2 }, wanted: { permits: 3 } } });
    expect(await refusalCode(() => manager.mutex(name))).toBe('ERR_LOCK_KIND_MISMATCH');
  });

  test('to wait for what this very thread holds: blocked, it could not give back', async () => {
    const [worker] = await startSharing(1, 4);
    await worker!.do('acquire', name, { permits: 3 });
    const error = await refusal(worker!.do('acquire', name, { permits: 2, timeoutMs: Infinity }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_RECURSIVE', report: { threadId: worker!.threadId, held: 3 } });
    expect(error.message).toContain('itself holds 3 of 4 permits');
    expect(await worker!.do('tryAcquire', name, { permits: 2 })).toBeUndefined();
    expect(await worker!.do('acquire', name, { permits: 1 })).toMatchObject({ held: true });
  });

  test('to wait for it is none of that as long as others can give back enough', async () => {
    const [worker, other] = await startSharing(2, 4);
    await worker!.do('acquire', name, { permits: 2 });
    await other!.do('acquire', name, { permits: 1 });
    const acquired = worker!.do('acquire', name, { permits: 2 });
    await untilBlocked(manager, name, 1);
    await other!.do('release', name);
    expect(await acquired).toMatchObject({ held: true, permits: 2 });
  });

  test('no flow that waits for what its thread holds: another flow can give it back', async () => {
    const semaphore = open(1);
    const guard = await semaphore.acquireAsync();
    const flow = semaphore.acquireAsync();
    guard.release();
    expect((await flow).held).toBe(true);
  });

  test('to block the main thread', async () => {
    const [holder] = await startSharing(1, 1);
    await holder!.do('acquire', name);
    const error = await refusal(() => open(1).acquire());
    expect(error).toMatchObject({ code: 'ERR_LOCK_WOULD_BLOCK_MAIN', report: { permits: { total: 1, available: 0 } } });
    expect(error.message).toContain(`held by worker ${holder!.threadId} (1)`);
  });

  test('to give back more than is held: nothing is changed', async () => {
    const own = LockManager.create({ name: 'over-release', capacity: { locks: 1, agents: 1 } });
    const semaphore = own.semaphore('s', { permits: 4 });
    const guard = semaphore.acquire({ permits: 3 });
    const { memory, start } = own.share() as { memory: WebAssembly.Memory; start: number };
    const words = new Int32Array(memory.buffer);
    const limits = { agentLimit: words[(start + header.fields.agentLimit.at) / 4]!, slotLimit: words[(start + header.fields.slotLimit.at) / 4]! };
    const at = (cellAt({ ...placeRegions(start, limits), ...limits } as Segment, 1, 0) + cell.fields.hold.at) / 4;
    expect(words[at]).toBe(3);
    words[at] = 2;
    expect(await refusal(() => guard.release())).toMatchObject({ code: 'ERR_LOCK_OVER_RELEASE', report: { released: 3 } });
    expect(words[at]).toBe(2);
    await own.close();
  });

  test('what is closed, and every wait for it ends', async () => {
    const own = LockManager.create({ name: 'closing' });
    const semaphore = own.semaphore(name, { permits: 1 });
    const worker = await Thread.start();
    await worker.do('attach', 'closing');
    await worker.do('openSemaphore', name, { permits: 1 });
    const guard = semaphore.acquire();
    const flow = refusalCode(semaphore.acquireAsync());
    const blocked = refusalCode(worker.do('acquire', name));
    await untilBlocked(own, name, 1);
    await own.close();
    expect(await blocked).toBe('ERR_LOCK_CLOSED');
    expect(await flow).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => semaphore.acquire())).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => semaphore.tryAcquire())).toBe('ERR_LOCK_CLOSED');
    guard.release();
    expect(guard.held).toBe(false);
  });
});

describe('seen from outside', () => {
  test('are holders with their permits and waiters with what they ask for, in order', async () => {
    const threads = await startSharing(4, 5);
    await threads[0]!.do('acquire', name, { permits: 3 });
    await threads[1]!.do('acquire', name, { permits: 1 });
    expect(manager.getLockStatus(name)).toMatchObject({ name, kind: 'semaphore', state: 'held', permits: { total: 5, available: 1 } });
    for (const [i, permits] of [2, 1].entries()) {
      threads[i + 2]!.do('acquire', name, { permits }).catch(() => {});
      await untilBlocked(manager, name, i + 1);
    }
    const { holders, waiters } = manager.getLockStatus(name)!;
    expect(holders).toMatchObject([{ threadId: threads[0]!.threadId, permits: 3 }, { threadId: threads[1]!.threadId, permits: 1 }]);
    expect(waiters).toMatchObject([{ threadId: threads[2]!.threadId, permits: 2 }, { threadId: threads[3]!.threadId, permits: 1 }]);
  });

  test('is a free one', () => {
    open(2);
    expect(manager.getLockStatus(name)).toEqual({ name, kind: 'semaphore', state: 'free', holders: [], waiters: [], permits: { total: 2, available: 2 } });
  });

  test('are counts of acquisitions, waits and refusals', async () => {
    const [worker] = await startSharing(1, 2);
    const semaphore = open(2);
    semaphore.acquire({ permits: 2 }).release();
    semaphore.tryAcquire()!.release();
    (await semaphore.acquireAsync()).release();
    expect(counts()).toMatchObject({ totalAcquisitions: 3, contendedAcquisitions: 0, totalWaits: 0 });
    const guard = semaphore.acquire({ permits: 2 });
    const entered = worker!.do('enter', name, newLog(1), 0);
    await untilBlocked(manager, name, 1);
    const flow = semaphore.runAsync(() => {});
    guard.release();
    await Promise.all([entered, flow]);
    expect(counts()).toMatchObject({ totalAcquisitions: 6, contendedAcquisitions: 2, totalWaits: 2 });
    expect(manager.getStatistics(name)).toMatchObject({ kind: 'semaphore', ownerDeaths: 0 });
  });

  test('is the same handle for the same name and time-out', () => {
    expect(open(2)).toBe(open(2));
    expect(manager.semaphore(name, { permits: 2, timeoutMs: 5 })).not.toBe(open(2));
    expect(open(2)).toMatchObject({ name, kind: 'semaphore', mode: 'shared', permits: 2 });
  });
});
