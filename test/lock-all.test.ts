import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireAll, acquireAllAsync, type Guard, type GuardSet, type Lock, lockAll, lockAllAsync, LockError, LockManager, type Mutex } from 'holdfast';
import { broken } from './harness/broken.js';
import { BuildCopy } from './harness/build-copy.js';
import { repository, runProgram } from './harness/program.js';
import { endThreads, ownerOf, refusal, refusalCode, sharedWords, startThreads, Thread, untilBlocked } from './harness/workers.js';

let manager: LockManager;
let a: Mutex;
let b: Mutex;
let c: Mutex;

beforeEach(() => {
  manager = LockManager.create();
  // In an order that is not that of their names.
  c = manager.mutex('all/c');
  a = manager.mutex('all/a');
  b = manager.mutex('all/b');
});
afterEach(async () => {
  await endThreads();
  await manager.close();
});

function free(...locks: readonly Lock[]): boolean {
  return locks.every(({ name }) => manager.getLockStatus(name)?.state === 'free');
}

/** By what a lock is sorted. */
function keyOf(lock: Lock): string {
  return (lock as unknown as Record<symbol, string>)[Symbol.for('holdfast.lockOrder')]!;
}

interface Recorded {
  readonly order?: string;
  readonly kind?: string;
  /** What acquiring does besides. */
  readonly onAcquire?: () => void;
  readonly onRelease?: () => void;
}

/** A lock that is always free and writes down what happens to it. */
function recorded(name: string, log: unknown[], { order, kind = 'file', onAcquire, onRelease }: Recorded = {}): Lock {
  const guard = (): Guard => {
    let held = true;
    const release = (): void => {
      held = false;
      log.push(`-${name}`);
      onRelease?.();
    };
    return {
      lock,
      get held() {
        return held;
      },
      fencingToken: 1n,
      release,
      [Symbol.dispose]: release,
      [Symbol.asyncDispose]: async () => {
        await null;
        release();
      },
    };
  };
  const acquire = (options?: object): Guard => {
    log.push(options === undefined ? `+${name}` : options);
    onAcquire?.();
    return guard();
  };
  const lock = { name, kind, mode: 'exclusive', acquire, acquireAsync: async (options?: object) => acquire(options) } as unknown as Lock;
  return order === undefined ? lock : Object.assign(lock, { [Symbol.for('holdfast.lockOrder')]: order });
}

const forms = {
  acquireAll: async (locks: readonly Lock[], options?: object) => acquireAll(locks, options),
  acquireAllAsync: (locks: readonly Lock[], options?: object) => acquireAllAsync(locks, options),
  lockAll: async (locks: readonly Lock[], options?: object) => lockAll(locks, (held) => held, options),
  lockAllAsync: (locks: readonly Lock[], options?: object) => lockAllAsync(locks, (held) => held, options),
};

describe('the order', () => {
  test.each(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])('of %s is that of their slots; the guards lie as they were named', async (order) => {
    const log: unknown[] = [];
    const watched = [...order].map((name) => recorded(`all/${name}`, log, { order: keyOf(manager.mutex(`all/${name}`)) }));
    for (const form of [acquireAll, acquireAllAsync]) {
      log.length = 0;
      const held = await form(watched);
      expect(held.guards.map(({ lock }) => lock)).toEqual(watched);
      held.release();
      expect(log).toEqual(['+all/c', '+all/a', '+all/b', '-all/b', '-all/a', '-all/c']);
    }
  });

  test('is the same in a thread that opens them in another order', async () => {
    const thread = await Thread.start();
    for (const name of ['all/b', 'all/a', 'all/c']) await thread.do('open', name, {});
    const guards = [c, a, b].map((lock) => lock.acquire());
    const taken = thread.do('acquireAll', ['all/b', 'all/c', 'all/a']);
    // One after the other they are what it waits for.
    for (const guard of guards) {
      await untilBlocked(manager, guard.lock.name, 1);
      guard.release();
    }
    expect(await taken).toEqual(['all/b', 'all/c', 'all/a']);
    await thread.do('releaseAll');
    expect(free(a, b, c)).toBe(true);
  });

  test('has locks of two managers, even of one name, in the order of the managers', async () => {
    await using other = LockManager.create({ name: 'other' });
    const [here, there] = [manager.mutex('all/a'), other.mutex('all/a')];
    expect(keyOf(here)).not.toBe(keyOf(there));
    const thread = await Thread.start();
    await thread.do('attach', other.share());
    expect(await lockAllAsync([there, here], async () => [await thread.do('tryAcquire', 'all/a'), ownerOf(manager, 'all/a')])).toEqual([undefined, 0]);
    expect(await thread.do('tryAcquire', 'all/a')).toBeDefined();
  });

  test('has other locks after those in shared memory, by name, then kind', () => {
    const log: unknown[] = [];
    const others = [recorded('0', log, { kind: 'redis' }), recorded('0', log, { kind: 'file' }), recorded('9', log), recorded('m', log, { order: '0:9:9:9' })];
    acquireAll(others);
    expect(log).toEqual(['+m', '+0', '+0', '+9']);
    const kinds = acquireAll([others[0]!, others[1]!]).guards.map(({ lock }) => lock.kind);
    expect(kinds).toEqual(['redis', 'file']);
  });
});

