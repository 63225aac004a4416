import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isLockError, LockError, LockManager } from 'holdfast';
import { endThreads, refusal, startThreads, Thread, untilBlocked } from './harness/workers.js';

let manager: LockManager;

beforeEach(() => {
  manager = LockManager.create();
});
afterEach(async () => {
  await endThreads();
  await manager.close();
});

/** Thread i holds lock i and waits for the next one, but the last thread, which waits for nothing yet. */
async function almostACircle(threads: readonly Thread[], names: readonly string[]): Promise<Promise<unknown>[]> {
  await Promise.all(threads.map((thread, i) => thread.do('acquire', names[i]!)));
  const waits: Promise<unknown>[] = [];
  for (const [i, thread] of threads.slice(0, -1).entries()) {
    const wait = thread.do('acquire', names[i + 1]!);
    // Some tests end before it does.
    wait.catch(() => {});
    waits.push(wait);
    await untilBlocked(manager, names[i + 1]!, 1);
  }
  return waits;
}

/** The error of a call that must not give the event loop a turn. */
function refused(attempt: () => unknown): LockError {
  try {
    attempt();
  } catch (error) {
    return LockError.from(error)!;
  }
  throw new Error('not refused');
}

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `ring/${i}`);

describe('threads that wait for each other', () => {
  test.each([2, 3, 8])('a cycle of %i: the one that would close it is refused at once, and the others go on', async (count) => {
    const names = namesOf(count);
    const threads = await startThreads(count);
    const waits = await almostACircle(threads, names);
    const last = threads.at(-1)!;
    const error = await refusal(last.do('acquire', names[0]!, { timeoutMs: Infinity }));
    expect(error.code).toBe('ERR_LOCK_DEADLOCK');
    expect(error.cycle).toHaveLength(count);
    expect(error.cycle!.map(({ threadId }) => threadId)).toEqual([last, ...threads.slice(0, -1)].map(({ threadId }) => threadId));
    expect(error.cycle!.map(({ waitsFor }) => waitsFor)).toEqual(names);
    expect(error.cycle!.map(({ holds }) => holds)).toEqual([names.at(-1), ...names.slice(0, -1)]);
    expect(error.message.split('\n')[0]).toContain(`deadlock: worker ${last.threadId} → "${names[0]}" → worker ${threads[0]!.threadId} → "${names[1]}"`);
    expect(error.message).toContain(`"${names[0]}" (mutex, exclusive) was NOT acquired; "${names.at(-1)}" is still held`);
    expect(manager.getStatistics(names[0]!)).toMatchObject({ deadlocks: 1, locks: { exclusive: { totalAborts: 0, totalTimeouts: 0 } } });
    await last.do('release', names.at(-1)!);
    // From the last that waits to the first: each gets what the one before it lets go.
    for (const i of [...waits.keys()].reverse()) {
      await waits[i];
      await threads[i]!.do('release', names[i + 1]!);
      await threads[i]!.do('release', names[i]!);
    }
    expect(manager.stats).toMatchObject({ active: 0, waiting: 0 });
  });

  test('may still lock what is not in the cycle, and the same lock once it is free', async () => {
    const [a, b] = await startThreads(2);
    const [wait] = await almostACircle([a!, b!], ['x', 'y']);
    expect((await refusal(b!.do('acquire', 'x'))).code).toBe('ERR_LOCK_DEADLOCK');
    await b!.do('enter', 'z', new Int32Array(new SharedArrayBuffer(16)), 1);
    await b!.do('release', 'y');
    await wait;
    await a!.do('release', 'y');
    await a!.do('release', 'x');
    await b!.do('acquire', 'x');
  });

  test('who only waits behind a cycle is not refused', async () => {
    await manager.close();
    manager = LockManager.create({ deadlock: 'report' });
    const [a, b, c] = await startThreads(3);
    const waits = await almostACircle([a!, b!], ['x', 'y']);
    const closing = b!.do('acquire', 'x');
    closing.catch(() => {});
    await untilBlocked(manager, 'x', 1);
    expect((await refusal(c!.do('acquire', 'x', { timeoutMs: 50 }))).code).toBe('ERR_LOCK_TIMEOUT');
    const [found, ...more] = await manager.detectDeadlocks();
    expect(more).toEqual([]);
    expect(found!.cycle.map(({ threadId }) => threadId).sort()).toEqual([a!.threadId, b!.threadId].sort());
    await b!.end('terminate()');
    expect((await refusal(waits[0]!)).code).toBe('ERR_LOCK_OWNER_DIED');
    await expect(closing).rejects.toThrow();
    expect(await manager.detectDeadlocks()).toEqual([]);
  });

  test("with deadlock: 'report' nobody is refused, and detectDeadlocks() names the cycle", async () => {
    await manager.close();
    manager = LockManager.create({ deadlock: 'report' });
    const [a, b] = await startThreads(2);
    const [wait] = await almostACircle([a!, b!], ['x', 'y']);
    expect(await manager.detectDeadlocks()).toEqual([]);
    const closing = b!.do('acquire', 'x', { timeoutMs: 300 });
    await untilBlocked(manager, 'x', 1);
    const found = await manager.detectDeadlocks();
    expect(found).toHaveLength(1);
    expect([...found[0]!.cycle].sort((one, other) => one.holds.localeCompare(other.holds))).toMatchObject([
      { threadId: a!.threadId, waitsFor: 'y', kind: 'mutex', holds: 'x' },
      { threadId: b!.threadId, waitsFor: 'x', kind: 'mutex', holds: 'y' },
    ]);
    expect((await refusal(closing)).code).toBe('ERR_LOCK_TIMEOUT');
    await b!.do('release', 'y');
    await wait;
  });

  test('the error crosses to another thread whole', async () => {
    const [a, b] = await startThreads(2);
    await almostACircle([a!, b!], ['x', 'y']);
    const crossed: unknown = await b!.do('acquire', 'x').catch((error: unknown) => error);
    expect(isLockError(crossed, 'ERR_LOCK_DEADLOCK')).toBe(true);
    expect(LockError.from(crossed)!.cycle).toHaveLength(2);
    expect(LockError.from(crossed)!.report).toMatchObject({ lock: 'x', kind: 'mutex', held: 'y', threads: 2 });
  });

  test('an asynchronous hold of a thread that is blocked counts as held by that thread', async () => {
    const [a, b] = await startThreads(2);
    await a!.do('acquireAsync', 'x');
    await b!.do('acquire', 'y');
    const wait = a!.do('acquire', 'y');
    await untilBlocked(manager, 'y', 1);
    expect((await refusal(b!.do('acquire', 'x'))).code).toBe('ERR_LOCK_DEADLOCK');
    await b!.do('release', 'y');
    await wait;
  });

  test('an asynchronous hold of a thread that runs is no deadlock, and neither is an asynchronous wait', async () => {
    const [a, b] = await startThreads(2);
    await a!.do('acquireAsync', 'x');
    await b!.do('acquire', 'y');
    const flow = a!.do('acquireAsync', 'y');
    const wait = b!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    await a!.do('release', 'x');
    await wait;
    await b!.do('release', 'y');
    await flow;
  });

  test('the main thread takes part where it may block', async () => {
    await manager.close();
    manager = LockManager.create({ blockingOnMain: 'allow' });
    const [a] = await startThreads(1);
    const x = manager.mutex('x').acquire();
    await a!.do('acquire', 'y');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    const error = await refusal(() => manager.mutex('y').acquire());
    expect(error.code).toBe('ERR_LOCK_DEADLOCK');
    expect(error.message).toContain('deadlock: the main thread → "y"');
    x.release();
    await wait;
  });

  test('a thread whose end nobody has heard of is no part of a cycle', async () => {
    await manager.close();
    manager = LockManager.create({ blockingOnMain: 'allow' });
    const [a] = await startThreads(1);
    const y = manager.mutex('y').acquire();
    await a!.do('acquire', 'x');
    a!.do('acquire', 'y').catch(() => {});
    await untilBlocked(manager, 'y', 1);
    a!.kill();
    // This thread hears nothing from here on. The other one takes a while to end; until then there is a cycle.
    const pause = new Int32Array(new SharedArrayBuffer(4));
    let code: string;
    let looks = 0;
    do {
      code = (refused(() => manager.mutex('x').acquire({ timeoutMs: 5_000 }))).code;
      Atomics.wait(pause, 0, 0, 10);
    } while (code === 'ERR_LOCK_DEADLOCK' && looks++ < 500);
    expect(code).toBe('ERR_LOCK_OWNER_DIED');
    y.release();
  });
});

