import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, LockManager, type MutexOptions } from 'holdfast';
import { packName } from '../src/registry/names.js';
import { endThreads, ownerOf, refusal, refusalCode, sharedWords, startThreads, Thread } from './harness/workers.js';

const manager = getLockManager();
afterEach(endThreads);

/** The names 0 … n−1 with their numbers, each time in another order. */
function shuffled(n: number, seed: number): [string, number][] {
  const step = [1, 3, 7, 9, 11, 13, 17, 19][seed % 8]!;
  return Array.from({ length: n }, (_, i) => (i * step + seed * 37) % n).map((i) => [`name ${i}`, i]);
}

describe('eight workers that open a thousand names at once', () => {
  test('meet at one lock per name', async () => {
    await using own = LockManager.create({ name: 'race', capacity: { locks: 1_000 } });
    const workers = await startThreads(8);
    await Promise.all(workers.map((worker) => worker.do('attach', 'race')));
    const counters = sharedWords(1_000);
    const refused = await Promise.all(workers.map((worker, w) => worker.do('countNames', shuffled(1_000, w), counters)));
    expect(refused).toEqual(new Array(8).fill({}));
    expect([...counters]).toEqual(new Array(1_000).fill(8));
    const statistics = own.getStatistics();
    expect(Object.keys(statistics)).toHaveLength(1_000);
    for (const { locks } of Object.values(statistics)) expect(locks.exclusive.totalAcquisitions).toBe(8);
  });

  test('agree on which names found room where there is room for half of them', async () => {
    await using own = LockManager.create({ name: 'half', capacity: { locks: 500 } });
    const workers = await startThreads(8);
    await Promise.all(workers.map((worker) => worker.do('attach', 'half')));
    const counters = sharedWords(1_000);
    const refused = await Promise.all(workers.map((worker, w) => worker.do('countNames', shuffled(1_000, w), counters)));
    const made = Object.keys(own.getLockStatus());
    expect(made).toHaveLength(500);
    for (let i = 0; i < 1_000; i++) {
      const name = `name ${i}`;
      const isMade = made.includes(name);
      expect(counters[i], name).toBe(isMade ? 8 : 0);
      expect(refused.map((codes) => codes[name]), name).toEqual(new Array(8).fill(isMade ? undefined : 'ERR_LOCK_REGISTRY_FULL'));
    }
  });
});

describe('a full registry', () => {
  test('refuses one more name and says what to do', async () => {
    await using own = LockManager.create({ name: 'full', capacity: { locks: 4 } });
    for (let i = 0; i < 4; i++) own.mutex(`m${i}`);
    const error = await refusal(() => own.mutex('one more'));
    expect(error).toMatchObject({ code: 'ERR_LOCK_REGISTRY_FULL', report: { lock: 'one more', locks: 4 } });
    expect(error.message).toContain('capacity: { locks: 8 }');
  });

  test('has lost nothing: all its locks can be opened and used, in all threads', async () => {
    await using own = LockManager.create({ name: 'kept', capacity: { locks: 4 } });
    const held = Array.from({ length: 4 }, (_, i) => own.mutex(`m${i}`).acquire());
    await refusal(() => own.mutex('one more'));
    const worker = await Thread.start();
    await worker.do('attach', 'kept');
    expect(await refusalCode(worker.do('acquire', 'one more'))).toBe('ERR_LOCK_REGISTRY_FULL');
    for (let i = 0; i < 4; i++) expect(await worker.do('tryAcquire', `m${i}`)).toBeUndefined();
    for (const guard of held) guard.release();
    for (let i = 0; i < 4; i++) expect(await worker.do('tryAcquire', `m${i}`)).toBeDefined();
    expect(own.stats.locks).toBe(4);
  });

  test('that has room for one lock works', async () => {
    await using own = LockManager.create({ name: 'one', capacity: { locks: 1 } });
    own.mutex('only').run(() => {});
    expect(await refusalCode(() => own.mutex('other'))).toBe('ERR_LOCK_REGISTRY_FULL');
  });
});

describe('a name that is opened again', () => {
  const kinds: [MutexOptions, string][] = [
    [{}, "mutex { fairness: 'eventual', reentrant: false, ownerDeath: 'poison' }"],
    [{ fairness: 'fifo' }, "mutex { fairness: 'fifo', reentrant: false, ownerDeath: 'poison' }"],
    [{ reentrant: true }, "mutex { fairness: 'eventual', reentrant: true, ownerDeath: 'poison' }"],
    [{ ownerDeath: 'release' }, "mutex { fairness: 'eventual', reentrant: false, ownerDeath: 'release' }"],
  ];
  const pairs = kinds.flatMap((first, i) => kinds.filter((_, j) => j !== i).map((second) => [first, second] as const));

  test.each(pairs)('is refused as another kind: %j, then %j', async ([first, was], [second, wanted]) => {
    const name = `kind ${was} ${wanted}`;
    const mutex = manager.mutex(name, first);
    const error = await refusal(() => manager.mutex(name, second));
    expect(error).toMatchObject({ code: 'ERR_LOCK_KIND_MISMATCH', report: { lock: name } });
    expect(error.message).toContain(`is already a ${was}, not a ${wanted}`);
    mutex.run(() => {});
  });

  test('is refused as another kind in another thread', async () => {
    const worker = await Thread.start();
    await worker.do('open', 'kind/thread', { reentrant: true });
    expect(await refusalCode(() => manager.mutex('kind/thread'))).toBe('ERR_LOCK_KIND_MISMATCH');
    manager.mutex('kind/other', { fairness: 'fifo' });
    expect(await refusalCode(worker.do('acquire', 'kind/other'))).toBe('ERR_LOCK_KIND_MISMATCH');
  });

  test('may have another time-out and another repair, and parameters that are the defaults', async () => {
    manager.mutex('kind/same').lock();
    const options = { fairness: 'eventual', reentrant: false, ownerDeath: 'poison', timeoutMs: 3, repair: () => {} } as const;
    expect(manager.mutex('kind/same', options).tryAcquire()).toBeUndefined();
  });
});

