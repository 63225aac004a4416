import { afterEach, expect, test } from 'vitest';
import { type CancelSource, getLockManager, LockManager } from 'holdfast';
import { endThreads, refusal, refusalCode, startThreads, Thread, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

/** A worker that holds the lock, and one that is about to wait for it. */
async function contenders(name: string, cancel?: CancelSource): Promise<{ holder: Thread; waiter: Thread }> {
  const holder = await Thread.start();
  const waiter = await Thread.start({ workerData: { cancel } });
  await holder.do('acquire', name);
  return { holder, waiter };
}

test('cancel() ends a wait that is blocked in another thread, with its reason', async () => {
  const { waiter, holder } = await contenders('blocked');
  const cancel = manager.cancelToken();
  const waiting = refusal(waiter.do('acquire', 'blocked', { cancel, timeoutMs: Infinity }));
  await untilBlocked(manager, 'blocked', 1);
  cancel.cancel('the user has left');
  const error = await waiting;
  expect(error).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'the user has left', holders: [{ threadId: holder.threadId }] } });
  expect(error.message).toMatch(/^"blocked" \(mutex, exclusive\) not acquired: the wait was ended from outside after \d+ ms: the user has left\n/);
});

test('a cancelled wait leaves nothing behind', async () => {
  const { waiter, holder } = await contenders('nothing');
  const cancel = manager.cancelToken();
  const waiting = refusal(waiter.do('acquire', 'nothing', { cancel }));
  await untilBlocked(manager, 'nothing', 1);
  cancel.cancel();
  await waiting;
  expect(manager.getLockStatus('nothing')?.waiters).toEqual([]);
  await holder.do('release', 'nothing');
  expect(manager.getLockStatus('nothing')?.state).toBe('free');
  expect(manager.getStatistics('nothing')?.locks.exclusive).toMatchObject({ totalAborts: 1, totalTimeouts: 0 });
});

test('a token travels in workerData', async () => {
  const cancel = manager.cancelToken();
  const { waiter } = await contenders('workerData', cancel);
  const waiting = refusalCode(waiter.do('acquireCancellable', 'workerData'));
  await untilBlocked(manager, 'workerData', 1);
  cancel.cancel();
  expect(await waiting).toBe('ERR_LOCK_ABORTED');
});

test('a clone is revived by manager.cancelToken(), and cancels from a third thread', async () => {
  const { waiter } = await contenders('revived');
  const canceller = await Thread.start();
  const cancel = manager.cancelToken();
  const waiting = refusal(waiter.do('acquire', 'revived', { cancel }));
  await untilBlocked(manager, 'revived', 1);
  await canceller.do('cancel', cancel, 'from a third');
  expect((await waiting).report).toMatchObject({ reason: 'from a third' });
  expect(cancel.cancelled).toBe(true);
});

test('all threads see that a token is cancelled', async () => {
  const worker = await Thread.start();
  const token = manager.cancelToken();
  expect([token.cancelled, await worker.do('isCancelled', token)]).toEqual([false, false]);
  token.cancel();
  expect([token.cancelled, manager.cancelToken(structuredClone(token)).cancelled, await worker.do('isCancelled', token)]).toEqual([true, true, true]);
});

test('a token that is cancelled already ends a wait before it begins', async () => {
  const { waiter } = await contenders('before');
  const cancel = manager.cancelToken();
  cancel.cancel('too late');
  expect(await refusal(waiter.do('acquire', 'before', { cancel }))).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'too late', waitedMs: 0 } });
});

test('a token that is cancelled already refuses a free lock too, as an aborted signal does', async () => {
  const mutex = manager.mutex('free');
  const cancel = manager.cancelToken();
  cancel.cancel();
  for (const form of [() => mutex.acquire({ cancel }), () => mutex.lock({ cancel }), () => mutex.run(() => {}, { cancel }), () => mutex.acquireInconsistent({ cancel })]) {
    expect(await refusalCode(form)).toBe('ERR_LOCK_ABORTED');
  }
  expect(manager.getLockStatus('free')?.state).toBe('free');
});

