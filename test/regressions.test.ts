// Each of these is a bug that other lock libraries have or had.
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { getLockManager } from 'holdfast';
import { agent } from '../native-layout/index.js';
import { arm, disarm, park, ring, ringsOf, unpark, wakesOf } from '../src/park/park.js';
import { plainWords } from '../src/shm/atomics.js';
import { agentAt, type Segment } from '../src/shm/segment.js';
import { endThreads, entries, newLog, ownerOf, refusal, refusalCode, runProgram, sharedWords, startThreads, Thread, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;

beforeEach(() => {
  name = `lock ${names++}`;
});
afterEach(() => {
  vi.restoreAllMocks();
  return endThreads();
});

/** Two agents and nothing else, in plain memory. */
function bareSegment(): Segment {
  const buffer = new SharedArrayBuffer(3 * agent.size);
  return { words: plainWords(buffer), agents: 0, patrolMs: Infinity, patrol: () => {} } as Partial<Segment> as Segment;
}

test('A2: a wake between the last look and the sleep is not lost: the sleeper waits on a word that the waker changes', async () => {
  const segment = bareSegment();
  const seen = wakesOf(segment, 1);
  unpark(segment, 1);
  expect(park(segment, 1, seen, Infinity, 0)).toBe('woken');
  const rings = ringsOf(segment, 1);
  ring(segment, 1);
  expect(arm(segment, 1, rings)).toBeUndefined();
});

test('A2: a release between the last look of a waiter and its sleep reaches it, two thousand times over', async () => {
  const [one, other] = await startThreads(2);
  const shadow = sharedWords(4);
  await Promise.all([one!.do('count', name, shadow, 2_000, 'lock', 2), other!.do('count', name, shadow, 2_000, 'lock', 2)]);
  expect(shadow[0]).toBe(4_000);
});

test('A4: a wake for a blocked thread is not swallowed by a pending asynchronous wait of the same thread', async () => {
  const worker = await Thread.start();
  const log = newLog(2);
  const guard = manager.mutex(name).acquire();
  const flow = worker.do('enterAsync', name, log, 2);
  const blocked = worker.do('enter', name, log, 1);
  await untilBlocked(manager, name, 1);
  guard.release();
  await Promise.all([flow, blocked]);
  expect(entries(log)).toEqual([1, 2]);
});

test('A4: blocking and asynchronous waits never share a word', async () => {
  const segment = bareSegment();
  const pending = arm(segment, 1, ringsOf(segment, 1))!;
  unpark(segment, 1);
  let rung = false;
  void pending.then(() => (rung = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(rung).toBe(false);
  ring(segment, 1);
  await pending;
  disarm(segment, 1);
  expect(segment.words.load(agentAt(segment, 1) + agent.fields.mailbox.at) & 1).toBe(0);
});

test('A5: a wake that is given to a dying waiter is passed on: the next one gets the lock, thirty times over', async () => {
  const survivor = await Thread.start();
  for (let i = 0; i < 30; i++) {
    const lock = `${name}/${i}`;
    const doomed = await Thread.start();
    const guard = manager.mutex(lock).acquire();
    doomed.do('acquire', lock).catch(() => {});
    await untilBlocked(manager, lock, 1);
    const acquired = survivor.do('acquireInconsistent', lock, { timeoutMs: 15_000 });
    await untilBlocked(manager, lock, 2);
    doomed.kill();
    guard.release();
    expect(await acquired).toMatchObject({ held: true });
  }
});

test('A6: the waiters of a holder that is terminated do not wait for ever', async () => {
  const [holder, ...waiters] = await startThreads(4);
  await holder!.do('acquire', name);
  const codes = waiters.map((waiter) => refusalCode(waiter.do('acquire', name, { timeoutMs: Infinity })));
  await untilBlocked(manager, name, 3);
  await holder!.end('terminate()');
  expect(await Promise.all(codes)).toEqual(new Array(3).fill('ERR_LOCK_OWNER_DIED'));
});

test('A7: the main thread, whose id is 0, holds as any other: nobody else is let in, and it alone releases', async () => {
  const worker = await Thread.start();
  const mutex = manager.mutex(name);
  mutex.lock();
  expect(await worker.do('tryAcquire', name)).toBeUndefined();
  expect(await refusalCode(worker.do('unlock', name))).toBe('ERR_LOCK_NOT_HELD');
  expect(ownerOf(manager, name)).toBe(0);
  mutex.unlock();
  expect(await worker.do('acquire', name)).toMatchObject({ held: true });
});

test('A7: owner and state are one word: no spurious error and no deadlock while four threads lock and unlock', async () => {
  const threads = await startThreads(4);
  const shadow = sharedWords(4);
  await Promise.all(threads.map((thread) => thread.do('count', name, shadow, 20_000, 'lock', 4)));
  expect([...shadow.subarray(0, 3)]).toEqual([80_000, 0, 0]);
  expect(manager.getLockStatus(name)?.state).toBe('free');
});

test('A8: asynchronous flows of one thread exclude each other, in a reentrant lock too', async () => {
  const mutex = manager.mutex(name, { reentrant: true });
  let inside = 0;
  let most = 0;
  const flow = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside--;
  };
  await Promise.all([mutex.runAsync(flow), mutex.runAsync(flow), mutex.runAsync(flow)]);
  expect(most).toBe(1);
});

test('A9: nobody but the holder can unlock, and a second release frees nobody', async () => {
  const [holder, stranger] = await startThreads(2);
  const guard = manager.mutex(name).acquire();
  expect(await refusalCode(stranger!.do('unlock', name))).toBe('ERR_LOCK_NOT_HELD');
  guard.release();
  await holder!.do('acquire', name);
  guard.release();
  expect(await refusalCode(() => manager.mutex(name).unlock())).toBe('ERR_LOCK_NOT_HELD');
  expect(ownerOf(manager, name)).toBe(holder!.threadId);
});

test.each([-3_600_000, 3_600_000])('A10: a clock that jumps by %i ms at each look neither ends nor prolongs a wait', async (byMs) => {
  const [holder, worker] = await startThreads(2);
  await holder!.do('acquire', name);
  await worker!.do('haveClockJump', byMs);
  const error = await refusal(worker!.do('acquire', name, { timeoutMs: 30 }));
  expect(error.code).toBe('ERR_LOCK_TIMEOUT');
  expect(error.report['waitedMs']).toBeGreaterThanOrEqual(29);
  const acquired = worker!.do('acquire', name, { timeoutMs: 15_000 });
  await untilBlocked(manager, name, 1);
  await holder!.do('release', name);
  expect(await acquired).toMatchObject({ held: true });
});

test('A10: a time-out of 0 is no wait, and thread ids are those of the workers', async () => {
  const [holder, worker] = await startThreads(2);
  await holder!.do('acquire', name);
  const error = await refusal(worker!.do('acquire', name, { timeoutMs: 0 }));
  expect(error.report).toMatchObject({ waitedMs: 0, holders: [{ threadId: holder!.threadId }] });
});

test('A11: a grant that comes after the time-out is not taken for the answer to the next request', async () => {
  const [holder, worker] = await startThreads(2);
  await holder!.do('acquire', name);
  await holder!.do('acquire', `${name}/next`);
  expect(await refusalCode(worker!.do('acquire', name, { timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
  const cancel = manager.cancelToken();
  const next = refusalCode(worker!.do('acquire', `${name}/next`, { cancel }));
  await untilBlocked(manager, `${name}/next`, 1);
  await holder!.do('release', name);
  cancel.cancel();
  expect(await next).toBe('ERR_LOCK_ABORTED');
  expect(await worker!.do('tryAcquire', name)).toMatchObject({ held: true });
});

test('A11: a flow whose time is up does not take what the next flow asked for', async () => {
  const worker = await Thread.start();
  await worker.do('acquire', name);
  const mutex = manager.mutex(name);
  const early = refusalCode(mutex.acquireAsync({ timeoutMs: 5 }));
  const late = mutex.acquireAsync();
  expect(await early).toBe('ERR_LOCK_TIMEOUT');
  await worker.do('release', name);
  const guard = await late;
  expect(guard.held).toBe(true);
  guard.release();
  expect(manager.getLockStatus(name)?.state).toBe('free');
});

test('A14: a hold is not lost when a flow is aborted in the turn in which it is granted', async () => {
  const mutex = manager.mutex(name);
  for (const order of ['release first', 'abort first']) {
    const abort = new AbortController();
    const guard = await mutex.acquireAsync();
    const flow = mutex.acquireAsync({ signal: abort.signal });
    if (order === 'abort first') abort.abort();
    guard.release();
    if (order === 'release first') abort.abort();
    await flow.then((granted) => granted.release(), () => {});
    expect(manager.getLockStatus(name)?.state).toBe('free');
  }
});

test('A14: a hold is not lost when a blocked wait is cancelled while the lock is released, fifty times over', async () => {
  const worker = await Thread.start();
  const fifo = { fairness: 'fifo' } as const;
  await worker.do('open', name, fifo);
  const mutex = manager.mutex(name, fifo);
  for (let i = 0; i < 50; i++) {
    const cancel = manager.cancelToken();
    const guard = mutex.acquire();
    const acquired = worker.do('acquire', name, { cancel }).then(() => worker.do('release', name), () => {});
    await untilBlocked(manager, name, 1);
    if (i % 2) cancel.cancel();
    guard.release();
    cancel.cancel();
    await acquired;
    expect(manager.getLockStatus(name)?.state).toBe('free');
  }
});

test('A15: no timer of a finished wait keeps the process alive', async () => {
  expect(await runProgram('program-idle.mjs')).toMatchObject({ code: 0, stdout: 'done\n' });
});

test('A15: a finished wait leaves no timer and no abort listener', async () => {
  const set = vi.spyOn(globalThis, 'setTimeout');
  const clear = vi.spyOn(globalThis, 'clearTimeout');
  const mutex = manager.mutex(name);
  const abort = new AbortController();
  const guard = await mutex.acquireAsync();
  const flow = mutex.acquireAsync({ signal: abort.signal, timeoutMs: 3_600_000 });
  const timers = set.mock.results.map(({ value }) => value as unknown);
  expect(timers).toHaveLength(1);
  guard.release();
  (await flow).release();
  expect(clear.mock.calls.map(([timer]) => timer)).toEqual(timers);
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
});

test('A19: waiters in all threads are woken when the worker that holds dies', async () => {
  const [holder, blocked, waiting] = await startThreads(3);
  await holder!.do('acquire', name);
  const codes = [blocked!.do('acquire', name), waiting!.do('acquireAsync', name), manager.mutex(name).acquireAsync()].map((wait) => refusalCode(wait));
  await untilBlocked(manager, name, 1);
  await waiting!.do('ping');
  await holder!.end('terminate()');
  expect(await Promise.all(codes)).toEqual(new Array(3).fill('ERR_LOCK_OWNER_DIED'));
});
