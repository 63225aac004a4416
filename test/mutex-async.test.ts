import { getEventListeners, setMaxListeners } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager } from 'holdfast';
import { endThreads, entries, newLog, refusal, refusalCode, runProgram, startThreads, Thread, until } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

describe('flows of one thread', () => {
  test('get the lock in the order in which they asked', async () => {
    const mutex = manager.mutex('flows/order');
    const order: number[] = [];
    const guard = await mutex.acquireAsync();
    const flows = Array.from({ length: 100 }, (_, i) => mutex.runAsync(() => void order.push(i)));
    guard.release();
    await Promise.all(flows);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('exclude each other across awaits', async () => {
    const mutex = manager.mutex('flows/exclude');
    let inside = 0;
    const seen = await Promise.all(
      Array.from({ length: 20 }, () =>
        mutex.runAsync(async () => {
          const before = inside++;
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
          return before;
        }),
      ),
    );
    expect(seen).toEqual(new Array(20).fill(0));
  });

  test('that come later do not pass those that wait', async () => {
    const mutex = manager.mutex('flows/late');
    const order: string[] = [];
    const guard = await mutex.acquireAsync();
    const early = mutex.runAsync(() => void order.push('early'));
    guard.release();
    const late = mutex.runAsync(() => void order.push('late'));
    await Promise.all([early, late]);
    expect(order).toEqual(['early', 'late']);
  });

  test('that give up leave the order of the others', async () => {
    const mutex = manager.mutex('flows/give-up');
    const order: number[] = [];
    const abort = new AbortController();
    const guard = await mutex.acquireAsync();
    const flows = Array.from({ length: 9 }, (_, i) => mutex.runAsync(() => void order.push(i), i % 3 === 1 ? {} : { signal: abort.signal }));
    const settled = Promise.allSettled(flows);
    abort.abort();
    guard.release();
    await settled;
    expect(order).toEqual([1, 4, 7]);
  });

  test('wait in one queue whichever handle they use', async () => {
    const order: string[] = [];
    const one = manager.mutex('flows/handles');
    const other = manager.mutex('flows/handles', { timeoutMs: 5_000 });
    const guard = await one.acquireAsync();
    const flows = [other.runAsync(() => void order.push('a')), one.runAsync(() => void order.push('b')), other.runAsync(() => void order.push('c'))];
    guard.release();
    await Promise.all(flows);
    expect(order).toEqual(['a', 'b', 'c']);
  });
});

test('the hold of a flow is its own from the moment it is granted: no turn of the queue in which unlock() frees it', async () => {
  const mutex = manager.mutex('flows/window');
  const guard = await mutex.acquireAsync();
  let granted = false;
  const flow = mutex.acquireAsync().finally(() => (granted = true));
  guard.release();
  while (!granted) {
    expect(await refusalCode(() => mutex.unlock())).toBe('ERR_LOCK_NOT_HELD');
    await null;
  }
  expect((await flow).held).toBe(true);
  mutex.assertHeld();
  (await flow).release();
});

describe('runAsync', () => {
  test('holds until the promise settles, and gives its result', async () => {
    const worker = await Thread.start();
    const result = await manager.mutex('run/settles').runAsync(async (guard) => {
      expect(await worker.do('tryAcquire', 'run/settles')).toBeUndefined();
      return guard.held;
    });
    expect(result).toBe(true);
    expect(await worker.do('tryAcquire', 'run/settles')).toBeDefined();
  });

  test('releases when the function throws or its promise rejects', async () => {
    const mutex = manager.mutex('run/fails');
    const bodies = [() => { throw new Error('on purpose'); }, () => Promise.reject(new Error('on purpose'))];
    for (const body of bodies) await expect(mutex.runAsync(body)).rejects.toThrow('on purpose');
    expect(manager.getLockStatus('run/fails')?.state).toBe('free');
  });

  test('rejects what is no function, with nothing acquired', async () => {
    // @ts-expect-error: not a function
    await expect(manager.mutex('run/none').runAsync(1)).rejects.toThrow(/^fn must be a function, not 1/);
    expect(manager.getStatistics('run/none')?.locks.exclusive.totalAcquisitions).toBe(0);
  });
});

describe('between threads', () => {
  test('a flow gets the lock when another thread releases it', async () => {
    const worker = await Thread.start();
    await worker.do('acquire', 'threads/release');
    const flow = manager.mutex('threads/release').acquireAsync();
    await worker.do('release', 'threads/release');
    expect(await flow).toMatchObject({ held: true });
  });

  test('flows of many threads all get the lock', async () => {
    const workers = await startThreads(4);
    const log = newLog(200);
    const mutex = manager.mutex('threads/many');
    const guard = await mutex.acquireAsync();
    const flows = workers.flatMap((worker, w) => Array.from({ length: 50 }, (_, i) => worker.do('enterAsync', 'threads/many', log, w * 50 + i)));
    guard.release();
    await Promise.all(flows);
    expect(entries(log).sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });
});

describe('timeoutMs', () => {
  test('ends a wait, and not earlier', async () => {
    const holder = await Thread.start();
    await holder.do('acquire', 'timeout/ends');
    const error = await refusal(manager.mutex('timeout/ends').acquireAsync({ timeoutMs: 30 }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 30, holders: [{ threadId: holder.threadId }] } });
    expect(error.report['waitedMs']).toBeGreaterThanOrEqual(29);
  });

  test('0 tries once', async () => {
    const mutex = manager.mutex('timeout/zero');
    const guard = await mutex.acquireAsync({ timeoutMs: 0 });
    expect(await refusal(mutex.acquireAsync({ timeoutMs: 0 }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { waitedMs: 0 } });
    guard.release();
  });

  test.each([Infinity, 2 ** 31, 2 ** 40])('%d waits, and no timer ends it early', async (timeoutMs) => {
    const mutex = manager.mutex('timeout/long');
    const guard = await mutex.acquireAsync();
    const flow = mutex.acquireAsync({ timeoutMs });
    expect(await refusalCode(mutex.acquireAsync({ timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    guard.release();
    (await flow).release();
  });

  test('that ran out in this thread lets another thread have the lock', async () => {
    const [holder, other] = await startThreads(2);
    await holder!.do('acquire', 'timeout/other');
    const late = other!.do('acquireAsync', 'timeout/other');
    await refusal(manager.mutex('timeout/other').acquireAsync({ timeoutMs: 5 }));
    await holder!.do('release', 'timeout/other');
    expect(await late).toMatchObject({ held: true });
  });
});

describe('an AbortSignal', () => {
  test('that is aborted already refuses, even on a free lock', async () => {
    const error = await refusal(manager.mutex('abort/before').acquireAsync({ signal: AbortSignal.abort(new Error('changed my mind')) }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'changed my mind' } });
    expect(manager.getLockStatus('abort/before')?.state).toBe('free');
  });

  test('ends a wait, with its reason', async () => {
    const mutex = manager.mutex('abort/while');
    const guard = await mutex.acquireAsync();
    const abort = new AbortController();
    const flow = mutex.acquireAsync({ signal: abort.signal });
    abort.abort('enough');
    const error = await refusal(flow);
    expect(error).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    expect(error.message).toContain('enough');
    guard.release();
    expect(manager.getLockStatus('abort/while')?.state).toBe('free');
  });

  test('ends all waits that have it and no other', async () => {
    const mutex = manager.mutex('abort/many');
    const guard = await mutex.acquireAsync();
    const abort = new AbortController();
    setMaxListeners(0, abort.signal);
    const doomed = Array.from({ length: 500 }, () => refusalCode(mutex.runAsync(() => {}, { signal: abort.signal })));
    const spared = Array.from({ length: 500 }, (_, i) => mutex.runAsync(() => i));
    abort.abort();
    expect(new Set(await Promise.all(doomed))).toEqual(new Set(['ERR_LOCK_ABORTED']));
    guard.release();
    expect(await Promise.all(spared)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test('does nothing once the lock is held', async () => {
    const mutex = manager.mutex('abort/after');
    const abort = new AbortController();
    const guard = await mutex.acquireAsync({ signal: abort.signal });
    abort.abort();
    expect(guard.held).toBe(true);
    mutex.assertHeld();
    guard.release();
  });

  test('has no listener left after the wait, however it ended', async () => {
    const mutex = manager.mutex('abort/listeners');
    const abort = new AbortController();
    const { signal } = abort;
    const guard = await mutex.acquireAsync({ signal });
    const granted = mutex.acquireAsync({ signal });
    await refusal(mutex.acquireAsync({ signal, timeoutMs: 5 }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    guard.release();
    (await granted).release();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test.each([5, 'now', {}])('may not be %s, and nothing is left of the attempt', async (signal) => {
    const mutex = manager.mutex('abort/wrong');
    const guard = await mutex.acquireAsync();
    const attempt = mutex.acquireAsync({ signal: signal as unknown as AbortSignal, timeoutMs: 60_000 });
    await expect(attempt).rejects.toThrow(/^signal must be an AbortSignal, not /);
    guard.release();
  });
});

describe('the event loop', () => {
  test('is not blocked while a flow waits', async () => {
    const holder = await Thread.start();
    await holder.do('acquire', 'loop/free');
    const flow = manager.mutex('loop/free').acquireAsync();
    let turns = 0;
    await until('a hundred turns', () => ++turns > 100);
    await holder.do('release', 'loop/free');
    await flow;
  });

  test('lets the process end when nothing is pending, timers of ended waits included', async () => {
    expect(await runProgram('program-idle.mjs')).toEqual({ code: 0, stdout: 'done\n', stderr: '' });
  });

  test('keeps the process alive while a flow waits', async () => {
    expect(await runProgram('program-pending.mjs')).toEqual({ code: 0, stdout: 'acquired\n', stderr: '' });
  });

  test('keeps a worker alive while one of its flows waits', async () => {
    const [holder, worker] = await startThreads(2);
    await holder!.do('acquire', 'loop/worker');
    const log = newLog(1);
    worker!.do('enterAsync', 'loop/worker', log, 7).catch(() => {});
    const ended = worker!.end('a normal end');
    await holder!.do('release', 'loop/worker');
    await ended;
    expect(entries(log)).toEqual([7]);
  });

  test('has memory that stays flat over a hundred thousand acquisitions that time out', async () => {
    const { code, stdout } = await runProgram('program-timeouts.mjs', ['100000'], ['--expose-gc']);
    expect(code).toBe(0);
    const { grownBytes, timeouts } = JSON.parse(stdout) as { grownBytes: number; timeouts: number };
    expect(timeouts).toBe(100_000);
    expect(grownBytes).toBeLessThan(4 * 1024 * 1024);
  });
});

test('a closed manager ends the flows of all threads', async () => {
  const own = LockManager.create({ name: 'async-closed' });
  const worker = await Thread.start();
  await worker.do('attach', 'async-closed');
  const mutex = own.mutex('m');
  await mutex.acquireAsync();
  const flows = [mutex.acquireAsync(), mutex.acquireAsync(), worker.do('acquireAsync', 'm')];
  await worker.do('ping');
  const codes = flows.map((flow) => refusalCode(flow));
  await own.close();
  expect(await Promise.all(codes)).toEqual(new Array(3).fill('ERR_LOCK_CLOSED'));
});