test('one token ends the waits of many threads for many locks, and no other wait', async () => {
  const holder = await Thread.start();
  const doomed = await startThreads(4);
  const spared = await Thread.start();
  const cancel = manager.cancelToken();
  await holder.do('acquire', 'many/0');
  await holder.do('acquire', 'many/1');
  const codes = doomed.map((thread, i) => refusalCode(thread.do('acquire', `many/${i % 2}`, { cancel })));
  const acquired = spared.do('acquire', 'many/0', { cancel: manager.cancelToken() });
  await untilBlocked(manager, 'many/0', 3);
  await untilBlocked(manager, 'many/1', 2);
  cancel.cancel();
  expect(await Promise.all(codes)).toEqual(new Array(4).fill('ERR_LOCK_ABORTED'));
  expect(manager.getLockStatus('many/0')?.waiters).toMatchObject([{ threadId: spared.threadId }]);
  await holder.do('release', 'many/0');
  expect(await acquired).toMatchObject({ held: true });
});

test('a token ends waits in the locks of another manager too', async () => {
  await using other = LockManager.create({ name: 'other' });
  const { waiter } = await contenders('unused');
  const holder = await Thread.start();
  await waiter.do('attach', 'other');
  await holder.do('attach', 'other');
  await holder.do('acquire', 'm');
  const cancel = manager.cancelToken();
  const waiting = refusalCode(waiter.do('acquire', 'm', { cancel, timeoutMs: Infinity }));
  await untilBlocked(other, 'm', 1);
  cancel.cancel();
  expect(await waiting).toBe('ERR_LOCK_ABORTED');
});

test('the first reason stays', async () => {
  const { waiter } = await contenders('first');
  const cancel = manager.cancelToken();
  cancel.cancel('first');
  cancel.cancel('second');
  expect((await refusal(waiter.do('acquire', 'first', { cancel }))).report).toMatchObject({ reason: 'first' });
});

const reasons: [string, unknown, string | RegExp][] = [
  ['none', undefined, 'cancelled'],
  ['empty', '', ''],
  ['an error', new RangeError('broken'), 'RangeError: broken'],
  ['of many bytes', '🔒'.repeat(100), /^(🔒)+$/u],
];
test.each(reasons)('a reason may be %s', async (what, reason, expected) => {
  const { waiter } = await contenders(`reason ${what}`);
  const cancel = manager.cancelToken();
  cancel.cancel(reason as string);
  const { report } = await refusal(waiter.do('acquire', `reason ${what}`, { cancel }));
  expect(report).toMatchObject({ reason: typeof expected === 'string' ? expected : expect.stringMatching(expected) });
});

test('a wait that ended otherwise is not touched by a later cancel()', async () => {
  const { waiter, holder } = await contenders('later');
  const cancel = manager.cancelToken();
  const acquired = waiter.do('acquire', 'later', { cancel });
  await untilBlocked(manager, 'later', 1);
  await holder.do('release', 'later');
  await acquired;
  cancel.cancel();
  await waiter.do('assertHeld', 'later');
  expect(await refusalCode(waiter.do('acquire', 'later', { timeoutMs: 0 }))).toBe('ERR_LOCK_RECURSIVE');
});

test.each([5, 'token', {}, null, { words: new SharedArrayBuffer(8) }, { words: new ArrayBuffer(256) }])('%o is no token', (cancel) => {
  const mutex = manager.mutex('no token');
  expect(() => mutex.acquire({ cancel: cancel as CancelSource })).toThrow(/^cancel must be a token made by manager\.cancelToken\(\), or a clone of one/);
  expect(() => manager.cancelToken(cancel as CancelSource)).toThrow(TypeError);
  expect(manager.getLockStatus('no token')?.state).toBe('free');
});
