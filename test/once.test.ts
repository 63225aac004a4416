import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager } from 'holdfast';
import { endThreads, entries, newLog, refusal, refusalCode, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

describe('once', () => {
  test('runs one function of many, and the others wait for it', async () => {
    const log = newLog(8);
    const threads = await startThreads(8);
    const ran = await Promise.all(threads.map((thread, i) => (i % 2 ? thread.do('runOnce', 'race', log, i) : thread.do('runOnceAsync', 'race', log, i))));
    expect(ran.filter(Boolean)).toEqual([true]);
    expect(entries(log)).toEqual([ran.indexOf(true)]);
    expect(manager.once('race').isDone).toBe(true);
    expect(manager.once('race').run(() => expect.unreachable())).toBe(false);
  });

  test('is not done before the function has returned', async () => {
    const [thread] = await startThreads(1);
    const log = newLog(2);
    let finish: (() => void) | undefined;
    const first = manager.once('slow').runAsync(() => new Promise<void>((resolve) => (finish = resolve)));
    await until('it has begun', () => finish);
    const second = thread!.do('runOnce', 'slow', log, 1);
    await untilBlocked(manager, 'slow', 1);
    expect(manager.once('slow').isDone).toBe(false);
    finish!();
    expect([await first, await second]).toEqual([true, false]);
    expect(entries(log)).toEqual([]);
  });

  test('leaves it to the next if the function throws', async () => {
    const [one, other] = await startThreads(2);
    const log = newLog(2);
    await expect(one!.do('runOnce', 'throws', log, 1, 'throws')).rejects.toThrow('begun, not done');
    expect(await other!.do('runOnce', 'throws', log, 2)).toBe(true);
    expect(entries(log)).toEqual([1, 2]);
  });

  test('leaves it to the next if the thread dies, who is told', async () => {
    const dying = await Thread.start();
    const { threadId } = dying;
    const [waiting] = await startThreads(1);
    const log = newLog(4);
    dying.do('runOnce', 'dies', log, 1, 'dies').catch(() => {});
    await until('it has begun', () => entries(log).length === 1);
    expect(await waiting!.do('runOnce', 'dies', log, 2)).toBe(true);
    expect(entries(log)).toEqual([1, 2, -threadId]);
    expect(await waiting!.do('runOnce', 'dies', log, 3)).toBe(false);
    expect(manager.getStatistics('dies')?.ownerDeaths).toBe(1);
  });

  test('refuses an asynchronous function in run, and is not done by it', async () => {
    const [thread] = await startThreads(1);
    const log = newLog(2);
    expect(await refusalCode(thread!.do('runOnce', 'async', log, 1, 'is asynchronous'))).toBe('ERR_LOCK_ASYNC_BODY');
    expect(manager.once('async').isDone).toBe(false);
  });

  test('refuses to wait for itself', async () => {
    const once = manager.once('itself');
    expect(await refusalCode(() => once.run(() => void once.run(() => {})))).toBe('ERR_LOCK_RECURSIVE');
    expect(once.isDone).toBe(false);
  });

  test('gives up after its time', async () => {
    const once = manager.once('late', { timeoutMs: 5 });
    const running = manager.once('late').runAsync(() => new Promise<void>((resolve) => void setTimeout(resolve, 200)));
    const error = await refusal(once.runAsync(() => {}));
    expect(error.code).toBe('ERR_LOCK_TIMEOUT');
    expect(error.message).toContain('"late" (once, exclusive) not acquired within 5 ms');
    expect(await running).toBe(true);
  });

  test('ends its waits when the manager is closed, and refuses afterwards', async () => {
    const own = LockManager.create({ name: 'closing once' });
    const once = own.once('work');
    const running = once.runAsync(() => own.close());
    expect(await refusalCode(once.runAsync(() => {}))).toBe('ERR_LOCK_CLOSED');
    await running;
    expect(await refusalCode(() => once.run(() => {}))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => own.once('work'))).toBe('ERR_LOCK_CLOSED');
  });

  test('has a name of its own kind', async () => {
    manager.mutex('taken');
    const error = await refusal(() => manager.once('taken'));
    expect(error.code).toBe('ERR_LOCK_KIND_MISMATCH');
    expect(error.message).toContain('"taken" is already a mutex {');
    expect(error.message).toContain(', not a once\n');
  });

  test('takes a function and nothing else', () => {
    expect(() => manager.once('argument').run(undefined as never)).toThrow(new TypeError('fn must be a function, not undefined'));
    expect(() => manager.once('argument', { timeoutMs: -1 })).toThrow(TypeError);
  });
});