describe('a name', () => {
  const telling = ['a', 'A', ' a', 'a ', 'a\0', 'a\0b', '\0', '\ufeffa', '\ufeff', 'é', 'e\u0301', '🔒', '🔒🔓', '日本語', '__proto__', 'constructor', 'toString', '0', 'x'.repeat(255), '🔒'.repeat(63), 'é'.repeat(127)];

  test.each(telling)('%j is a lock of its own, in all threads', async (name) => {
    const mutex = manager.mutex(name);
    const worker = await Thread.start();
    expect(await worker.do('tryAcquire', name)).toBeDefined();
    expect(mutex.tryAcquire()).toBeUndefined();
    for (const other of telling) if (other !== name) expect(ownerOf(manager, other), JSON.stringify(other)).toBeUndefined();
    expect(manager.getLockStatus(name)).toMatchObject({ name, state: 'held' });
    expect(Object.keys(manager.getLockStatus())).toContain(name);
  });

  test.each([1, 2, 3, 4, 5, 47, 48, 49, 51, 52, 53, 100, 254, 255])('of %i bytes is told from one that differs in its last byte', (length) => {
    const start = 'n'.repeat(length - 1);
    manager.mutex(`${start}1`).lock();
    expect(manager.mutex(`${start}2`).tryAcquire()).toBeDefined();
    expect(manager.mutex(`${start}1`).tryAcquire()).toBeUndefined();
  });

  test.each(['x'.repeat(256), '🔒'.repeat(64), 'é'.repeat(128), 'x'.repeat(10_000)])('of more than 255 bytes is refused', (name) => {
    expect(() => manager.mutex(name)).toThrow(TypeError);
    expect(() => manager.mutex(name)).toThrow(/^a lock name may take 255 bytes of UTF-8; ".*" takes \d+/);
  });

  test.each(['\ud800', 'a\udc00b', '\udc00\ud800'])('with a lone surrogate is refused: %j', (name) => {
    expect(() => manager.mutex(name)).toThrow(/^a lock name must be well-formed Unicode/);
  });

  test.each([undefined, null, 5, {}, Symbol('m'), ['a'], new String('a')])('may not be %o', (name) => {
    expect(() => manager.mutex(name as string)).toThrow(/^a lock name must be a string, not /);
    expect(() => manager.mutex(name as string, {})).toThrow(TypeError);
  });

  test('may not be empty', () => {
    expect(() => manager.mutex('')).toThrow(/^a lock name must not be empty/);
  });

  test('whatever it is, is found again and is no other', async () => {
    await using own = LockManager.create({ name: 'any', capacity: { locks: 20_000 } });
    const wellFormed = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
    const made = new Set<string>();
    fc.assert(
      fc.property(fc.uniqueArray(wellFormed, { maxLength: 20 }), (batch) => {
        for (const name of batch) if (!made.has(name)) own.mutex(name).lock();
        for (const name of batch) {
          made.add(name);
          expect(own.getStatistics(name)?.locks.exclusive.totalAcquisitions).toBe(1);
        }
      }),
    );
    expect(new Set(Object.keys(own.getLockStatus()))).toEqual(made);
  });
});

describe('names whose hashes collide', () => {
  /** Groups of names that have something in common. */
  function groups(count: number, common: (hash: number) => number): string[][] {
    const found = new Map<number, string[]>();
    for (let i = 0; i < count; i++) {
      const name = `lock ${i * i}`;
      const key = common(packName(name).hash);
      found.set(key, [...(found.get(key) ?? []), name]);
    }
    return [...found.values()].filter((group) => group.length > 1);
  }

  test('in all bits are locks of their own', () => {
    const pairs = groups(200_000, (hash) => hash);
    expect(pairs.length).toBeGreaterThan(0);
    for (const [one, other] of pairs) {
      manager.mutex(one!).lock();
      expect(manager.mutex(other!).tryAcquire()).toBeDefined();
      expect(manager.mutex(one!).tryAcquire()).toBeUndefined();
    }
  });

  test('in the bits that choose the cell fill a small index to the last slot', async () => {
    await using own = LockManager.create({ name: 'cells', capacity: { locks: 12 } });
    const [names] = groups(2_000, (hash) => hash & 31).filter((group) => group.length > 12);
    for (const name of names!.slice(0, 12)) own.mutex(name).lock();
    expect(await refusalCode(() => own.mutex(names![12]!))).toBe('ERR_LOCK_REGISTRY_FULL');
    for (const name of names!.slice(0, 12)) expect(own.getLockStatus(name)).toMatchObject({ name, state: 'held' });
    expect(own.getLockStatus(names![12]!)).toBeUndefined();
  });

  test('are told apart by eight workers that make them at once', async () => {
    await using own = LockManager.create({ name: 'cells-race', capacity: { locks: 48 } });
    const [names] = groups(20_000, (hash) => hash & 127).filter((group) => group.length >= 48);
    const all = names!.slice(0, 48).map((name, i) => [name, i] as const);
    const workers = await startThreads(8);
    await Promise.all(workers.map((worker) => worker.do('attach', 'cells-race')));
    const counters = sharedWords(48);
    await Promise.all(workers.map((worker, w) => worker.do('countNames', w % 2 ? all : all.toReversed(), counters)));
    expect([...counters]).toEqual(new Array(48).fill(8));
    expect(own.stats.locks).toBe(48);
  });
});