describe.each(['blocking', 'asynchronous'])('two %s contenders that name two locks in opposite orders', (form) => {
  const limitMs = 25_000;

  test('both get them', async () => {
    const { status, stdout, stderr } = await runProgram(repository, 'test/fixtures/program-crossing.mjs', [form], limitMs);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '["ran","ran"]', stderr: '' });
  });

  test('positive control: one of them is refused, or times out, in a build that takes locks as they are named', async () => {
    const build = new BuildCopy(broken.takesLocksAsNamed);
    try {
      const { status, stdout } = await runProgram(build.folder, 'test/fixtures/program-crossing.mjs', [form], limitMs);
      expect(status).toBe(0);
      expect(stdout).toContain(form === 'blocking' ? 'ERR_LOCK_DEADLOCK' : 'ERR_LOCK_TIMEOUT');
    } finally {
      build.remove();
    }
  });
});

test('holds among workers that move amounts between accounts in all directions', async () => {
  const accounts = ['all/c', 'all/a', 'all/b'];
  const shadow = sharedWords(4);
  const threads = await startThreads(3);
  await Promise.all(threads.map((thread, i) => thread.do('countWithAll', [...accounts.slice(i), ...accounts.slice(0, i)], shadow, 3_000, 3)));
  expect([...shadow.subarray(0, 3)]).toEqual([9_000, 0, 0]);
});

