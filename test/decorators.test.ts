import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { transform } from 'esbuild';
import { type CancelSource, getLockManager, LockManager } from 'holdfast';
import { limited, locked } from 'holdfast/decorators';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endThreads, ownerOf, refusal, refusalCode, sharedWords, Thread } from './harness/workers.js';

const manager = getLockManager();
const root = fileURLToPath(new URL('..', import.meta.url));
let scratch: string;

beforeAll(async () => {
  // Inside the project, so that `holdfast` resolves.
  mkdirSync(join(root, 'test/.scratch'), { recursive: true });
  scratch = mkdtempSync(join(root, 'test/.scratch/decorators-'));
  const source = readFileSync(join(root, 'test/fixtures/decorated.ts'), 'utf8');
  const { code } = await transform(source, { loader: 'ts', target: 'node20', format: 'esm' });
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } });
  writeFileSync(join(scratch, 'esbuild.mjs'), code);
  writeFileSync(join(scratch, 'typescript.mjs'), outputText);
});
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endThreads);

/** Has a worker that was compiled by esbuild do something; what it answers. */
async function obey(order: object): Promise<unknown> {
  const [answer] = (await once(new Worker(join(scratch, 'esbuild.mjs'), { workerData: order }), 'message')) as [unknown];
  return answer;
}

describe.each(['esbuild', 'typescript'])('compiled by %s', (compiler) => {
  test('methods of all kinds hold their lock while they run', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(scratch, `${compiler}.mjs`)], { encoding: 'utf8', timeout: 20_000 });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(JSON.parse(stdout)).toEqual({
      plain: [3, 's', true],
      awaited: [3, 's', true],
      named: [true, 4],
      static: true,
      hidden: true,
      nested: [true, true],
      declared: true,
      limited: [5, 's', 2],
      limitedAsync: 1,
      undeclared: 'ERR_LOCK_ASYNC_BODY',
      throws: 'on purpose',
      rejects: 'on purpose',
      names: ['plain', 'awaited', 'limited'],
      free: [],
    });
  });
});

describe('in workers', () => {
  test('a method excludes itself', async () => {
    const words = sharedWords(1);
    manager.mutex('count');
    await Promise.all(Array.from({ length: 3 }, () => obey({ what: 'count', words, rounds: 20_000 })));
    expect(words[0]).toBe(60_000);
    expect(manager.getStatistics('count')?.locks.exclusive.totalAcquisitions).toBe(60_000);
  });

  test('a limited method is run by so many at a time', async () => {
    const words = sharedWords(3);
    await Promise.all(Array.from({ length: 3 }, () => obey({ what: 'crowd', words, rounds: 10_000 })));
    expect([...words]).toEqual([30_000, 0, 0]);
    expect(manager.getStatistics('crowd')?.locks.permit.totalAcquisitions).toBe(30_000);
  });

  test.each(['impatient', 'impatientAsync'])('the time-out of %s() ends its wait, and not earlier', async (what) => {
    const guard = manager.mutex('plain').acquire();
    const waitedMs = await obey({ what });
    expect(guard.held).toBe(true);
    guard.release();
    expect(waitedMs).toBeGreaterThanOrEqual(19);
    expect(waitedMs).toBeLessThan(10_000);
    // And it was the time-out that did it.
    expect(await obey({ what })).toBe(true);
  });
});

