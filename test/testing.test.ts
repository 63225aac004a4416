import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, isLockError, LockManager, type LockStatus } from 'holdfast';
import { assertNoDeadlocks, expectNoLocksHeld } from 'holdfast/testing';
import { endThreads, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

/** What it throws. */
function complaint(given?: LockManager | string): Error {
  try {
    expectNoLocksHeld(given);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it found nothing');
}

test('nothing is said of locks that are free, closed or inconsistent, or of no locks', async () => {
  expectNoLocksHeld();
  manager.mutex('free').run(() => {});
  const thread = await Thread.start();
  await thread.do('acquire', 'dead');
  await thread.end('terminate()');
  expect(manager.getLockStatus('dead')?.state).toBe('inconsistent');
  expectNoLocksHeld();
  const own = LockManager.create({ name: 'closed' });
  own.mutex('m').lock();
  await own.close();
  expectNoLocksHeld(own);
});

test('each lock that is held or waited for is listed, with threads and since when', async () => {
  const [holder, waiter] = (await startThreads(2)) as [Thread, Thread];
  const mutex = manager.mutex('mine');
  mutex.lock();
  await holder.do('acquire', 'theirs');
  const waiting = waiter.do('acquire', 'theirs');
  await untilBlocked(manager, 'theirs', 1);
  await until('a wait of some length', () => manager.getLockStatus('theirs')!.waiters[0]!.waitedMs > 3);
  const { message, cause } = complaint();
  const since = String.raw`\d+ ms|\d+\.\d\d s`;
  expect(message.split('\n')).toEqual([
    '2 locks are held or waited for',
    '    "mine" (mutex): held by the main thread for an unknown time',
    expect.stringMatching(new RegExp(`^    "theirs" \\(mutex\\): held by worker ${holder.threadId} for at least (${since})$`)),
    expect.stringMatching(new RegExp(`^        waited for by worker ${waiter.threadId} for (${since})$`)),
  ]);
  expect((cause as LockStatus[]).map(({ name, holders }) => [name, holders.map(({ threadId }) => threadId)])).toEqual([['mine', [0]], ['theirs', [holder.threadId]]]);
  mutex.unlock();
  expect(complaint().message).toMatch(/^1 lock is held or waited for\n {4}"theirs"/);
  await holder.do('release', 'theirs');
  await waiting;
  expect(complaint().message).toMatch(new RegExp(`held by worker ${waiter.threadId} for (${since})$`));
  await waiter.do('release', 'theirs');
  expectNoLocksHeld();
});

test('a lock that is inconsistent, but held, is listed', async () => {
  const thread = await Thread.start();
  await thread.do('acquire', 'mended');
  await thread.end('terminate()');
  using guard = manager.mutex('mended').acquireInconsistent();
  expect(complaint().message).toMatch(/^1 lock is held or waited for\n {4}"mended" \(mutex\): held by the main thread/);
  guard.markConsistent();
});

test('asynchronous holds count, and those that wait show by the lock', async () => {
  const mutex = manager.mutex('flows');
  const guard = await mutex.acquireAsync();
  const waiting = mutex.acquireAsync();
  expect(complaint().message).toContain('"flows" (mutex): held by the main thread');
  guard.release();
  (await waiting).release();
  expectNoLocksHeld();
});

test('the manager is given as itself or by name, and others are not looked at', async () => {
  await using own = LockManager.create({ name: 'own' });
  own.mutex('m').lock();
  expectNoLocksHeld();
  for (const given of [own, 'own']) expect(complaint(given).message).toContain('"m" (mutex)');
  own.mutex('m').unlock();
  expectNoLocksHeld(own);
});

describe('assertNoDeadlocks', () => {
  /** Two threads, of which the second closes a circle of waits. */
  async function cross(own: LockManager): Promise<readonly [Thread, Promise<unknown>]> {
    const [a, b] = (await startThreads(2)) as [Thread, Thread];
    await Promise.all([a.do('attach', own.share()), b.do('attach', own.share())]);
    await a.do('acquire', 'x');
    await b.do('acquire', 'y');
    a.do('acquire', 'y').catch(() => {});
    await untilBlocked(own, 'y', 1);
    const closing = b.do('acquire', 'x').catch((error: unknown) => error);
    return [b, closing];
  }

  test('says nothing of locks that are only held or waited for', async () => {
    await using own = LockManager.create();
    own.mutex('x').lock();
    const thread = await Thread.start();
    await thread.do('attach', own.share());
    thread.do('acquire', 'x').catch(() => {});
    await untilBlocked(own, 'x', 1);
    await assertNoDeadlocks(own);
  });

  test('tells of those who wait for each other now', async () => {
    await using own = LockManager.create({ deadlock: 'report' });
    const [b] = await cross(own);
    await untilBlocked(own, 'x', 1);
    const error = (await assertNoDeadlocks(own).catch((thrown: unknown) => thrown)) as Error;
    expect(error.message.split('\n')).toEqual(['threads waited for each other in a circle', expect.stringMatching(/^ {4}now: worker \d+ → "[xy]" → worker \d+ → "[xy]" → worker \d+$/)]);
    expect(error.cause).toMatchObject({ cycles: [{ cycle: [{}, {}] }], refused: [] });
    await b.end('terminate()');
  });

  test('tells once of a wait that was refused', async () => {
    await using own = LockManager.create();
    const [, closing] = await cross(own);
    expect(isLockError(await closing, 'ERR_LOCK_DEADLOCK')).toBe(true);
    await expect(assertNoDeadlocks(own)).rejects.toThrow('threads waited for each other in a circle\n    refused: 1 × a wait for "x"');
    await assertNoDeadlocks(own);
  });
});