describe.each(Object.entries(forms))('%s', (_, form) => {
  test('refuses a lock that is given twice, by whichever handles, with nothing acquired', async () => {
    const handles = [a, manager.mutex('all/a', { timeoutMs: 9 })];
    for (const twice of [[a, b, a], [c, ...handles]]) {
      await expect(form(twice)).rejects.toThrow(TypeError);
      await expect(form(twice)).rejects.toThrow('locks: "all/a" is given twice, and would wait for itself');
    }
    expect(free(a, b, c)).toBe(true);
  });

  test('refuses an rwlock that is given in two modes', async () => {
    const { read, write, upgradableRead } = manager.rwlock('all/rw');
    for (const twice of [[read, b, write], [read, read], [upgradableRead, write], [read, manager.rwlock('all/rw', { timeoutMs: 9 }).upgradableRead]]) {
      await expect(form(twice)).rejects.toThrow('locks: "all/rw" is given twice, and would wait for itself');
    }
    expect(free(read, b)).toBe(true);
  });

  test.each([[5], [undefined], ['all/a'], [{}]])('refuses %s, which is no list of locks', async (locks) => {
    await expect(form(locks as unknown as Lock[])).rejects.toThrow(TypeError);
  });

  test.each([[null], [5], [{}]])('refuses %s for a lock', async (lock) => {
    await expect(form([a, lock as unknown as Lock])).rejects.toThrow(/^locks\[1\] is no lock/);
    expect(free(a)).toBe(true);
  });

  test.each([-1, NaN, '5', null])('refuses %s for a time-out, with no lock at all too', async (timeoutMs) => {
    for (const locks of [[], [a]]) await expect(form(locks, { timeoutMs })).rejects.toThrow(/^timeoutMs must be a non-negative number/);
    expect(free(a)).toBe(true);
  });

  test('takes no locks at all', async () => {
    const held = await form([]);
    expect(held.guards).toEqual([]);
    held.release();
    expect(held.held).toBe(false);
  });

  test('gives the locks that it took back in reverse order if one is refused, and says which one that was', async () => {
    const log: unknown[] = [];
    const refused = new LockError('ERR_LOCK_TIMEOUT', '"y" not acquired within 5 ms\n    held by  nobody', { timeoutMs: 5 });
    const y = recorded('y', log, { onAcquire: () => { throw refused; } });
    const error = await refusal(form([recorded('x', log), y, recorded('w', log), recorded('z', log)]));
    expect(log).toEqual(['+w', '+x', '+y', '-x', '-w']);
    expect(error.message).toBe('"y" not acquired within 5 ms; it is lock 3 of 4 in order, and those before it were given back\n    held by  nobody');
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 5, index: 1, taken: 2, of: 4 } });
  });

  test('passes on what is no error of a lock, and what is refused goes before what a release throws', async () => {
    const log: unknown[] = [];
    const mine = new RangeError('mine');
    const x = recorded('x', log, { onRelease: () => { throw new Error('of the release'); } });
    await expect(form([x, recorded('y', log, { onAcquire: () => { throw mine; } })])).rejects.toBe(mine);
    expect(log).toEqual(['+x', '+y', '-x']);
  });
});

describe('one deadline for all', () => {
  const deadlined = [acquireAll, acquireAllAsync].map((form) => [form.name, form] as const);

  /** Spends time as a lock that has to be waited for. */
  const spend = (ms: number) => (): void => {
    for (const until = performance.now() + ms; performance.now() < until; );
  };

  test.each(deadlined)('of %s: the next one gets what is left', async (_, form) => {
    const log: { timeoutMs: number; kept: string }[] = [];
    const locks = [recorded('1', log, { onAcquire: spend(30) }), recorded('2', log, { onAcquire: spend(80) }), recorded('3', log)];
    await form(locks, { timeoutMs: 100, kept: 'kept' } as object);
    const [first, second, third] = log.map(({ timeoutMs }) => timeoutMs) as [number, number, number];
    expect(first).toBeGreaterThan(50);
    expect(first).toBeLessThanOrEqual(100);
    expect(second).toBeLessThanOrEqual(70);
    expect(third).toBe(0);
    expect(log.map(({ kept }) => kept)).toEqual(['kept', 'kept', 'kept']);
  });

  test.each(deadlined)('of %s: 0 tries each once, Infinity stays, and omitted is the default of each', async (_, form) => {
    for (const [timeoutMs, expected] of [[0, 0], [Infinity, Infinity]]) {
      const log: object[] = [];
      await form([recorded('1', log, { onAcquire: spend(2) }), recorded('2', log)], { timeoutMs });
      expect(log).toEqual([{ timeoutMs: expected }, { timeoutMs: expected }]);
    }
    const log: unknown[] = [];
    await form([recorded('1', log), recorded('2', log)]);
    expect(log).toEqual(['+1', '+2']);
  });

  test('ends the wait for the last one in time, and leaves nothing held', async () => {
    const [holder, thread] = (await startThreads(2)) as [Thread, Thread];
    await holder.do('acquire', 'all/b');
    for (const form of ['acquireAll', 'acquireAllAsync'] as const) {
      const begin = performance.now();
      const error = await refusal(thread.do(form, ['all/b', 'all/a', 'all/c'], { timeoutMs: 60 }));
      expect(performance.now() - begin).toBeGreaterThanOrEqual(59);
      expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { lock: 'all/b', index: 0, taken: 2, of: 3, holders: [{ threadId: holder.threadId }] } });
      expect(error.message).toMatch(/^"all\/b" \(mutex, exclusive\) not acquired within \d+ ms; it is lock 3 of 3 in order, and those before it were given back\n/);
      expect(free(a, c)).toBe(true);
    }
  });
});