describe('options', () => {
  test('a method of the main thread does not block it', async () => {
    class Store {
      @locked('main/blocks')
      plain(): void {}
    }
    const thread = await Thread.start();
    await thread.do('acquire', 'main/blocks');
    expect(await refusalCode(() => new Store().plain())).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
  });

  test.each([{ timeoutMs: 25 }, { timeoutMs: 0 }])('%o is the time-out, of an asynchronous method', async ({ timeoutMs }) => {
    class Store {
      @locked('time-out', { timeoutMs })
      async awaited(): Promise<string> {
        return 'ran';
      }
    }
    const guard = manager.mutex('time-out').acquire();
    const error = await refusal(new Store().awaited());
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs } });
    expect(error.report['waitedMs']).toBeGreaterThanOrEqual(timeoutMs - 1);
    guard.release();
    expect(await new Store().awaited()).toBe('ran');
  });

  test('the default time-out is that of the manager', async () => {
    await using own = LockManager.create({ name: 'decorated', timeouts: { exclusiveMs: 9 } });
    class Store {
      @locked('m', { manager: own })
      async awaited(): Promise<void> {}
    }
    own.mutex('m').lock();
    expect(await refusal(new Store().awaited())).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 9 } });
  });

  test('the manager is given as itself or by name, and looked up at each call', async () => {
    const own = LockManager.create({ name: 'decorated' });
    class Store {
      @locked('m', { manager: own })
      direct(): boolean {
        return ownerOf(own, 'm') === 0;
      }
      @locked('m', { manager: 'decorated' })
      byName(): string | undefined {
        return getLockManager('decorated').getLockStatus('m')?.state;
      }
    }
    const store = new Store();
    expect([store.direct(), store.byName(), manager.getLockStatus('m')]).toEqual([true, 'held', undefined]);
    await own.close();
    expect(await refusalCode(() => store.direct())).toBe('ERR_LOCK_CLOSED');
    expect(store.byName()).toBe('held');
    await getLockManager('decorated').close();
  });

  test('what the mutex is goes on to manager.mutex', async () => {
    class Store {
      @locked('options/fifo', { fairness: 'fifo', ownerDeath: 'release', timeoutMs: 5_000 })
      fifo(): void {}
      @locked('options/reentrant', { reentrant: true })
      again(depth: number): number {
        return depth === 0 ? 0 : 1 + this.again(depth - 1);
      }
      @locked('options/plain')
      twice(): void {
        this.twice();
      }
    }
    const store = new Store();
    store.fifo();
    expect(await refusal(() => manager.mutex('options/fifo'))).toMatchObject({ code: 'ERR_LOCK_KIND_MISMATCH', report: { found: { fairness: 'fifo', ownerDeath: 'release' } } });
    expect(store.again(3)).toBe(3);
    expect(await refusalCode(() => store.twice())).toBe('ERR_LOCK_RECURSIVE');
    expect(ownerOf(manager, 'options/plain')).toBeUndefined();
  });

  test('repair mends after a dead owner', async () => {
    const seen: number[] = [];
    class Store {
      @locked('options/repair', { repair: (_, { threadId }) => seen.push(threadId) })
      mended(): string {
        return 'mended';
      }
    }
    const thread = await Thread.start();
    const { threadId } = thread;
    await thread.do('acquire', 'options/repair');
    await thread.end('terminate()');
    expect(new Store().mended()).toBe('mended');
    expect(seen).toEqual([threadId]);
  });

  test('cancel gives the token of a call of a blocking method, by this and its arguments', async () => {
    await using own = LockManager.create({ name: 'cancelled', blockingOnMain: 'allow' });
    const token = own.cancelToken();
    class Store {
      tokens = { given: token };
      ran = 0;
      @locked('m', { manager: own, cancel(this: Store, which: string) { return which === 'given' ? this.tokens.given : undefined; } })
      blocking(_: string): void {
        this.ran++;
      }
    }
    const store = new Store();
    const thread = await Thread.start();
    await thread.do('attach', 'cancelled');
    await thread.do('acquire', 'm');
    const cancelled = thread.do('cancelWhenBlocked', 'm', 1, token, 'enough');
    expect(await refusal(() => store.blocking('given'))).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    await cancelled;
    await thread.do('release', 'm');
    store.blocking('other');
    expect(store.ran).toBe(1);
  });

  test('signal gives the signal of a call of an asynchronous method, by its arguments', async () => {
    class Store {
      ran: string[] = [];
      @locked('signal', { signal: (_: string, signal?: AbortSignal) => signal })
      async awaited(what: string, _?: AbortSignal): Promise<void> {
        this.ran.push(what);
      }
    }
    const store = new Store();
    const guard = manager.mutex('signal').acquire();
    const abort = new AbortController();
    const calls = [refusal(store.awaited('aborted', abort.signal)), store.awaited('patient')] as const;
    abort.abort('enough');
    expect(await calls[0]).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    guard.release();
    await calls[1];
    expect(store.ran).toEqual(['patient']);
  });

  test('flows of decorated methods exclude each other across awaits', async () => {
    class Store {
      inside = 0;
      most = 0;
      @locked('flows')
      async awaited(): Promise<void> {
        this.most = Math.max(this.most, ++this.inside);
        await new Promise((resolve) => setImmediate(resolve));
        this.inside--;
      }
    }
    const store = new Store();
    await Promise.all(Array.from({ length: 10 }, () => store.awaited()));
    expect(store.most).toBe(1);
  });
});

