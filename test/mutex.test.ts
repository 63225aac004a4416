import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager } from 'holdfast';
import { endThreads, ownerOf, refusal, refusalCode, sharedWords, startThreads, Thread } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

function owner(name: string): number | undefined {
  return ownerOf(manager, name);
}

describe('a guard', () => {
  test('holds from acquire to release', async () => {
    const worker = await Thread.start();
    const guard = manager.mutex('guard/release').acquire();
    expect(guard.held).toBe(true);
    expect(await worker.do('tryAcquire', 'guard/release')).toBeUndefined();
    guard.release();
    expect(guard.held).toBe(false);
    expect(await worker.do('tryAcquire', 'guard/release')).toMatchObject({ held: true });
  });

  test('that is released twice frees nobody else', async () => {
    const worker = await Thread.start();
    const guard = manager.mutex('guard/twice').acquire();
    guard.release();
    await worker.do('acquire', 'guard/twice');
    guard.release();
    expect(owner('guard/twice')).toBe(worker.threadId);
  });

  test('that is released twice does not end a later hold of its own thread', () => {
    const mutex = manager.mutex('guard/own');
    const first = mutex.acquire();
    first.release();
    const second = mutex.acquire();
    first.release();
    mutex.assertHeld();
    second.release();
  });

  test('names its lock', () => {
    const mutex = manager.mutex('guard/lock');
    const guard = mutex.acquire();
    expect(guard.lock).toBe(mutex);
    expect(mutex).toMatchObject({ name: 'guard/lock', kind: 'mutex', mode: 'exclusive' });
    guard.release();
  });

  test('is released by using', () => {
    const mutex = manager.mutex('guard/using');
    {
      using guard = mutex.acquire();
      expect(guard.held).toBe(true);
    }
    expect(owner('guard/using')).toBeUndefined();
  });

  test('is released by using when the block throws', () => {
    const mutex = manager.mutex('guard/using-throws');
    expect(() => {
      using _ = mutex.acquire();
      throw new Error('on purpose');
    }).toThrow('on purpose');
    expect(owner('guard/using-throws')).toBeUndefined();
  });

  test('is released by await using', async () => {
    const mutex = manager.mutex('guard/await-using');
    {
      await using guard = await mutex.acquireAsync();
      expect(guard.held).toBe(true);
    }
    expect(owner('guard/await-using')).toBeUndefined();
  });

  test('has a fencing token that grows with every acquisition in whichever form and thread', async () => {
    const worker = await Thread.start();
    const mutex = manager.mutex('guard/token');
    const tokens: bigint[] = [];
    for (let i = 0; i < 3; i++) {
      mutex.run((guard) => tokens.push(guard.fencingToken));
      tokens.push((await worker.do('acquire', 'guard/token')).fencingToken);
      await worker.do('release', 'guard/token');
      await mutex.runAsync((guard) => tokens.push(guard.fencingToken));
      tokens.push((await worker.do('tryAcquire', 'guard/token'))!.fencingToken);
      await worker.do('release', 'guard/token');
    }
    expect(typeof tokens[0]).toBe('bigint');
    expect(tokens).toEqual(Array.from({ length: 12 }, (_, i) => tokens[0]! + BigInt(i)));
  });

  test('keeps its fencing token after release', () => {
    const guard = manager.mutex('guard/token-kept').acquire();
    const token = guard.fencingToken;
    guard.release();
    expect(guard.fencingToken).toBe(token);
  });
});