describe('other refusals', () => {
  test('a cancel token ends the wait, and what was taken is given back', async () => {
    const thread = await Thread.start();
    const cancel = manager.cancelToken();
    const guard = b.acquire();
    const waiting = refusal(thread.do('acquireAll', ['all/b', 'all/c'], { cancel }));
    await untilBlocked(manager, 'all/b', 1);
    expect(ownerOf(manager, 'all/c')).toBe(thread.threadId);
    cancel.cancel('enough');
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough', lock: 'all/b', of: 2 } });
    expect(free(c)).toBe(true);
    expect(await refusalCode(thread.do('acquireAll', ['all/c'], { cancel }))).toBe('ERR_LOCK_ABORTED');
    guard.release();
  });

  test('a signal does so too', async () => {
    const abort = new AbortController();
    const guard = b.acquire();
    const waiting = refusal(acquireAllAsync([b, c], { signal: abort.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ownerOf(manager, 'all/c')).toBe(0);
    abort.abort('enough');
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough', lock: 'all/b' } });
    expect(free(c)).toBe(true);
    guard.release();
  });

  test('a lock that the thread holds already is refused at once', async () => {
    const guard = a.acquire();
    expect(await refusal(() => acquireAll([a, b, c]))).toMatchObject({ code: 'ERR_LOCK_RECURSIVE', report: { taken: 1 } });
    expect(free(b, c)).toBe(true);
    guard.release();
  });

  test('the main thread is not blocked', async () => {
    const thread = await Thread.start();
    await thread.do('acquire', 'all/b');
    expect(await refusal(() => acquireAll([a, b, c]))).toMatchObject({ code: 'ERR_LOCK_WOULD_BLOCK_MAIN', report: { lock: 'all/b' } });
    expect(free(a, c)).toBe(true);
  });

  test('the death of an owner is told for the lock that it held, in either way', async () => {
    const thread = await Thread.start();
    await thread.do('acquireAll', ['all/poisoned', 'all/b']);
    await thread.end('terminate()');
    const poisoned = manager.mutex('all/poisoned');
    expect(await refusal(() => acquireAll([a, poisoned]))).toMatchObject({ code: 'ERR_LOCK_OWNER_DIED', report: { lock: 'all/poisoned' } });
    expect(free(a)).toBe(true);
  });
});

describe('the set', () => {
  const kinds = [['acquireAll', acquireAll], ['acquireAllAsync', acquireAllAsync]] as const;

  test.each(kinds)('of %s holds until it is released, once', async (_, form) => {
    const held = await form([a, b]);
    expect([held.held, ownerOf(manager, 'all/a'), ownerOf(manager, 'all/b')]).toEqual([true, 0, 0]);
    held.release();
    expect([held.held, free(a, b)]).toEqual([false, true]);
    const next = a.acquire();
    held.release();
    await held[Symbol.asyncDispose]();
    expect(next.held).toBe(true);
    expect(ownerOf(manager, 'all/a')).toBe(0);
    next.release();
  });

  test.each(kinds)('of %s is released by using and await using', async (_, form) => {
    {
      using held = await form([a, b]);
      expect(held.held).toBe(true);
    }
    expect(free(a, b)).toBe(true);
    {
      await using held = await form([a, b]);
      expect(held.held).toBe(true);
    }
    expect(free(a, b)).toBe(true);
  });

  test('holds an rwlock in the mode that was given', async () => {
    const { read, write } = manager.rwlock('all/rw');
    const mutexes = [a, b];
    const thread = await Thread.start();
    for (const [lock, mode, canRead] of [[read, 'shared', true], [write, 'exclusive', false]] as const) {
      const held = acquireAll([...mutexes, lock]);
      expect(held.guards.map((guard) => guard.lock)).toEqual([...mutexes, lock]);
      expect(manager.getLockStatus('all/rw')!.holders).toMatchObject([{ threadId: 0, mode }]);
      expect((await thread.do('tryAcquire', 'all/rw#read')) !== undefined).toBe(canRead);
      if (canRead) await thread.do('release', 'all/rw#read');
      held.release();
    }
    expect(free(a, b, write)).toBe(true);
  });

  test('has guards of the types of its locks, and does not hold once one of them is released', () => {
    const held = acquireAll([manager.mutex('all/a'), manager.mutex('all/b')]);
    const [first, second] = held.guards;
    first.markConsistent();
    expect(first.lock.name).toBe('all/a');
    second.release();
    expect([held.held, free(b), free(a)]).toEqual([false, true, false]);
    held.release();
    expect(free(a)).toBe(true);
  });

  const ways: [string, (held: GuardSet) => unknown][] = [
    ['release()', (held) => held.release()],
    ['using', (held) => held[Symbol.dispose]()],
    ['await using', (held) => held[Symbol.asyncDispose]()],
  ];

  test.each(ways)('releases all by %s even if one release throws, the last one first, and then throws', async (_, release) => {
    for (const [failing, expected] of [[['y'], { message: 'y fails' }], [['x', 'y'], { errors: [{ message: 'y fails' }, { message: 'x fails' }] }]] as const) {
      const log: unknown[] = [];
      const held = acquireAll(
        ['x', 'y', 'z'].map((name) => recorded(name, log, { onRelease: () => { if ((failing as readonly string[]).includes(name)) throw new Error(`${name} fails`); } })),
      );
      await expect(async () => release(held)).rejects.toMatchObject(expected);
      expect(log).toEqual(['+x', '+y', '+z', '-z', '-y', '-x']);
      await release(held);
      expect(log).toHaveLength(6);
    }
  });
});

describe('a function under several locks', () => {
  test('gives its result, and the locks are free', async () => {
    expect(lockAll([a, b], (held) => [held.held, free(a), 42])).toEqual([true, false, 42]);
    expect(free(a, b)).toBe(true);
    expect(await lockAllAsync([a, b], async (held) => [await held.held, free(a), 42])).toEqual([true, false, 42]);
    expect(free(a, b)).toBe(true);
  });

  test('may throw, and the locks are free', async () => {
    expect(() => lockAll([a, b], () => { throw new Error('on purpose'); })).toThrow('on purpose');
    await expect(lockAllAsync([a, b], () => Promise.reject(new Error('on purpose')))).rejects.toThrow('on purpose');
    expect(free(a, b)).toBe(true);
  });

  test('may release early', () => {
    lockAll([a, b], (held) => {
      held.release();
      a.run(() => expect(ownerOf(manager, 'all/a')).toBe(0));
    });
  });

  test('holds until its promise settles', async () => {
    const thread = await Thread.start();
    await lockAllAsync([a, b], async () => {
      for (const name of ['all/a', 'all/b']) expect(await thread.do('tryAcquire', name)).toBeUndefined();
    });
    expect(await thread.do('tryAcquire', 'all/a')).toBeDefined();
  });

  test('that returns a promise is refused by lockAll, leaves no unhandled rejection, and the locks are free', async () => {
    const seen: unknown[] = [];
    const listener = (reason: unknown): void => void seen.push(reason);
    process.on('unhandledRejection', listener);
    const error = await refusal(() => lockAll([a, b], () => Promise.reject(new Error('on purpose'))));
    const thenable = await refusal(() => lockAll([a, b], () => ({ then: () => 1 })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect([error.code, thenable.code, seen]).toEqual(['ERR_LOCK_ASYNC_BODY', 'ERR_LOCK_ASYNC_BODY', []]);
    expect(error.message).toContain('lockAllAsync()');
    expect(free(a, b)).toBe(true);
  });

  test('must be one, with nothing acquired', async () => {
    const log: unknown[] = [];
    const none = 5 as unknown as () => void;
    expect(() => lockAll([recorded('x', log)], none)).toThrow(/^fn must be a function, not 5/);
    await expect(lockAllAsync([recorded('x', log)], none)).rejects.toThrow(/^fn must be a function, not 5/);
    expect(log).toEqual([]);
  });
});