describe('a limited method', () => {
  class Pool {
    readonly id: string;
    inside = 0;
    most = 0;
    constructor(id: string) {
      this.id = id;
    }
    @limited('limit/blocking', { permits: 2 })
    nested(depth: number): number {
      return depth === 0 ? manager.semaphore('limit/blocking', { permits: 2 }).available : this.nested(depth - 1);
    }
    @limited(function (this: Pool, key: string) { return `limit/${this.id}/${key}`; }, { permits: 3 })
    async awaited(_: string): Promise<void> {
      this.most = Math.max(this.most, ++this.inside);
      await new Promise((resolve) => setImmediate(resolve));
      this.inside--;
    }
    @limited('limit/impatient', { permits: 1, timeoutMs: 25 })
    async impatient(): Promise<string> {
      return 'ran';
    }
    @limited('limit/impatient', { permits: 1, timeoutMs: 0 })
    atOnce(): string {
      return 'ran';
    }
  }

  test('holds one permit while it runs, and gives it back', () => {
    const pool = new Pool('p');
    expect([pool.nested(0), pool.nested(1)]).toEqual([1, 0]);
    expect(manager.semaphore('limit/blocking', { permits: 2 }).available).toBe(2);
  });

  test('that needs more permits than there are is refused, and all go back', async () => {
    expect(await refusalCode(() => new Pool('p').nested(2))).toBe('ERR_LOCK_RECURSIVE');
    expect(manager.semaphore('limit/blocking', { permits: 2 }).available).toBe(2);
  });

  test('is run by so many flows at a time, for each name', async () => {
    const pool = new Pool('q');
    await Promise.all(Array.from({ length: 10 }, () => pool.awaited('a')));
    expect(pool.most).toBe(3);
    pool.most = 0;
    await Promise.all(Array.from({ length: 10 }, (_, i) => pool.awaited(i % 2 === 0 ? 'a' : 'b')));
    expect(pool.most).toBe(6);
    expect(manager.getStatistics('limit/q/a')?.locks.permit.totalAcquisitions).toBe(15);
  });

  test.each([['impatient', 25], ['atOnce', 0]] as const)('%s waits %i ms', async (method, timeoutMs) => {
    const thread = await Thread.start();
    await thread.do('openSemaphore', 'limit/impatient', { permits: 1 });
    await thread.do('acquire', 'limit/impatient');
    const error = await refusal(async () => new Pool('p')[method]());
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { lock: 'limit/impatient', kind: 'semaphore', timeoutMs } });
    expect(error.report['waitedMs']).toBeGreaterThanOrEqual(timeoutMs - 1);
    await thread.do('release', 'limit/impatient');
    expect(await new Pool('p')[method]()).toBe('ran');
  });

  test('waits by default as long as the manager says, takes cancel and signal, and looks the manager up', async () => {
    await using own = LockManager.create({ name: 'limiting', timeouts: { sharedMs: 9 }, blockingOnMain: 'allow' });
    class Store {
      @limited('s', { manager: 'limiting', permits: 1 })
      async awaited(): Promise<void> {}
      @limited('s', { manager: own, permits: 1, cancel: (token: CancelSource) => token })
      cancellable(_: CancelSource): void {}
      @limited('s', { manager: own, permits: 1, signal: (signal: AbortSignal) => signal })
      async abortable(_: AbortSignal): Promise<void> {}
    }
    const store = new Store();
    const guard = own.semaphore('s', { permits: 1 }).acquire();
    const token = own.cancelToken();
    token.cancel('enough');
    expect(await refusal(store.awaited())).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 9 } });
    expect(await refusal(() => store.cancellable(token))).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    expect(await refusal(store.abortable(AbortSignal.abort('enough')))).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    guard.release();
    await store.awaited();
  });

  test('that returns a promise unasked is refused, and holds nothing', async () => {
    class Store {
      @limited('limit/promise', { permits: 1 })
      undeclared(): Promise<void> {
        return Promise.resolve();
      }
    }
    expect((await refusal(() => new Store().undeclared())).message).toMatch(/^@limited of undeclared: .*"limit\/promise" is not held/);
    expect(manager.semaphore('limit/promise', { permits: 1 }).available).toBe(1);
  });

  test.each([[undefined, /^permits of "x" are missing/], [{ permits: 0 }, /^permits must be a whole number/], [{ permits: 1, timeoutMs: -1 }, /^timeoutMs must be/]])(
    'with %o is refused where it is decorated',
    (options, message) => {
      expect(() => limited('x', options as { permits: number })).toThrow(TypeError);
      expect(() => limited('x', options as { permits: number })).toThrow(message);
    },
  );
});

