import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { once } from 'node:events';
import { getLockManager, LockManager, type Queue, type QueueOptions } from 'holdfast';
import { endThreads, refusal, refusalCode, resume, sharedWords, startThreads, startWorker, until, untilBlocked } from './harness/workers.js';

const manager = getLockManager();
const small: QueueOptions = { capacity: 2, maxItemBytes: 64 };
let name: string;
let names = 0;

beforeEach(() => {
  name = `queue ${names++}`;
});
afterEach(endThreads);

function open<Item = unknown>(options: QueueOptions = small): Queue<Item> {
  return manager.queue<Item>(name, options);
}

function counts() {
  return manager.getStatistics(name)!.locks;
}

describe('items', () => {
  const values = [null, true, 0, -1.5, '', 'é\u{1f512}', '\ufeffx', [], [1, [2, null]], {}, { a: { b: ['c'] } }];
  test.each(values)('%j comes out as it went in', (value) => {
    const queue = open();
    queue.push(value);
    expect(queue.pop()).toEqual(value);
  });

  test('come out in the order in which they went in, over and over round', () => {
    const queue = open<number>({ capacity: 3, maxItemBytes: 4 });
    const popped: (number | undefined)[] = [];
    for (let i = 0; i < 20; i++) {
      queue.push(i);
      if (i % 3 !== 0) popped.push(queue.pop());
      if (queue.length === queue.capacity) popped.push(queue.tryPop());
    }
    while (queue.length > 0) popped.push(queue.tryPop());
    expect(popped).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test('of bytes come out as bytes, in memory of their own', () => {
    const queue = open<Uint8Array>();
    const bytes = Buffer.from([1, 2, 3, 4, 5]);
    queue.push(bytes);
    queue.push(bytes.subarray(1, 2));
    bytes.fill(9);
    const first = queue.pop();
    expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype);
    expect([...first]).toEqual([1, 2, 3, 4, 5]);
    expect(first.buffer).toBeInstanceOf(ArrayBuffer);
    queue.push(Uint8Array.of(7));
    expect([...first]).toEqual([1, 2, 3, 4, 5]);
    expect([[...queue.pop()], [...queue.pop()]]).toEqual([[2], [7]]);
    queue.push(new Uint8Array(0));
    expect(queue.pop()).toEqual(new Uint8Array(0));
  });

  test('of bytes that wait for room are those of the moment at which they were given', async () => {
    const queue = open<Uint8Array>({ capacity: 1, maxItemBytes: 1 });
    queue.push(Uint8Array.of(1));
    const bytes = Uint8Array.of(2);
    const pushed = queue.pushAsync(bytes);
    bytes[0] = 3;
    queue.pop();
    await pushed;
    expect([...queue.pop()]).toEqual([2]);
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
    ['a cycle', (() => { const cycle: Record<string, unknown> = {}; return (cycle['self'] = cycle); })()],
    ['memory', new ArrayBuffer(4)],
    ['shared memory', new SharedArrayBuffer(4)],
    ['another view', new Float64Array(1)],
  ])('%s is refused, and nothing is changed', async (_, item) => {
    const queue = open();
    expect(() => queue.push(item)).toThrow(TypeError);
    expect(() => queue.tryPush(item)).toThrow(TypeError);
    await expect(queue.pushAsync(item)).rejects.toThrow(TypeError);
    expect(queue.length).toBe(0);
  });

  test('that are too large are refused, and those that just fit are not', async () => {
    const queue = open();
    queue.push(new Uint8Array(64).fill(7));
    queue.push('x'.repeat(62));
    expect(() => queue.push('x'.repeat(63))).toThrow(new RangeError(`an item of "${name}" takes 65 bytes as JSON, and may take 64 (maxItemBytes)`));
    expect(() => queue.tryPush(new Uint8Array(65))).toThrow(/takes 65 bytes, and may take 64/);
    await expect(queue.pushAsync('é'.repeat(32))).rejects.toThrow(RangeError);
    expect([queue.pop(), queue.pop()]).toEqual([new Uint8Array(64).fill(7), 'x'.repeat(62)]);
  });

  test('cross from thread to thread', async () => {
    const [worker] = await startThreads(1);
    const queue = open();
    await worker!.do('onQueue', name, small, 'push', { from: 'worker' });
    expect(queue.pop()).toEqual({ from: 'worker' });
    queue.push([1]);
    expect(await worker!.do('onQueue', name, small, 'tryPop')).toEqual([1]);
    expect(await worker!.do('onQueue', name, small, 'tryPop')).toBeUndefined();
  });
});

describe('who waits', () => {
  test('for an item is woken by one', async () => {
    const [worker] = await startThreads(1);
    const popped = worker!.do('onQueue', name, small, 'pop');
    await untilBlocked(manager, name, 1);
    expect(manager.getLockStatus(name)).toMatchObject({ kind: 'queue', state: 'free', items: { length: 0, capacity: 2 }, waiters: [{ threadId: worker!.threadId, wants: 'item' }] });
    expect(manager.stats.waiting).toBe(1);
    open().push('item');
    expect(await popped).toBe('item');
  });

  test('for room is woken by it', async () => {
    const [worker] = await startThreads(1);
    const queue = open();
    queue.push(1);
    queue.push(2);
    expect(queue.tryPush(3)).toBe(false);
    const pushed = worker!.do('onQueue', name, small, 'push', 3);
    await untilBlocked(manager, name, 1);
    expect(manager.getLockStatus(name)).toMatchObject({ items: { length: 2, capacity: 2 }, waiters: [{ wants: 'room' }] });
    expect(queue.pop()).toBe(1);
    await pushed;
    expect([queue.pop(), queue.pop()]).toEqual([2, 3]);
  });

  test('is served by each of several items', async () => {
    const threads = await startThreads(3);
    const queue = open({ capacity: 3, maxItemBytes: 64 });
    const popped = threads.map((thread) => thread.do('onQueue', name, { capacity: 3, maxItemBytes: 64 }, 'pop'));
    await untilBlocked(manager, name, 3);
    for (const item of ['a', 'b', 'c']) queue.push(item);
    expect((await Promise.all(popped)).sort()).toEqual(['a', 'b', 'c']);
  });

  test('awaits without blocking, in order', async () => {
    const queue = open<number>();
    const popped = [queue.popAsync(), queue.popAsync(), queue.popAsync()];
    const [worker] = await startThreads(1);
    for (const item of [1, 2, 3]) await worker!.do('onQueue', name, small, 'push', item);
    expect(await Promise.all(popped)).toEqual([1, 2, 3]);
    const pushed = [4, 5, 6, 7].map((item) => queue.pushAsync(item));
    const taken = [queue.pop(), queue.pop(), await queue.popAsync(), await queue.popAsync()];
    await Promise.all(pushed);
    expect(taken).toEqual([4, 5, 6, 7]);
  });

  test('asynchronously is no obstacle for its own thread', async () => {
    const queue = open<number>();
    const popped = queue.popAsync();
    queue.push(1);
    expect(queue.tryPush(2)).toBe(true);
    expect([await popped, queue.pop()].sort()).toEqual([1, 2]);
  });

  test('is a thread with an event loop that is stuck, and the others are served all the same', async () => {
    const [stuck, worker] = await startThreads(2);
    const gate = sharedWords(2);
    const flow = stuck!.do('onQueue', name, small, 'popAsync');
    await stuck!.do('ping');
    const stalled = stuck!.do('stall', gate);
    await until('it is stuck', () => Atomics.load(gate, 0) === 1);
    const popped = worker!.do('onQueue', name, small, 'pop');
    await untilBlocked(manager, name, 1);
    open().push('for the one that runs');
    expect(await popped).toBe('for the one that runs');
    resume(gate);
    await stalled;
    open().push('for the other');
    expect(await flow).toBe('for the other');
  });

  test('may not be the main thread, unless that was allowed', async () => {
    const queue = open<number>();
    const empty = await refusal(() => queue.pop());
    expect(empty).toMatchObject({ code: 'ERR_LOCK_WOULD_BLOCK_MAIN', report: { lock: name, kind: 'queue', wants: 'item' } });
    queue.push(1);
    queue.push(2);
    const full = await refusal(() => queue.push(3));
    expect(full.code).toBe('ERR_LOCK_WOULD_BLOCK_MAIN');
    expect(full.message).toContain('pushAsync()');
    await using other = LockManager.create({ name: 'allowing', blockingOnMain: 'allow' });
    expect(await refusalCode(() => other.queue(name, small).pop({ timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
  });
});

describe('whoever gives up', () => {
  test('by time-out is told how full it is, and leaves nothing behind', async () => {
    const [worker] = await startThreads(1);
    const queue = open();
    const error = await refusal(worker!.do('onQueue', name, small, 'pop', { timeoutMs: 20 }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { lock: name, kind: 'queue', wants: 'item', timeoutMs: 20, items: { length: 0, capacity: 2 } } });
    expect(error.message).toMatch(new RegExp(`^"${name}" \\(queue\\) nothing popped within 20 ms\n.*0 of 2; 0 pushed and 0 popped so far`));
    expect(await refusalCode(queue.popAsync({ timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(() => queue.pop({ timeoutMs: 0 }))).toBe('ERR_LOCK_TIMEOUT');
    queue.push(1);
    queue.push(2);
    expect(await refusalCode(queue.pushAsync(3, { timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(await refusalCode(worker!.do('onQueue', name, small, 'push', 3, { timeoutMs: 20 }))).toBe('ERR_LOCK_TIMEOUT');
    expect(manager.getLockStatus(name)?.waiters).toEqual([]);
    expect([queue.pop(), queue.pop(), queue.tryPop()]).toEqual([1, 2, undefined]);
    expect(counts()).toMatchObject({ push: { totalAcquisitions: 2, totalTimeouts: 2 }, pop: { totalAcquisitions: 2, totalTimeouts: 3 } });
  });

  test('by a signal or a token has lost no item', async () => {
    const [worker] = await startThreads(1);
    const queue = open();
    const abort = new AbortController();
    const flow = refusal(queue.popAsync({ signal: abort.signal }));
    const next = queue.popAsync();
    abort.abort(new Error('enough'));
    expect(await flow).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
    queue.push('item');
    expect(await next).toBe('item');
    const cancel = manager.cancelToken();
    const blocked = refusalCode(worker!.do('onQueue', name, small, 'pop', { cancel }));
    await untilBlocked(manager, name, 1);
    cancel.cancel();
    expect(await blocked).toBe('ERR_LOCK_ABORTED');
    expect(await refusalCode(() => queue.push(1, { cancel }))).toBe('ERR_LOCK_ABORTED');
    expect(queue.length).toBe(0);
  });
});

describe('close()', () => {
  test('refuses what is pushed, lets what is left be popped, and then refuses that', async () => {
    const queue = open();
    queue.push('left');
    expect(queue.isClosed).toBe(false);
    queue.close();
    queue.close();
    expect(queue.isClosed).toBe(true);
    expect(manager.getLockStatus(name)?.state).toBe('closed');
    expect(await refusalCode(() => queue.push(1))).toBe('ERR_LOCK_QUEUE_CLOSED');
    expect(await refusalCode(() => queue.tryPush(1))).toBe('ERR_LOCK_QUEUE_CLOSED');
    expect(await refusalCode(queue.pushAsync(1))).toBe('ERR_LOCK_QUEUE_CLOSED');
    expect(queue.pop()).toBe('left');
    expect(await refusalCode(() => queue.pop())).toBe('ERR_LOCK_QUEUE_CLOSED');
    expect(await refusalCode(() => queue.tryPop())).toBe('ERR_LOCK_QUEUE_CLOSED');
    expect(await refusalCode(queue.popAsync())).toBe('ERR_LOCK_QUEUE_CLOSED');
  });

  test('in another thread ends all waits', async () => {
    const [closing, pushing] = await startThreads(2);
    const queue = open();
    queue.push(1);
    queue.push(2);
    const blocked = refusalCode(pushing!.do('onQueue', name, small, 'push', 3));
    const flow = refusalCode(queue.pushAsync(4));
    await untilBlocked(manager, name, 1);
    await closing!.do('onQueue', name, small, 'close');
    expect([await blocked, await flow]).toEqual(['ERR_LOCK_QUEUE_CLOSED', 'ERR_LOCK_QUEUE_CLOSED']);
    expect([...queue]).toEqual([1, 2]);
    name += ' of those who pop';
    const popping = refusalCode(pushing!.do('onQueue', name, small, 'pop'));
    const popFlow = refusalCode(open().popAsync());
    await untilBlocked(manager, name, 1);
    await closing!.do('onQueue', name, small, 'close');
    expect([await popping, await popFlow]).toEqual(['ERR_LOCK_QUEUE_CLOSED', 'ERR_LOCK_QUEUE_CLOSED']);
  });

  test('ends iterations, once all is popped', async () => {
    const queue = open<number>({ capacity: 8, maxItemBytes: 8 });
    for (const item of [1, 2, 3]) queue.push(item);
    const taken: number[] = [];
    const iterating = (async () => {
      for await (const item of queue) taken.push(item);
    })();
    await until('all are taken', () => taken.length === 3);
    queue.push(4);
    queue.close();
    await iterating;
    expect(taken).toEqual([1, 2, 3, 4]);
  });

  test('of the manager ends all waits, and what is called afterwards', async () => {
    const other = LockManager.create({ name: 'closing' });
    const queue = other.queue(name, small);
    const flow = refusalCode(queue.popAsync());
    await other.close();
    expect(await flow).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => queue.push(1))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(queue.pushAsync(1))).toBe('ERR_LOCK_CLOSED');
    expect(await refusalCode(() => queue.tryPop())).toBe('ERR_LOCK_CLOSED');
    expect(() => queue.close()).not.toThrow();
    expect(await refusalCode(() => other.queue(name, small))).toBe('ERR_LOCK_CLOSED');
  });
});

describe('a name', () => {
  test('is one queue in this thread', () => {
    expect(open()).toBe(open());
    expect(open()).toMatchObject({ name, kind: 'queue', capacity: 2, maxItemBytes: 64, length: 0, isClosed: false });
  });

  test.each([{ capacity: 3, maxItemBytes: 64 }, { capacity: 2, maxItemBytes: 65 }])('that is in use is refused with other parameters: %o', async (options) => {
    const [worker] = await startThreads(1);
    open().push(1);
    for (const attempt of [() => open(options), worker!.do('onQueue', name, options, 'tryPop')]) {
      const error = await refusal(attempt);
      expect(error.code).toBe('ERR_LOCK_KIND_MISMATCH');
      expect(error.message).toContain('queue { capacity: 2, maxItemBytes: 64 }');
    }
    expect(await refusalCode(() => manager.mutex(name))).toBe('ERR_LOCK_KIND_MISMATCH');
    expect(open().pop()).toBe(1);
  });

  test('may be as long as any other, and shows once', () => {
    name = `${name} ${'n'.repeat(254 - name.length)}`;
    open().push(1);
    expect(Object.keys(manager.getLockStatus()).filter((one) => one === name)).toEqual([name]);
    expect(Object.keys(manager.getStatistics())).toContain(name);
    expect(() => manager.queue(`${name}n`, small)).toThrow(/255 bytes/);
  });

  test('needs its parameters', () => {
    expect(() => manager.queue(name, {} as QueueOptions)).toThrow(/^capacity or maxItemBytes of "queue \d+" is missing/);
    expect(() => manager.queue(name, { capacity: 0, maxItemBytes: 1 })).toThrow(/^capacity must be a whole number from 1 to 16777216, not 0/);
    expect(() => manager.queue(name, { capacity: 1, maxItemBytes: 0.5 })).toThrow(/^maxItemBytes must be a whole number/);
  });

  test('whose queue does not fit is free again', async () => {
    await using other = LockManager.create({ name: 'small', capacity: { queueBytes: 4_096 } });
    const error = await refusal(() => other.queue(name, { capacity: 100, maxItemBytes: 64 }));
    expect(error).toMatchObject({ code: 'ERR_LOCK_REGISTRY_FULL', report: { neededBytes: 6_912, leftBytes: 4_096 } });
    expect(error.message).toContain('LockManager.create({ capacity: { queueBytes: 6912 } })');
    expect(other.stats.locks).toBe(0);
    other.queue(name, { capacity: 10, maxItemBytes: 64 }).push(1);
    other.queue('another', { capacity: 45, maxItemBytes: 64 }).push(2);
    expect(await refusalCode(() => other.queue('a third', small))).toBe('ERR_LOCK_REGISTRY_FULL');
    expect([other.queue(name, { capacity: 10, maxItemBytes: 64 }).pop(), other.queue('another', { capacity: 45, maxItemBytes: 64 }).pop()]).toEqual([1, 2]);
  });

  test('is made once by many threads at a time', async () => {
    const threads = await startThreads(6);
    const options = { capacity: 60, maxItemBytes: 40_000 };
    await Promise.all(threads.map((thread, i) => thread.do('onQueue', name, options, 'push', i)));
    expect([...Array(6)].map(() => open(options).pop()).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('many threads', () => {
  interface Party {
    readonly made: Int32Array;
    readonly seen: Int32Array;
    readonly faults: Int32Array;
    start(role: 'produce' | 'consume', form: string, producer?: number): ReturnType<typeof startWorker>;
  }

  function startParty(producers: number, count: number, options: QueueOptions): Party {
    const made = sharedWords(producers);
    const seen = sharedWords(producers * count);
    const faults = sharedWords(1);
    const start: Party['start'] = (role, form, producer) => {
      const worker = startWorker('queue-party.mjs', { workerData: { name, options, role, form, producer, count, made, seen, faults } });
      worker.on('error', () => Atomics.add(faults, 0, 1));
      return worker;
    };
    return { made, seen, faults, start };
  }

  const ended = (workers: readonly ReturnType<typeof startWorker>[]) => Promise.all(workers.map((worker) => once(worker, 'exit')));

  test.each([
    ['block', { capacity: 1, maxItemBytes: 64 }],
    ['block', { capacity: 8, maxItemBytes: 64 }],
    ['async', { capacity: 8, maxItemBytes: 64 }],
    ['mixed', { capacity: 3, maxItemBytes: 64 }],
  ] as const)('%s, %o: each item comes out once, and those of each in order', async (form, options) => {
    const count = 1_000;
    const party = startParty(4, count, options);
    const queue = open(options);
    const formOf = (i: number): string => (form === 'mixed' ? ['block', 'async', 'try', 'block'][i]! : form);
    const producers = [0, 1, 2, 3].map((i) => party.start('produce', formOf(i), i));
    const consumers = [0, 1, 2, 3].map((i) => party.start('consume', formOf(3 - i)));
    const consumed = ended(consumers);
    await ended(producers);
    queue.close();
    await consumed;
    expect(party.faults[0]).toBe(0);
    expect(party.seen.every((times) => times === 1)).toBe(true);
    expect(counts()).toMatchObject({ push: { totalAcquisitions: 4 * count }, pop: { totalAcquisitions: 4 * count } });
    expect(manager.getLockStatus(name)).toMatchObject({ waiters: [], items: { length: 0 } });
  }, 60_000);

  test('and a close() in the middle: what was pushed comes out, and what was refused does not', async () => {
    const options = { capacity: 2, maxItemBytes: 64 };
    for (let round = 0; round < 8; round++) {
      name = `${name} ${round}`;
      const count = 100_000;
      const party = startParty(2, count, options);
      const queue = open(options);
      const forms = round % 2 === 0 ? ['block', 'async'] : ['async', 'try'];
      const all = [0, 1].flatMap((i) => [party.start('produce', forms[i]!, i), party.start('consume', forms[1 - i]!)]);
      const over = ended(all);
      await until('all are at it', () => party.made.every((made) => made > 50));
      queue.close();
      await over;
      expect(party.faults[0]).toBe(0);
      for (const [i, made] of party.made.entries()) {
        const items = party.seen.subarray(i * count, (i + 1) * count);
        expect(made).toBeLessThan(count);
        expect(items.every((times, at) => times === (at < made ? 1 : 0))).toBe(true);
      }
      const { push, pop } = counts();
      expect(push.totalAcquisitions).toBe(pop.totalAcquisitions);
    }
  }, 60_000);

  test('of which some are killed: none but the own item of each is lost, none comes twice, and nobody is stuck', async () => {
    // So large that many die while they copy.
    const options = { capacity: 3, maxItemBytes: 65_536 };
    for (let round = 0; round < 10; round++) {
      name = `${name} ${round}`;
      const count = 100_000;
      const party = startParty(3, count, options);
      const queue = open(options);
      const forms = round % 2 === 0 ? ['block', 'async'] : ['async', 'block'];
      const producers = [0, 1, 2].map((i) => party.start('produce', forms[i % 2]!, i));
      const consumers = [0, 1, 2].map((i) => party.start('consume', forms[i % 2]!));
      const consumed = ended(consumers);
      await until('all are at it', () => party.made.every((made) => made > 100));
      const next = party.made[2]! + 200;
      await Promise.all([producers[0]!.terminate(), consumers[0]!.terminate()]);
      // The others go on.
      await until('the last one goes on', () => Atomics.load(party.made, 2) > next);
      await Promise.all([producers[1]!.terminate(), consumers[1]!.terminate()]);
      const after = Atomics.load(party.made, 2) + 200;
      await until('the last one still goes on', () => Atomics.load(party.made, 2) > after);
      await producers[2]!.terminate();
      queue.close();
      await consumed;
      expect(party.faults[0]).toBe(0);
      let lost = 0;
      for (const [i, made] of party.made.entries()) {
        const items = party.seen.subarray(i * count, (i + 1) * count);
        expect(items.every((times) => times <= 1)).toBe(true);
        lost += items.subarray(0, made).filter((times) => times === 0).length;
        // Pushed, and not yet said so when it died.
        expect(items.subarray(made + 1).every((times) => times === 0)).toBe(true);
      }
      expect(lost).toBeLessThanOrEqual(2);
      const { push, pop } = counts();
      expect(push.totalAcquisitions).toBe(pop.totalAcquisitions);
      expect(manager.getLockStatus(name)).toMatchObject({ waiters: [], items: { length: 0 } });
    }
  }, 120_000);
});

describe('a thread that dies before any of its operations', () => {
  /** Whether it had done before it came to that operation. */
  async function die(does: 'push' | 'pop', before: number): Promise<boolean> {
    const worker = startWorker('dying-at.mjs', { workerData: { name, options: small, does, before } });
    let isDone = false;
    worker.on('message', () => (isDone = true));
    await once(worker, 'exit');
    return isDone;
  }

  test('while it pushes has pushed its item or not, whoever waits', async () => {
    const queue = open();
    const outcomes = new Set<unknown>();
    for (let before = 1, isDone = false; !isDone; before++) {
      const waiting = queue.popAsync();
      isDone = await die('push', before);
      queue.push('of the living');
      const first = await waiting;
      outcomes.add(first);
      if (first === 'of the dying') expect(queue.tryPop()).toBe('of the living');
      expect(queue.tryPop()).toBeUndefined();
      const { push, pop } = counts();
      expect(push.totalAcquisitions).toBe(pop.totalAcquisitions);
    }
    expect([...outcomes]).toEqual(['of the living', 'of the dying']);
  }, 60_000);

  test('while it pops has taken one item or none, and makes room', async () => {
    const queue = open<number>();
    const outcomes = new Set<number>();
    for (let before = 1, isDone = false; !isDone; before++) {
      queue.push(1);
      queue.push(2);
      const waiting = queue.pushAsync(3);
      isDone = await die('pop', before);
      const taken = counts().pop.totalAcquisitions - 3 * (before - 1);
      outcomes.add(taken);
      if (taken === 0) expect(queue.pop()).toBe(1);
      await waiting;
      expect([queue.pop(), queue.pop(), queue.tryPop()]).toEqual([2, 3, undefined]);
      const { push, pop } = counts();
      expect([push.totalAcquisitions, pop.totalAcquisitions]).toEqual([3 * before, 3 * before]);
    }
    expect([...outcomes]).toEqual([0, 1]);
  }, 60_000);
});
