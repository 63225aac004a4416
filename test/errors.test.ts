import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, isLockError, LockError, LockManager } from 'holdfast';
import { endThreads, refusal, startThreads, Thread, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let locks = 0;
afterEach(endThreads);

/** A worker that holds a lock of its own, and the name of that. */
async function held(): Promise<{ name: string; holder: Thread }> {
  const name = `lock ${locks++}`;
  const holder = await Thread.start();
  await holder.do('acquire', name);
  return { name, holder };
}

/** The lines of the error of a time-out. */
async function timedOut(timeoutMs = 5): Promise<{ error: LockError; lines: string[]; holder: Thread; name: string }> {
  const { name, holder } = await held();
  const error = await refusal(manager.mutex(name).acquireAsync({ timeoutMs }));
  return { error, lines: error.message.split('\n'), holder, name };
}

describe('the message of a time-out', () => {
  test('says first which lock was not acquired, and within what', async () => {
    const { lines, name } = await timedOut(5);
    expect(lines[0]).toBe(`"${name}" (mutex, exclusive) not acquired within 5 ms`);
  });

  test('says next who holds it, and for how long as far as that is known', async () => {
    const { lines, holder } = await timedOut();
    expect(lines[1]).toMatch(new RegExp(`^    held by  worker ${holder.threadId} for (at least \\d+ ms|an unknown time)$`));
  });

  test('says last what may help', async () => {
    const { lines } = await timedOut();
    expect(lines.at(-1)).toMatch(/^  hint: ./);
  });

  test('names the main thread as the holder', async () => {
    const name = `lock ${locks++}`;
    const worker = await Thread.start();
    manager.mutex(name).lock();
    const error = await refusal(worker.do('acquire', name, { timeoutMs: 5 }));
    expect(error.message).toMatch(/\n    held by  the main thread for /);
    expect(error.report).toMatchObject({ holders: [{ threadId: 0 }] });
    manager.mutex(name).unlock();
  });

  test('says how many are ahead in the queue', async () => {
    const { name } = await held();
    const [first, second] = await startThreads(2);
    first!.do('acquire', name).catch(() => {});
    await untilBlocked(manager, name, 1);
    const error = await refusal(second!.do('acquire', name, { timeoutMs: 20 }));
    expect(error.message).toMatch(new RegExp(`\\n    queue    1 ahead of you, 1 still waiting: worker ${first!.threadId} \\(\\d+ ms\\)\\n`));
    expect(error.report).toMatchObject({ waiting: 1, ahead: [{ threadId: first!.threadId }] });
  });

  test('gives how long a holder has held if it had to sleep for the lock', async () => {
    const { name, holder } = await held();
    const next = await Thread.start();
    const acquired = next.do('acquire', name);
    await untilBlocked(manager, name, 1);
    await holder.do('release', name);
    await acquired;
    const error = await refusal(manager.mutex(name).acquireAsync({ timeoutMs: 20 }));
    expect(error.message).toMatch(new RegExp(`held by  worker ${next.threadId} for \\d+ ms`));
    expect(error.report).toMatchObject({ holders: [{ heldSinceKnown: true }] });
  });

  test('does not call a blocking hold of the same thread asynchronous', async () => {
    const mutex = manager.mutex(`lock ${locks++}`);
    mutex.lock();
    const { message } = await refusal(mutex.acquireAsync({ timeoutMs: 5 }));
    mutex.unlock();
    expect(message).not.toContain('asynchronous');
  });

  test('has no addresses or offsets', async () => {
    const { error } = await timedOut();
    expect(error.message).not.toMatch(/0x|slot|offset|agent/);
  });
});

describe('the other messages', () => {
  test('of a recursion says who, and names reentrant', async () => {
    const mutex = manager.mutex('recursion');
    mutex.lock();
    const { message, report } = await refusal(() => mutex.lock());
    mutex.unlock();
    expect(message).toMatch(/^"recursion" \(mutex, exclusive\) is already held by this thread \(the main thread\)/);
    expect(message).toMatch(/\n  hint: release it first, or open the lock with \{ reentrant: true \}$/);
    expect(report).toMatchObject({ lock: 'recursion', kind: 'mutex', mode: 'exclusive', threadId: 0 });
  });

  test('of an owner that died says who and when, and how to recover', async () => {
    const { name, holder } = await held();
    const { threadId } = holder;
    await holder.end('terminate()');
    const { message, report } = await refusal(() => manager.mutex(name).acquire());
    expect(message).toMatch(new RegExp(`^"${name}" \\(mutex, exclusive\\) not acquired: its owner, worker ${threadId}, died while it held, \\d+ ms ago\\n`));
    expect(message).toMatch(/hint: .*acquireInconsistent\(\).*markConsistent\(\).*repair/);
    expect(report).toMatchObject({ death: { threadId, at: expect.any(Number) as number } });
  });

  test('of a refusal on the main thread names the awaitable forms and the option', async () => {
    const { name, holder } = await held();
    const { message } = await refusal(() => manager.mutex(name).acquire());
    expect(message).toContain(`held by  worker ${holder.threadId}`);
    expect(message).toMatch(/hint: await acquireAsync\(\) or runAsync\(\) on the main thread; .*blockingOnMain: 'allow'/);
  });

  test('of an unlock by a stranger says who holds', async () => {
    const { name, holder } = await held();
    const { message } = await refusal(() => manager.mutex(name).unlock());
    expect(message).toMatch(new RegExp(`^unlock\\(\\): "${name}" \\(mutex, exclusive\\) is not held by this thread\\n    held by  worker ${holder.threadId} `));
  });

  test('of a promise given to run names runAsync', async () => {
    const { message } = await refusal(() => manager.mutex('async body').run(async () => {}));
    expect(message).toMatch(/hint: use runAsync\(\)/);
  });
});

describe('every error', () => {
  test('is an Error and a LockError with its code, its name and its report', async () => {
    const { error } = await timedOut();
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(LockError);
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', name: expect.stringMatching(/^LockTimeoutError\b/) as string });
    expect(error.cause).toEqual({ code: error.code, report: error.report });
  });

  test('has its code in the first line of its stack', async () => {
    const { error, lines } = await timedOut();
    expect(error.stack!.split('\n')[0]).toBe(`LockTimeoutError [ERR_LOCK_TIMEOUT]: ${lines[0]}`);
  });

  test.each(['acquire', 'lock', 'tryAcquire', 'acquireInconsistent'] as const)('has a stack that begins where %s was called', async (form) => {
    const own = LockManager.create({ name: `stack ${form}` });
    const mutex = own.mutex('m');
    await own.close();
    const { stack } = await refusal(() => mutex[form]());
    const [first] = stack!.split('\n').filter((line) => line.startsWith('    at '));
    expect(first).toContain('errors.test.ts');
  });

  test('has a report of plain JSON of at most 2 KB, however long the names and the queue', async () => {
    const name = '🔒'.repeat(63);
    const [holder, ...waiters] = await startThreads(14);
    await holder!.do('acquire', name);
    for (const waiter of waiters) waiter.do('acquire', name).catch(() => {});
    await untilBlocked(manager, name, 13);
    const { report, cause } = await refusal(manager.mutex(name).acquireAsync({ timeoutMs: 100 }));
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThanOrEqual(2_048);
    expect(cause.report).toEqual(report);
  });

  test('is told from others by isLockError, with a code or without', async () => {
    const { error } = await timedOut();
    expect(isLockError(error)).toBe(true);
    expect(isLockError(error, 'ERR_LOCK_TIMEOUT')).toBe(true);
    expect(isLockError(error, 'ERR_LOCK_ABORTED')).toBe(false);
  });

  test.each([undefined, null, 5, 'ERR_LOCK_TIMEOUT', {}, { code: 'ERR_LOCK_TIMEOUT' }, new Error('[ERR_LOCK_NONE]'), new Error('x', { cause: { code: 'ERR_LOCK_NONE', report: {} } }), Object.assign(new Error('x'), { code: 'ERR_LOCK_TIMEOUT' })])(
    'is not %o',
    (value) => {
      expect(isLockError(value)).toBe(false);
      expect(LockError.from(value)).toBeUndefined();
    },
  );
});

describe('an error that crossed a boundary', () => {
  const crossings: Record<string, (error: LockError) => unknown> = {
    structuredClone: (error) => structuredClone(error),
    'structuredClone twice': (error) => structuredClone(structuredClone(error)),
    postMessage: async (error) => {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(error);
      const [message] = (await once(port2, 'message')) as [unknown];
      port1.close();
      return message;
    },
    'a stack alone': ({ message, stack }) => Object.assign(new Error(message), { stack }),
  };

  test.each(Object.entries(crossings))('by %s is recognised and revived', async (how, cross) => {
    const { error } = await timedOut();
    const crossed = await cross(error);
    expect(crossed).not.toBeInstanceOf(LockError);
    expect(isLockError(crossed, 'ERR_LOCK_TIMEOUT')).toBe(true);
    expect(isLockError(crossed, 'ERR_LOCK_ABORTED')).toBe(false);
    const revived = LockError.from(crossed)!;
    expect(revived).toBeInstanceOf(LockError);
    expect(revived).toMatchObject({ code: error.code, name: error.name, message: error.message, stack: error.stack });
    expect(revived.report).toEqual(how === 'a stack alone' ? {} : error.report);
  });

  test('from a worker keeps the stack of where it was thrown', async () => {
    const { name } = await held();
    const worker = await Thread.start();
    const error = await refusal(worker.do('acquire', name, { timeoutMs: 5 }));
    expect(error.stack).toContain('thread.mjs');
  });

  test('is itself what LockError.from gives when it did not cross any', async () => {
    const { error } = await timedOut();
    expect(LockError.from(error)).toBe(error);
  });
});
