import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Event, getLockManager, LockManager } from 'holdfast';
import { endThreads, entries, newLog, refusal, refusalCode, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
let name: string;
let names = 0;

beforeEach(() => {
  name = `gate ${names++}`;
});
afterEach(endThreads);

/** Threads that have opened it. */
async function start(count: number, options: { readonly autoReset?: boolean; readonly count?: number } = {}): Promise<Thread[]> {
  const threads = await startThreads(count);
  await Promise.all(threads.map((thread) => thread.do('openGate', name, options)));
  return threads;
}

/** Has each thread wait, in that order; they note their number when they pass. */
async function queue(threads: readonly Thread[], log: Int32Array): Promise<Promise<unknown>[]> {
  const waits: Promise<unknown>[] = [];
  for (const [i, thread] of threads.entries()) {
    waits.push(thread.do('passAndNote', name, log, i));
    await untilBlocked(manager, name, i + 1);
  }
  return waits;
}

function counts() {
  return manager.getStatistics(name)!.locks.wait;
}

describe('an event', () => {
  test('holds up until it is set, and again after it is reset', async () => {
    const event = manager.event(name);
    const threads = await start(2);
    const log = newLog(4);
    expect(event.isSet).toBe(false);
    const waits = await queue(threads, log);
    const flow = event.waitAsync();
    event.set();
    await Promise.all([...waits, flow]);
    expect([event.isSet, manager.getLockStatus(name)]).toMatchObject([true, { state: 'free', isSet: true, waiters: [] }]);
    event.wait();
    await event.waitAsync();
    event.set();
    event.reset();
    expect(event.isSet).toBe(false);
    expect(await refusalCode(threads[0]!.do('passAndNote', name, log, 2, { timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(counts()).toMatchObject({ totalAcquisitions: 3, totalTimeouts: 1, totalAborts: 0 });
  });

  test('lets all pass who waited when it was set, also if it is reset at once', async () => {
    const event = manager.event(name);
    const threads = await start(3);
    for (let round = 0; round < 50; round++) {
      const log = newLog(3);
      const waits = await queue(threads, log);
      const flows = [event.waitAsync(), event.waitAsync()];
      event.set();
      event.reset();
      await Promise.all([...waits, ...flows]);
    }
    expect(counts().totalAcquisitions).toBe(250);
  });

  test('that resets itself lets one pass for each time it is set, in order', async () => {
    const event = manager.event(name, { autoReset: true });
    const threads = await start(3, { autoReset: true });
    const log = newLog(3);
    const waits = await queue(threads, log);
    for (const wait of waits) {
      event.set();
      expect(event.isSet).toBe(false);
      await wait;
    }
    expect(entries(log)).toEqual([0, 1, 2]);
    event.set();
    event.set();
    expect(event.isSet).toBe(true);
    await event.waitAsync();
    expect(event.isSet).toBe(false);
    event.set();
    event.reset();
    expect(await refusalCode(event.waitAsync({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
  });

  test('that resets itself and is set twice at once lets two pass, whether threads or flows', async () => {
    const event = manager.event(name, { autoReset: true });
    const [worker] = await start(1, { autoReset: true });
    const log = newLog(1);
    let passed = 0;
    const flows = [1, 2].map(() => event.waitAsync().then(() => passed++));
    const [wait] = await queue([worker!], log);
    event.set();
    event.set();
    event.set();
    await Promise.all([...flows, wait]);
    expect([passed, entries(log), event.isSet]).toEqual([2, [0], false]);
  });

  test('that resets itself loses no signal to one that gives up, and none to one that dies', async () => {
    const event = manager.event(name, { autoReset: true });
    let takenToTheGrave = 0;
    for (let round = 0; round < 30; round++) {
      const threads = await start(2, { autoReset: true });
      const log = newLog(2);
      const controller = new AbortController();
      const flow = event.waitAsync({ signal: controller.signal }).then(() => 1, () => 0);
      const [first, second] = await queue(threads, log);
      threads[0]!.kill();
      event.set();
      event.set();
      controller.abort();
      // The flow has its signal, or has left it; the thread that dies has gone on, or leaves its own.
      await first!.catch(() => undefined);
      const passed = (await flow) + (entries(log).includes(0) ? 1 : 0);
      // Who is not signalled is listed as waiting.
      if (manager.getLockStatus(name)!.waiters.length > 0) {
        if (passed < 2) takenToTheGrave++;
        event.set();
      }
      await second;
      event.reset();
      await endThreads();
    }
    // A thread may die after it has gone on, and before it notes that.
    expect(takenToTheGrave).toBeLessThan(5);
  });

  test('ends waits by a cancel token, a signal and by closing', async () => {
    const other = LockManager.create({ name: `closing ${names}` });
    const token = other.cancelToken();
    const worker = await Thread.start({ workerData: { cancel: token } });
    await worker.do('attach', `closing ${names}`);
    await worker.do('openGate', name, {});
    const event = other.event(name);
    const cancelled = refusal(worker.do('passCancellable', name));
    await untilBlocked(other, name, 1);
    token.cancel('enough');
    expect((await cancelled).message).toMatch(/\(event\) not set: the wait was ended from outside after \d+ ms: enough/);
    const controller = new AbortController();
    const aborted = refusalCode(event.waitAsync({ signal: controller.signal }));
    controller.abort();
    expect(await aborted).toBe('ERR_LOCK_ABORTED');
    const blocked = refusalCode(worker.do('passAndNote', name, newLog(1), 1));
    await untilBlocked(other, name, 1);
    const flow = refusalCode(event.waitAsync());
    await other.close();
    expect([await blocked, await flow]).toEqual(['ERR_LOCK_CLOSED', 'ERR_LOCK_CLOSED']);
    for (const late of [() => event.set(), () => event.reset(), () => event.wait()]) expect(await refusalCode(late)).toBe('ERR_LOCK_CLOSED');
  });

  test('refuses to block the main thread, and other parameters', async () => {
    const event: Event = manager.event(name);
    expect(await refusal(() => event.wait())).toMatchObject({ code: 'ERR_LOCK_WOULD_BLOCK_MAIN', message: expect.stringContaining('waitAsync()') });
    expect(manager.event(name)).toBe(event);
    expect(await refusalCode(() => manager.event(name, { autoReset: true }))).toBe('ERR_LOCK_KIND_MISMATCH');
    expect(() => manager.event(name, { autoReset: 1 as never })).toThrow(TypeError);
    expect(() => event.wait({ timeoutMs: Number.NaN })).toThrow(TypeError);
  });
});

describe('a latch', () => {
  test('opens for good when it has been counted down, by whichever threads', async () => {
    const latch = manager.latch(name, { count: 3 });
    const threads = await start(2, { count: 3 });
    const log = newLog(2);
    const waits = await queue(threads, log);
    const flow = latch.waitAsync();
    expect(await refusal(latch.waitAsync({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', message: expect.stringContaining('3 still to be counted down') });
    latch.countDown(2);
    const third = await Thread.start();
    await third.do('openGate', name, { count: 3 });
    expect([latch.count, entries(log)]).toEqual([1, []]);
    await third.do('countDown', name);
    await Promise.all([...waits, flow]);
    expect(latch.count).toBe(0);
    latch.wait();
    await latch.waitAsync({ timeoutMs: 0 });
  });

  test('refuses to count below zero, with nothing changed', async () => {
    const latch = manager.latch(name, { count: 2 });
    expect(await refusal(() => latch.countDown(3))).toMatchObject({ code: 'ERR_LOCK_OVER_RELEASE', report: { amount: 3, left: 2 } });
    expect(latch.count).toBe(2);
    latch.countDown(2);
    expect(await refusalCode(() => latch.countDown())).toBe('ERR_LOCK_OVER_RELEASE');
    expect(() => latch.countDown(0)).toThrow(TypeError);
    expect(await refusalCode(() => manager.latch(name, { count: 3 }))).toBe('ERR_LOCK_KIND_MISMATCH');
    expect(() => manager.latch('none', {} as never)).toThrow(TypeError);
    expect(() => manager.latch('none', { count: 1_048_576 })).toThrow(TypeError);
    manager.latch(`${name}, open`, { count: 0 }).wait();
  });

  test('counts exactly from many threads, one of which dies', async () => {
    const latch = manager.latch(name, { count: 4_001 });
    const threads = await start(4, { count: 4_001 });
    const flow = latch.waitAsync();
    const victim = await Thread.start();
    await victim.do('openGate', name, { count: 4_001 });
    await Promise.all([...threads.map((thread) => thread.do('countDown', name, 1_000)), victim.end('terminate()')]);
    expect(latch.count).toBe(1);
    latch.countDown();
    await flow;
    await until('nobody waits', () => manager.getLockStatus(name)!.waiters.length === 0);
  });
});
