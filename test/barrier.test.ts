import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Barrier, getLockManager, LockManager } from 'holdfast';
import { endThreads, refusal, refusalCode, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;

beforeEach(() => {
  name = `barrier ${names++}`;
});
afterEach(endThreads);

function open(parties: number): Barrier {
  return manager.barrier(name, { parties });
}

async function start(count: number, parties: number): Promise<Thread[]> {
  const threads = await startThreads(count);
  await Promise.all(threads.map((thread) => thread.do('openBarrier', name, parties)));
  return threads;
}

describe('parties', () => {
  test('wait for each other, and learn how many came later', async () => {
    const barrier = open(4);
    const threads = await start(3, 4);
    for (let round = 0; round < 3; round++) {
      const met: Promise<unknown>[] = [];
      for (const [i, thread] of threads.entries()) {
        met.push(thread.do('meet', name));
        await untilBlocked(manager, name, i + 1);
        expect(barrier.waiting).toBe(i + 1);
      }
      met.push(barrier.waitAsync());
      expect(await Promise.all(met)).toEqual([3, 2, 1, 0]);
      expect([barrier.waiting, barrier.isBroken]).toEqual([0, false]);
    }
    expect(manager.getStatistics(name)!.locks.wait).toMatchObject({ totalAcquisitions: 9, totalTimeouts: 0 });
  });

  test('are flows as well, also several of one thread', async () => {
    const barrier = open(3);
    const [worker] = await start(1, 3);
    for (let round = 0; round < 20; round++) {
      const [first, second] = [barrier.waitAsync(), barrier.waitAsync()];
      expect((await worker!.do('meet', name)) + (await first) + (await second)).toBe(3);
    }
    const one = manager.barrier(`${name}, one`, { parties: 1 });
    expect([one.wait(), await one.waitAsync(), await one.waitAsync({ timeoutMs: 0 })]).toEqual([0, 0, 0]);
  });

  test('never pass before all have come, again and again', async () => {
    open(4);
    const threads = await start(4, 4);
    const shadow = sharedWords(2);
    await Promise.all(threads.map((thread) => thread.do('meetOften', name, shadow, 2_000)));
    expect([...shadow]).toEqual([8_000, 0]);
  });

  test('that only try pass as the last, and break nothing else', async () => {
    const barrier = open(2);
    expect(await refusalCode(() => barrier.wait({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(barrier.waitAsync({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    expect([barrier.isBroken, barrier.waiting]).toEqual([false, 0]);
    const other = barrier.waitAsync();
    expect(barrier.wait({ timeoutMs: 0 })).toBe(0);
    expect(await other).toBe(1);
  });
});

describe('it breaks for all', () => {
  test('if one times out, and says who; whole again by reset()', async () => {
    const barrier = open(4);
    const [first, second] = await start(2, 4);
    const blocked = refusal(first!.do('meet', name));
    await untilBlocked(manager, name, 1);
    const flow = refusal(barrier.waitAsync());
    expect(await refusal(second!.do('meet', name, { timeoutMs: 50 }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', message: expect.stringContaining('not passed within 50 ms') });
    const why = new RegExp(`it is broken: worker ${second!.threadId} timed out`);
    for (const refused of [await blocked, await flow, await refusal(barrier.waitAsync())]) {
      expect(refused.code).toBe('ERR_LOCK_BARRIER_BROKEN');
      expect(refused.message).toMatch(why);
    }
    expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0]);
    expect(manager.getLockStatus(name)!.meeting).toEqual({ parties: 4, waiting: 0, broken: { why: 'timed out', threadId: second!.threadId } });
    barrier.reset();
    expect(barrier.isBroken).toBe(false);
    const met = [first!.do('meet', name), second!.do('meet', name), barrier.waitAsync(), barrier.waitAsync()];
    expect((await Promise.all(met)).reduce((sum, one) => sum + one)).toBe(6);
  });

  test('if a flow times out or is aborted', async () => {
    const barrier = open(3);
    const [worker] = await start(1, 3);
    const controller = new AbortController();
    for (const [options, code, why] of [
      [{ timeoutMs: 30 }, 'ERR_LOCK_TIMEOUT', 'the main thread timed out'],
      [{ signal: controller.signal }, 'ERR_LOCK_ABORTED', 'the main thread was cancelled'],
    ] as const) {
      const blocked = refusal(worker!.do('meet', name));
      await untilBlocked(manager, name, 1);
      const flow = refusalCode(barrier.waitAsync(options));
      if (code === 'ERR_LOCK_ABORTED') controller.abort();
      expect(await flow).toBe(code);
      expect(await blocked).toMatchObject({ code: 'ERR_LOCK_BARRIER_BROKEN', message: expect.stringContaining(why) });
      barrier.reset();
    }
    expect(await refusalCode(barrier.waitAsync({ signal: controller.signal }))).toBe('ERR_LOCK_ABORTED');
    expect(barrier.isBroken).toBe(false);
  });

  test('if one that waits dies, whether it blocks or not', async () => {
    const barrier = open(3);
    for (const operation of ['meet', 'meetAsync'] as const) {
      const [victim, other] = await start(2, 3);
      void victim!.do(operation, name).catch(() => undefined);
      await until('the victim has come', () => barrier.waiting === 1);
      const blocked = refusal(other!.do('meet', name));
      await until('both have come', () => barrier.waiting === 2);
      const { threadId } = victim!;
      await victim!.end('terminate()');
      expect(await blocked).toMatchObject({ code: 'ERR_LOCK_BARRIER_BROKEN', message: expect.stringContaining(`worker ${threadId} died`) });
      barrier.reset();
    }
  });

  test('on request, and not for those who come after the reset', async () => {
    const barrier = open(2);
    const waiting = refusal(barrier.waitAsync());
    barrier.abort();
    expect((await waiting).message).toMatch(/is broken: the main thread aborted it/);
    expect(await refusalCode(() => barrier.wait())).toBe('ERR_LOCK_BARRIER_BROKEN');
    barrier.reset();
    barrier.reset();
    const [worker] = await start(1, 2);
    const blocked = refusal(worker!.do('meet', name));
    await untilBlocked(manager, name, 1);
    barrier.reset();
    expect((await blocked).code).toBe('ERR_LOCK_BARRIER_BROKEN');
    expect(await Promise.all([worker!.do('meet', name), barrier.waitAsync()])).toEqual(expect.arrayContaining([0, 1]));
  });

  test('in a storm of deaths nobody hangs, and of each meeting all pass or none', async () => {
    const barrier = open(3);
    for (let round = 0; round < 20; round++) {
      const threads = await start(3, 3);
      const met = threads.map((thread) => thread.do('meetUntilBroken', name).catch(() => -1));
      const before = manager.getStatistics(name)!.locks.wait.totalWaits;
      await until('they meet', () => manager.getStatistics(name)!.locks.wait.totalWaits > before + 10);
      await threads[round % 3]!.end('terminate()');
      // It may have died on its way.
      barrier.abort();
      const rounds = await Promise.all(met);
      const [first, second] = rounds.filter((_, i) => i !== round % 3);
      expect(first).toBeGreaterThan(0);
      expect(first).toBe(second);
      barrier.reset();
      await endThreads();
    }
  });
});

test('closing ends all waits, and the rest is refused', async () => {
  const other = LockManager.create({ name: `closing ${names}` });
  const worker = await Thread.start();
  await worker.do('attach', `closing ${names}`);
  await worker.do('openBarrier', name, 3);
  const barrier = other.barrier(name, { parties: 3 });
  const blocked = refusalCode(worker.do('meet', name));
  await untilBlocked(other, name, 1);
  const flow = refusalCode(barrier.waitAsync());
  await other.close();
  expect([await blocked, await flow]).toEqual(['ERR_LOCK_CLOSED', 'ERR_LOCK_CLOSED']);
  for (const late of [() => barrier.reset(), () => barrier.abort(), () => barrier.wait()]) expect(await refusalCode(late)).toBe('ERR_LOCK_CLOSED');
  expect(await refusalCode(() => open(2).wait())).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
  expect(await refusalCode(() => open(3))).toBe('ERR_LOCK_KIND_MISMATCH');
  expect(() => manager.barrier(name, {} as never)).toThrow(TypeError);
  expect(() => manager.barrier(name, { parties: 65_536 })).toThrow(TypeError);
});
