import { afterEach, expect, test } from 'vitest';
import { getLockManager, LockManager, type LockStatus } from 'holdfast';
import { expectNoLocksHeld } from 'holdfast/testing';
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