describe('run', () => {
  test('returns what the function returns, and releases', () => {
    expect(manager.mutex('run/returns').run((guard) => [guard.held, 42])).toEqual([true, 42]);
    expect(owner('run/returns')).toBeUndefined();
  });

  test('releases when the function throws', () => {
    const body = () => manager.mutex('run/throws').run(() => { throw new Error('on purpose'); });
    expect(body).toThrow('on purpose');
    expect(owner('run/throws')).toBeUndefined();
  });

  test('lets the function release early', () => {
    const mutex = manager.mutex('run/early');
    mutex.run((guard) => {
      guard.release();
      mutex.lock();
    });
    mutex.assertHeld();
    mutex.unlock();
  });

  test('refuses a function that returns a promise, and the lock is free', async () => {
    const error = await refusal(() => manager.mutex('run/async').run(async () => 1));
    expect(error.code).toBe('ERR_LOCK_ASYNC_BODY');
    expect(owner('run/async')).toBeUndefined();
  });

  test('leaves no unhandled rejection of a promise that it refuses', async () => {
    const seen: unknown[] = [];
    const listener = (reason: unknown): void => void seen.push(reason);
    process.on('unhandledRejection', listener);
    await refusal(() => manager.mutex('run/rejects').run(() => Promise.reject(new Error('on purpose'))));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(seen).toEqual([]);
  });

  test('refuses what is no function, with nothing acquired', () => {
    // @ts-expect-error: not a function
    expect(() => manager.mutex('run/no-function').run(1)).toThrow(TypeError);
    expect(manager.getStatistics('run/no-function')?.locks.exclusive.totalAcquisitions).toBe(0);
  });
});

describe('lock and unlock', () => {
  test('hold and free the lock', async () => {
    const worker = await Thread.start();
    const mutex = manager.mutex('pair/free');
    mutex.lock();
    expect(await worker.do('tryAcquire', 'pair/free')).toBeUndefined();
    mutex.unlock();
    expect(await worker.do('tryAcquire', 'pair/free')).toBeDefined();
  });

  test('refuse an unlock without a lock', async () => {
    expect(await refusalCode(() => manager.mutex('pair/none').unlock())).toBe('ERR_LOCK_NOT_HELD');
  });

  test('refuse an unlock by a stranger, and its holder goes on holding', async () => {
    const [holder, stranger] = await startThreads(2);
    await holder!.do('lock', 'pair/stranger');
    expect(await refusalCode(stranger!.do('unlock', 'pair/stranger'))).toBe('ERR_LOCK_NOT_HELD');
    expect(await refusalCode(() => manager.mutex('pair/stranger').unlock())).toBe('ERR_LOCK_NOT_HELD');
    expect(owner('pair/stranger')).toBe(holder!.threadId);
    await holder!.do('assertHeld', 'pair/stranger');
    await holder!.do('unlock', 'pair/stranger');
    expect(owner('pair/stranger')).toBeUndefined();
  });

  test('refuse to free what a guard holds', async () => {
    const mutex = manager.mutex('pair/guard');
    const guard = mutex.acquire();
    expect(await refusalCode(() => mutex.unlock())).toBe('ERR_LOCK_NOT_HELD');
    expect(guard.held).toBe(true);
    mutex.assertHeld();
    guard.release();
  });

  test('refuse to free what an asynchronous guard holds', async () => {
    const mutex = manager.mutex('pair/flow');
    const guard = await mutex.acquireAsync();
    expect(await refusalCode(() => mutex.unlock())).toBe('ERR_LOCK_NOT_HELD');
    mutex.assertHeld();
    guard.release();
  });

  test('refuse a second unlock, and the next holder goes on holding', async () => {
    const worker = await Thread.start();
    const mutex = manager.mutex('pair/second');
    mutex.lock();
    mutex.unlock();
    await worker.do('acquire', 'pair/second');
    expect(await refusalCode(() => mutex.unlock())).toBe('ERR_LOCK_NOT_HELD');
    expect(owner('pair/second')).toBe(worker.threadId);
  });
});