describe('semaphores', () => {
  const two = { permits: 2 };

  async function opened(count: number): Promise<Thread[]> {
    const threads = await startThreads(count);
    await Promise.all(threads.map((thread) => thread.do('openSemaphore', 's', two)));
    return threads;
  }

  test('a deadlock if no holder of a permit can go on', async () => {
    const [a, b, c] = await opened(3);
    await a!.do('acquire', 's');
    await b!.do('acquire', 's');
    await c!.do('acquire', 'x');
    const waits = [a!.do('acquire', 'x'), b!.do('acquire', 'x')];
    await untilBlocked(manager, 'x', 2);
    const error = await refusal(c!.do('acquire', 's', { timeoutMs: Infinity }));
    expect(error.code).toBe('ERR_LOCK_DEADLOCK');
    expect(error.cycle!.map(({ waitsFor, kind }) => [waitsFor, kind])).toEqual([
      ['s', 'semaphore'],
      ['x', 'mutex'],
    ]);
    await c!.do('release', 'x');
    const first = await Promise.race(waits.map((wait, i) => wait.then(() => i)));
    await [a, b][first]!.do('release', 'x');
    await Promise.all(waits);
  });

  test('none if one of them runs', async () => {
    const [a, b, c] = await opened(3);
    await a!.do('acquire', 's');
    await b!.do('acquire', 's');
    await c!.do('acquire', 'x');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    const permit = c!.do('acquire', 's');
    await untilBlocked(manager, 's', 1);
    await b!.do('release', 's');
    await permit;
    await c!.do('release', 'x');
    await wait;
  });

  test('one who wants more than those who run can give back', async () => {
    const [a, b] = await opened(2);
    await a!.do('acquire', 's');
    await b!.do('acquire', 'x');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    expect((await refusal(b!.do('acquire', 's', { permits: 2 } as never))).code).toBe('ERR_LOCK_DEADLOCK');
    await b!.do('release', 'x');
    await wait;
  });
});

