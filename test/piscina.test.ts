import { Piscina } from 'piscina';
import { afterEach, expect, test } from 'vitest';
import { getLockManager, isLockError, LockError, LockManager } from 'holdfast';
import { pathOf, refusalCode, sharedWords, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
const pools: Piscina[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.destroy()));
});

function startPool(threads: number, options: ConstructorParameters<typeof Piscina>[0] = {}): Piscina {
  const pool = new Piscina({ filename: pathOf('pool-task.mjs'), minThreads: threads, maxThreads: threads, ...options });
  pools.push(pool);
  return pool;
}

/** Has a task hold the lock; ends it with `abort`. */
async function startHolding(pool: Piscina, lock: string, options: object = {}): Promise<{ threadId: number; abort: () => Promise<unknown> }> {
  const controller = new AbortController();
  const gate = sharedWords(2);
  const task = pool.run({ lock, options, gate }, { name: 'hold', signal: controller.signal }).catch((error: unknown) => error);
  const threadId = await until('the task holds', () => Atomics.load(gate, 0) || undefined);
  return {
    threadId,
    abort: () => {
      controller.abort();
      return task;
    },
  };
}

test('the workers of a pool share the locks of the process', async () => {
  const pool = startPool(4);
  const counter = sharedWords(1);
  await Promise.all(Array.from({ length: 100 }, () => pool.run({ rounds: 200, counter }, { name: 'count' })));
  expect(counter[0]).toBe(20_000);
  expect(manager.getStatistics('count')?.locks.exclusive.totalAcquisitions).toBe(20_000);
});

test('an error of a task is recognised and revived, with its report', async () => {
  const pool = startPool(1);
  manager.mutex('error').lock();
  const error: unknown = await pool.run({ lock: 'error', acquireOptions: { timeoutMs: 10 } }, { name: 'visit' }).catch((reason: unknown) => reason);
  manager.mutex('error').unlock();
  expect(error).not.toBeInstanceOf(LockError);
  expect(isLockError(error, 'ERR_LOCK_TIMEOUT')).toBe(true);
  expect(LockError.from(error)).toMatchObject({
    code: 'ERR_LOCK_TIMEOUT',
    message: expect.stringMatching(/^"error" \(mutex, exclusive\) not acquired within 10 ms\n/) as string,
    report: { lock: 'error', timeoutMs: 10, holders: [{ threadId: 0 }] },
  });
});

test('a task that is aborted while it holds is an owner that died, for the replacement worker too', async () => {
  const pool = startPool(1);
  const { threadId, abort } = await startHolding(pool, 'aborted');
  await abort();
  expect(await refusalCode(pool.run({ lock: 'aborted' }, { name: 'visit' }))).toBe('ERR_LOCK_OWNER_DIED');
  expect(manager.mutex('aborted').acquireInconsistent().ownerDied).toMatchObject({ threadId });
});

test("the replacement worker is told by its guard if the lock is made with ownerDeath: 'release'", async () => {
  const pool = startPool(1);
  const options = { ownerDeath: 'release' };
  const { threadId, abort } = await startHolding(pool, 'released', options);
  await abort();
  const visited = (await pool.run({ lock: 'released', options }, { name: 'visit' })) as { threadId: number; ownerDied: unknown };
  expect(visited.threadId).not.toBe(threadId);
  expect(visited.ownerDied).toMatchObject({ threadId });
});

test('a task that is aborted while it waits harms nobody', async () => {
  const pool = startPool(2);
  const controller = new AbortController();
  manager.mutex('waiting').lock();
  const doomed = pool.run({ lock: 'waiting' }, { name: 'visit', signal: controller.signal }).catch(() => 'aborted');
  const spared = pool.run({ lock: 'waiting' }, { name: 'visit' });
  await untilBlocked(manager, 'waiting', 2);
  controller.abort();
  expect(await doomed).toBe('aborted');
  manager.mutex('waiting').unlock();
  expect(await spared).toMatchObject({ ownerDied: undefined });
});

test('a task that exits while it holds is an owner that died', async () => {
  const pool = startPool(1);
  await expect(pool.run({ lock: 'exit' }, { name: 'holdAndExit' })).rejects.toThrow();
  await until('its death is noticed', () => manager.getLockStatus('exit')?.state === 'inconsistent');
  expect(await refusalCode(() => manager.mutex('exit').acquire())).toBe('ERR_LOCK_OWNER_DIED');
});

test('a lock that a finished task still holds stays held, by a worker that lives', async () => {
  const pool = startPool(1);
  const threadId: unknown = await pool.run({ lock: 'forgotten' }, { name: 'forget' });
  expect(manager.getLockStatus('forgotten')).toMatchObject({ state: 'held', holders: [{ threadId }] });
  await pool.destroy();
  expect(manager.getLockStatus('forgotten')).toMatchObject({ state: 'inconsistent' });
});

test('workers that the pool ends by itself leave the manager', async () => {
  const pool = startPool(0, { minThreads: 0, maxThreads: 2, idleTimeout: 1 });
  await pool.run({ lock: 'idle' }, { name: 'visit' });
  await until('only the main thread is attached', () => manager.stats.agents === 1);
  expect(await pool.run({ lock: 'idle' }, { name: 'visit' })).toMatchObject({ ownerDied: undefined });
});

test('replacements do not fill the agent table', async () => {
  const own = LockManager.create({ name: 'replacements', capacity: { agents: 2 } });
  const pool = startPool(1);
  for (let i = 0; i < 10; i++) {
    await pool.run({ lock: 'm', shared: own.share() }, { name: 'visit' });
    const { abort } = await startHolding(pool, `replaced ${i}`);
    await abort();
    await until('its worker is gone', () => own.stats.agents === 1);
  }
  expect(own.getStatistics('m')?.locks.exclusive.totalAcquisitions).toBe(10);
  await own.close();
});

test('a pool made before the manager takes part by share()', async () => {
  const pool = startPool(2);
  await pool.run({ lock: 'm' }, { name: 'visit' });
  const own = LockManager.create({ name: 'later' });
  const held = own.mutex('m').acquire();
  expect(await refusalCode(pool.run({ lock: 'm', shared: own.share(), acquireOptions: { timeoutMs: 5 } }, { name: 'visit' }))).toBe('ERR_LOCK_TIMEOUT');
  held.release();
  await pool.run({ lock: 'm', shared: own.share() }, { name: 'visit' });
  await own.close();
});
