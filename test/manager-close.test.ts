import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager } from 'holdfast';
import { endThreads, refusal, refusalCode, startThreads, Thread, untilBlocked } from './harness/workers.js';

let manager: LockManager;
let names = 0;

beforeEach(() => {
  manager = LockManager.create({ name: `closing ${names++}` });
});
afterEach(async () => {
  await endThreads();
  await manager.close();
});

async function attached(): Promise<Thread> {
  const thread = await Thread.start();
  await thread.do('attach', manager.name);
  return thread;
}

describe('close() in the thread that made the manager', () => {
  test('ends all waits, blocked or not, in all threads', async () => {
    const threads = [await attached(), await attached(), await attached()];
    await threads[0]!.do('acquire', 'm');
    const waits = threads.slice(1).flatMap((thread) => [thread.do('acquireAsync', 'm'), thread.do('acquire', 'm', { timeoutMs: Infinity })]);
    const codes = [...waits, manager.mutex('m').acquireAsync({ timeoutMs: Infinity })].map((wait) => refusalCode(wait));
    await untilBlocked(manager, 'm', 2);
    await manager.close();
    expect(await Promise.all(codes)).toEqual(new Array(5).fill('ERR_LOCK_CLOSED'));
  });

  test('ends waits for the lock that it holds itself', async () => {
    const worker = await attached();
    const guard = manager.mutex('m').acquire();
    const waiting = refusalCode(worker.do('acquire', 'm', { timeoutMs: Infinity }));
    await untilBlocked(manager, 'm', 1);
    await manager.close();
    expect(await waiting).toBe('ERR_LOCK_CLOSED');
    guard.release();
  });

  test('lets a holder elsewhere finish: its release does nothing', async () => {
    const worker = await attached();
    await worker.do('acquire', 'm');
    await worker.do('lock', 'n');
    await manager.close();
    expect(await worker.do('release', 'm')).toMatchObject({ held: false });
    await worker.do('unlock', 'n');
  });

  test('has every acquisition refused from then on, in all forms and threads', async () => {
    const worker = await attached();
    const mutex = manager.mutex('m');
    await worker.do('tryAcquire', 'm');
    await worker.do('release', 'm');
    await manager.close();
    const forms = [() => mutex.acquire(), () => mutex.tryAcquire(), () => mutex.lock(), () => mutex.run(() => {}), () => mutex.acquireInconsistent(), () => mutex.acquireAsync(), () => mutex.runAsync(() => {})];
    for (const form of forms) expect(await refusal(form)).toMatchObject({ code: 'ERR_LOCK_CLOSED', report: { lock: 'm' } });
    expect(await refusalCode(worker.do('acquire', 'm'))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(worker.do('tryAcquire', 'm'))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(worker.do('acquireAsync', 'm'))).toBe('ERR_LOCK_CLOSED');
  });

  test('ends nested holds too: a reentrant lock is not taken again', async () => {
    const mutex = manager.mutex('m', { reentrant: true });
    mutex.lock();
    const guard = mutex.acquire();
    await manager.close();
    expect(await refusalCode(() => mutex.lock())).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => mutex.acquire())).toBe('ERR_LOCK_CLOSED');
    guard.release();
    mutex.unlock();
  });

  test('has new names refused, in all threads', async () => {
    const worker = await attached();
    await manager.close();
    expect(await refusalCode(() => manager.mutex('new'))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(worker.do('acquire', 'new'))).toBe('ERR_LOCK_CLOSED');
  });

  test('has threads refused that attach afterwards', async () => {
    const [early] = await startThreads(1);
    const shared = manager.share();
    await manager.close();
    const late = await Thread.start();
    expect(await refusalCode(early!.do('attach', shared))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(early!.do('attach', manager.name))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(late.do('attach', manager.name))).toBe('ERR_LOCK_NO_SEGMENT');
    expect(await refusalCode(() => LockManager.attach(shared))).toBe('ERR_LOCK_CLOSED');
  });

  test('does nothing the second time', async () => {
    await manager.close();
    await expect(manager.close()).resolves.toBeUndefined();
  });

  test('frees its name', async () => {
    await manager.close();
    const next = getLockManager(manager.name);
    expect(next).not.toBe(manager);
    next.mutex('m').run(() => {});
    await next.close();
  });

  test('leaves other managers alone', async () => {
    const other = LockManager.create({ name: 'another' });
    const worker = await Thread.start();
    await worker.do('attach', 'another');
    await worker.do('acquire', 'm');
    const waiting = other.mutex('m').acquireAsync();
    await manager.close();
    await worker.do('release', 'm');
    (await waiting).release();
    await other.close();
  });

  test('is done by await using', async () => {
    let mutex;
    {
      await using scoped = LockManager.create({ name: 'scoped' });
      mutex = scoped.mutex('m');
      mutex.run(() => {});
    }
    expect(await refusalCode(() => mutex.acquire())).toBe('ERR_LOCK_CLOSED');
  });

  test('leaves nothing that keeps the process or its locks: a thousand managers one after the other', async () => {
    for (let i = 0; i < 1_000; i++) {
      const brief = LockManager.create({ name: 'brief', capacity: { locks: 1, agents: 1 } });
      const guard = await brief.mutex('m').acquireAsync();
      const waiting = refusalCode(brief.mutex('m').acquireAsync());
      await brief.close();
      expect(await waiting).toBe('ERR_LOCK_CLOSED');
      guard.release();
    }
  });
});

describe('close() in another thread', () => {
  test('leaves the locks to the others', async () => {
    const [leaving, staying] = [await attached(), await attached()];
    await leaving.do('acquire', 'm');
    await leaving.do('release', 'm');
    await leaving.do('close');
    await staying.do('acquire', 'm');
    expect(manager.stats.agents).toBe(2);
  });

  test('counts what the thread still holds as held by a dead owner', async () => {
    const leaving = await attached();
    const { threadId } = leaving;
    await leaving.do('acquire', 'm');
    const waiting = refusal(manager.mutex('m').acquireAsync());
    await leaving.do('close');
    expect(await waiting).toMatchObject({ code: 'ERR_LOCK_OWNER_DIED', report: { death: { threadId } } });
  });

  test('ends the waits of its own flows', async () => {
    const leaving = await attached();
    manager.mutex('m').lock();
    const waiting = refusalCode(leaving.do('acquireAsync', 'm'));
    await leaving.do('ping');
    await leaving.do('close');
    expect(await waiting).toBe('ERR_LOCK_CLOSED');
    manager.mutex('m').unlock();
    expect(manager.mutex('m').tryAcquire()).toBeDefined();
  });

  test('makes a late release of what it held harmless', async () => {
    const leaving = await attached();
    await leaving.do('acquire', 'm');
    await leaving.do('close');
    manager.mutex('m').acquireInconsistent();
    expect(await leaving.do('release', 'm')).toMatchObject({ held: false });
    manager.mutex('m').assertHeld();
  });

  test('lets it attach again, as a new agent that holds nothing', async () => {
    const leaving = await attached();
    await leaving.do('acquire', 'm');
    await leaving.do('close');
    await leaving.do('attach', manager.share());
    expect(manager.stats.agents).toBe(2);
    expect(await refusalCode(leaving.do('assertHeld', 'm'))).toBe('ERR_LOCK_NOT_HELD');
  });

  test('does not close the managers of the threads that it has made', async () => {
    const leaving = await attached();
    const nested = await leaving.nest();
    await nested.do('attach', manager.share());
    await nested.do('acquire', 'm');
    await leaving.do('close');
    await nested.do('assertHeld', 'm');
    expect(manager.getLockStatus('m')?.state).toBe('held');
  });
});