describe('read-write locks', () => {
  async function opened(count: number): Promise<Thread[]> {
    const threads = await startThreads(count);
    await Promise.all(threads.map((thread) => thread.do('openRwlock', 'l', {})));
    return threads;
  }

  test.each(['write', 'upgradableRead'] as const)('a reader that waits for one who waits to have %s', async (mode) => {
    const [a, b] = await opened(2);
    // An upgradable hold goes beside readers, so only another owner is in its way.
    await a!.do('acquire', mode === 'write' ? 'l#read' : 'l#write');
    await b!.do('acquire', 'x');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    const error = await refusal(b!.do('acquire', `l#${mode}`, { timeoutMs: Infinity }));
    expect(error.code).toBe('ERR_LOCK_DEADLOCK');
    expect(error.cycle!.map(({ waitsFor, kind }) => [waitsFor, kind])).toEqual([
      ['l', 'rwlock'],
      ['x', 'mutex'],
    ]);
    await b!.do('release', 'x');
    await wait;
  });

  test('one that waits to read behind a writer that waits for it', async () => {
    const [a, b] = await opened(2);
    await a!.do('acquire', 'l#write');
    await b!.do('acquire', 'x');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    expect((await refusal(b!.do('acquire', 'l#read', { timeoutMs: Infinity }))).code).toBe('ERR_LOCK_DEADLOCK');
    await b!.do('release', 'x');
    await wait;
  });

  test('a writer behind two readers of which one waits for it', async () => {
    const [a, b, c] = await opened(3);
    await a!.do('acquire', 'l#read');
    await c!.do('acquire', 'l#read');
    await b!.do('acquire', 'x');
    const wait = a!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    expect((await refusal(b!.do('acquire', 'l#write', { timeoutMs: Infinity }))).code).toBe('ERR_LOCK_DEADLOCK');
    await b!.do('release', 'x');
    await wait;
  });

  test('none while the writer only waits for readers that run', async () => {
    const [a, b] = await opened(2);
    await a!.do('acquire', 'l#read');
    await b!.do('acquire', 'x');
    const writing = b!.do('acquire', 'l#write', { timeoutMs: Infinity });
    await untilBlocked(manager, 'l', 1);
    await a!.do('release', 'l#read');
    await writing;
  });

  test('an upgrade that waits for a reader that waits for the upgrader', async () => {
    const [a, b] = await opened(2);
    await a!.do('acquire', 'l#upgradableRead');
    await a!.do('acquire', 'x');
    await b!.do('acquire', 'l#read');
    const wait = b!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    expect((await refusal(a!.do('upgrade', 'l#upgradableRead', { timeoutMs: Infinity }))).code).toBe('ERR_LOCK_DEADLOCK');
    await a!.do('release', 'x');
    await wait;
  });
});

describe('conditions', () => {
  test('acquiring the mutex again can be a deadlock, and then it is not held', async () => {
    const [a, b] = await startThreads(2);
    await a!.do('openCondition', 'c', 'm');
    await a!.do('acquire', 'x');
    await a!.do('acquire', 'm');
    const waiting = refusal(a!.do('waitFor', 'c', 'm', { timeoutMs: Infinity }));
    await untilBlocked(manager, 'c', 1);
    await b!.do('acquire', 'm');
    const wait = b!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    manager.condition('c', manager.mutex('m')).notify();
    const error = await waiting;
    expect(error.code).toBe('ERR_LOCK_DEADLOCK');
    expect(error.cycle!.map(({ waitsFor }) => waitsFor)).toEqual(['m', 'x']);
    expect(manager.getLockStatus('m')!.holders).toMatchObject([{ threadId: b!.threadId }]);
    await a!.do('release', 'x');
    await wait;
  });

  test('waiting to be notified, or for a gate, is no deadlock', async () => {
    const [a, b] = await startThreads(2);
    await a!.do('openGate', 'e', {});
    await a!.do('acquire', 'x');
    const passing = a!.do('passAndNote', 'e', new Int32Array(new SharedArrayBuffer(16)), 1, { timeoutMs: Infinity });
    await untilBlocked(manager, 'e', 1);
    const wait = b!.do('acquire', 'x');
    await untilBlocked(manager, 'x', 1);
    manager.event('e').set();
    await passing;
    await a!.do('release', 'x');
    await wait;
  });
});

test.each([
  ['deadlock', 'never'],
  ['deadlock', true],
])('refuses the option %s: %s', (option, value) => {
  expect(() => LockManager.create({ [option]: value })).toThrow(TypeError);
});