describe('what is refused', () => {
  test('a blocking method that returns a promise, which leaves no unhandled rejection, and the lock is free', async () => {
    class Store {
      @locked('refused/promise')
      undeclared(): Promise<void> {
        return Promise.reject(new Error('of the refused method'));
      }
    }
    const seen: unknown[] = [];
    const listener = (reason: unknown): void => void seen.push(reason);
    process.on('unhandledRejection', listener);
    const error = await refusal(() => new Store().undeclared());
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(error.code).toBe('ERR_LOCK_ASYNC_BODY');
    expect(error.message).toMatch(/^@locked of undeclared: .*"refused\/promise" is not held .*\n {2}hint: .*\{ async: true \}/);
    expect(seen).toEqual([]);
    expect(ownerOf(manager, 'refused/promise')).toBeUndefined();
  });

  const wrong: [string, unknown, unknown, RegExp][] = [
    ['a name that is none', 5, {}, /^name must be a function, not 5/],
    ['a time-out that is none', 'x', { timeoutMs: -1 }, /^timeoutMs must be/],
    ['a cancel token in place of a function', 'x', { cancel: manager.cancelToken() }, /^cancel must be a function/],
    ['a signal in place of a function', 'x', { signal: AbortSignal.abort() }, /^signal must be a function/],
    ['options that are none', 'x', 5, /^options must be an object/],
  ];

  test.each(wrong)('%s, where the method is decorated', (_, name, options, message) => {
    const decorate = (): unknown => locked(name as string, options as object);
    expect(decorate).toThrow(TypeError);
    expect(decorate).toThrow(message);
  });

  const method = { kind: 'method', name: 'm' } as ClassMethodDecoratorContext<unknown, () => unknown>;

  test('a generator', () => {
    expect(() => locked('x')(function* () {}, method)).toThrow(/^@locked of m: a generator goes on/);
    expect(() => locked('x')(async function* () {}, method)).toThrow(/^@locked of m: a generator goes on/);
  });

  test('what is no method, and decorators of the old kind', () => {
    const decorate = locked('x') as unknown as (...args: unknown[]) => unknown;
    for (const args of [[() => 1, { kind: 'getter', name: 'm' }], [class {}, { kind: 'class', name: 'C' }], [{}, 'm', { value: () => 1 }]]) {
      expect(() => decorate(...args)).toThrow(/^@locked is a standard decorator, and of methods only/);
    }
  });

  test('cancel of an asynchronous method, and signal of a blocking one', () => {
    expect(() => locked('x', { cancel: () => undefined })(async () => 1, method)).toThrow(/cancel is for blocking methods/);
    expect(() => locked('x', { signal: () => undefined })(() => 1, method)).toThrow(/signal is for asynchronous methods/);
  });

  test('a computed name that is no string, in the form of the method', async () => {
    class Store {
      @locked((() => 5) as unknown as () => string)
      plain(): void {}
      @locked((() => 5) as unknown as () => string)
      async awaited(): Promise<void> {}
    }
    expect(() => new Store().plain()).toThrow(/^a lock name must be a string/);
    await expect(new Store().awaited()).rejects.toThrow(/^a lock name must be a string/);
  });

  test('by the compiler: a method that lacks what the name is computed from', () => {
    class Store {
      readonly id = 's';
      // @ts-expect-error: the name needs a string, the method is called with a number
      @locked((key: string) => `x/${key}`)
      byKey(_: number): void {}
      // @ts-expect-error: the name needs what this class does not have
      @locked(function (this: { absent: string }) { return this.absent; })
      byThis(): void {}
    }
    expect(new Store().id).toBe('s');
  });
});