describe('assertHeld', () => {
  test('passes for each form of hold and throws without one', async () => {
    const mutex = manager.mutex('assert/forms');
    expect(await refusalCode(() => mutex.assertHeld())).toBe('ERR_LOCK_NOT_HELD');
    mutex.lock();
    mutex.assertHeld();
    mutex.unlock();
    mutex.run(() => mutex.assertHeld());
    await mutex.runAsync(() => mutex.assertHeld());
    expect(await refusalCode(() => mutex.assertHeld())).toBe('ERR_LOCK_NOT_HELD');
  });

  test('throws while another thread holds', async () => {
    const worker = await Thread.start();
    await worker.do('acquire', 'assert/other');
    expect(await refusalCode(() => manager.mutex('assert/other').assertHeld())).toBe('ERR_LOCK_NOT_HELD');
  });
});

describe('taking again what this thread holds', () => {
  const forms = {
    acquire: (name: string) => manager.mutex(name).acquire({ timeoutMs: Infinity }),
    lock: (name: string) => manager.mutex(name).lock({ timeoutMs: Infinity }),
    run: (name: string) => manager.mutex(name).run(() => {}, { timeoutMs: Infinity }),
    acquireInconsistent: (name: string) => manager.mutex(name).acquireInconsistent({ timeoutMs: Infinity }),
  };

  test.each(Object.entries(forms))('is refused at once by %s, and the hold stays', async (form, take) => {
    const mutex = manager.mutex(`again/${form}`);
    const guard = mutex.acquire();
    expect(await refusalCode(() => take(`again/${form}`))).toBe('ERR_LOCK_RECURSIVE');
    expect(guard.held).toBe(true);
    mutex.assertHeld();
    guard.release();
    expect(owner(`again/${form}`)).toBeUndefined();
  });

  test('is refused in a worker, which may block', async () => {
    const worker = await Thread.start();
    await worker.do('lock', 'again/worker');
    expect(await refusalCode(worker.do('acquire', 'again/worker', { timeoutMs: Infinity }))).toBe('ERR_LOCK_RECURSIVE');
  });

  test('is refused while one of its asynchronous flows holds', async () => {
    const worker = await Thread.start();
    await worker.do('acquireAsync', 'again/flow');
    const error = await refusal(worker.do('acquire', 'again/flow', { timeoutMs: Infinity }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_RECURSIVE', report: { holding: 'asynchronous' } });
  });

  test('by tryAcquire gives nothing', () => {
    const mutex = manager.mutex('again/try');
    mutex.run(() => expect(mutex.tryAcquire()).toBeUndefined());
  });
});

describe('mutual exclusion', () => {
  test.each([2, 3, 4, 8])('holds among %i workers in all forms', async (count) => {
    const forms = ['lock', 'acquire', 'run', 'acquireAsync', 'lock', 'runAsync', 'run', 'tryAcquire'] as const;
    const shadow = sharedWords(4);
    const rounds = 2_000;
    const workers = await startThreads(count);
    await Promise.all(workers.map((worker, i) => worker.do('count', `exclusion/${count}`, shadow, rounds, forms[i]!, count)));
    expect([...shadow.subarray(0, 3)]).toEqual([count * rounds, 0, 0]);
    expect(manager.getStatistics(`exclusion/${count}`)?.locks.exclusive.totalAcquisitions).toBe(count * rounds);
  });

  test('holds between workers and asynchronous flows of the main thread', async () => {
    const shadow = sharedWords(4);
    const mutex = manager.mutex('exclusion/main');
    const workers = await startThreads(2);
    const counted = workers.map((worker) => worker.do('count', 'exclusion/main', shadow, 20_000, 'lock', 2));
    for (let i = 0; i < 500; i++) {
      await mutex.runAsync(async () => {
        const before = shadow[0]!;
        await null;
        shadow[0] = before + 1;
      });
    }
    await Promise.all(counted);
    expect(shadow[0]).toBe(2 * 20_000 + 500);
  });

  test('holds for locks with different names apart', async () => {
    const worker = await Thread.start();
    await worker.do('acquire', 'exclusion/a');
    expect(manager.mutex('exclusion/b').tryAcquire()).toBeDefined();
  });
});
