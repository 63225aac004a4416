import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import wabt from 'wabt';
import { LockManager } from 'holdfast';
import { slot } from '../native-layout/index.js';
import { ATOMICS_WASM } from '../src/shm/atomics-wasm.js';
import { createMemory, MEMORY_PAGES, PAGE, plainWords, wasmWords } from '../src/shm/atomics.js';
import type { SharedWords } from '../src/shm/words.js';
import { endThreads, pathOf, runProgram, sharedWords, Thread } from './harness/workers.js';

const source = readFileSync(new URL('../src/shm/atomics.wat', import.meta.url), 'utf8');
afterEach(endThreads);

describe('atomics.wat', () => {
  test('assembles to the bytes of atomics-wasm.ts', async () => {
    const { parseWat } = await wabt();
    const module = parseWat('atomics.wat', source, { threads: true });
    expect(Buffer.from(module.toBinary({}).buffer).toString('base64')).toBe(ATOMICS_WASM);
  });

  test('counts where the layout has the fencing token, contended acquisitions and wraps of reads', () => {
    const offsets = [...source.matchAll(/\boffset=(\d+)/g)].map(([, offset]) => Number(offset));
    const { word, token, contended, readWraps } = slot.fields;
    expect(offsets).toEqual([token, token, contended, contended, readWraps].map(({ at }) => at - word.at));
  });

  test('lets the memory grow as far as atomics.ts does', () => {
    expect(/\(memory (\d+) (\d+) shared\)/.exec(source)?.slice(1).map(Number)).toEqual([1, MEMORY_PAGES]);
  });
});

/** Both implementations, each on a memory of its own. */
function both(): { words: SharedWords; buffer: SharedArrayBuffer }[] {
  const memory = createMemory()!;
  const buffer = new SharedArrayBuffer(PAGE);
  return [
    { words: wasmWords(memory)!, buffer: memory.buffer },
    { words: plainWords(buffer), buffer },
  ];
}

describe('the two implementations', () => {
  const LINE = 64;
  const word = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer({ min: -3, max: 3 }), fc.integer());
  const at = fc.nat({ max: LINE / 4 - 1 }).map((i) => i * 4);
  const numberAt = fc.nat({ max: LINE / 8 - 1 }).map((i) => i * 8);
  const call = fc.oneof(
    fc.tuple(fc.constant('load'), at),
    fc.tuple(fc.constant('store'), at, word),
    fc.tuple(fc.constant('add'), at, word),
    fc.tuple(fc.constant('compareExchange'), at, word, word),
    fc.tuple(fc.constant('claim'), numberAt, word, word),
    fc.tuple(fc.constant('claimSpinning'), numberAt, word, word, fc.integer({ min: -1, max: 5 })),
    fc.tuple(fc.constant('stepThenLoad'), at, at),
    fc.tuple(fc.constant('loadNumber'), numberAt),
    fc.tuple(fc.constant('storeNumber'), numberAt, fc.double({ noNaN: true })),
    fc.tuple(fc.constant('notify'), at),
    fc.tuple(fc.constant('writeBytes'), at, fc.uint8Array({ maxLength: LINE })),
    fc.tuple(fc.constant('readBytes'), at, fc.nat({ max: LINE })),
  );

  test('give the same results and leave the same memory, whatever is asked of them', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (program) => {
        const [wasm, plain] = both().map(({ words, buffer }) => {
          const ask = words as unknown as Record<string, (...args: unknown[]) => unknown>;
          const results = program.map(([name, ...args]) => ask[name]!(...args));
          return { results, bytes: [...new Uint8Array(buffer, 0, 2 * LINE)] };
        });
        expect(wasm).toEqual(plain);
      }),
      { numRuns: 500 },
    );
  });

  test('sleep alike', async () => {
    for (const { words } of both()) {
      words.store(8, 5);
      expect(words.wait(8, 4, Infinity)).toBe('not-equal');
      expect(words.wait(8, 5, 0)).toBe('timed-out');
      expect(words.wait(8, 5, 1)).toBe('timed-out');
      expect(words.waitAsync(8, 4)).toBeUndefined();
    }
  });

  test('wake all who sleep on the word, and nobody else', async () => {
    for (const { words } of both()) {
      const woken: string[] = [];
      const waits = [words.waitAsync(8, 0)!.then(() => woken.push('first')), words.waitAsync(8, 0)!.then(() => woken.push('second'))];
      const other = words.waitAsync(12, 0)!.then(() => woken.push('other'));
      words.notify(8);
      await Promise.all(waits);
      expect(woken).toEqual(['first', 'second']);
      words.notify(12);
      await other;
    }
  });

  test('see each other on one memory', () => {
    const memory = createMemory()!;
    const [wasm, plain] = [wasmWords(memory)!, plainWords(memory.buffer)];
    expect(wasm.claim(64, 0, 7)).toBe(1);
    expect(plain.load(64)).toBe(7);
    expect(plain.claim(64, 7, 9)).toBe(2);
    expect([wasm.load(64), wasm.loadNumber(72)]).toEqual([9, 2]);
  });

  test('reach memory that was grown later, asleep and awake', () => {
    const memory = createMemory()!;
    const words = wasmWords(memory)!;
    const address = memory.grow(2) * PAGE + PAGE;
    words.store(address, 3);
    expect([words.load(address), words.wait(address, 3, 0), words.wait(address, 4, 0)]).toEqual([3, 'timed-out', 'not-equal']);
    words.writeBytes(address, Uint8Array.of(1, 2));
    const further = memory.grow(1) * PAGE;
    words.writeBytes(further, Uint8Array.of(3));
    expect([words.readBytes(address, 2), words.readBytes(further, 2)]).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3, 0)]);
  });
});

describe('locks work', () => {
  const preloads = { deleted: 'without-webassembly.mjs', 'refusing to compile': 'refusing-webassembly.mjs' };
  const expected = { counts: [8_000, 0, 0], code: 'ERR_LOCK_OWNER_DIED' };

  test('in a process with WebAssembly', async () => {
    const { stdout, stderr } = await runProgram('program-exclusion.mjs');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ ...expected, memory: 'Memory' });
  });

  test.each(Object.entries(preloads))('in a process with WebAssembly %s', async (_, preload) => {
    const { stdout, stderr } = await runProgram('program-exclusion.mjs', [], ['--import', pathOf(preload)]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ ...expected, memory: 'SharedArrayBuffer' });
  });

  test.each(Object.entries(preloads))('between threads with WebAssembly and threads with WebAssembly %s', async (_, preload) => {
    await using manager = LockManager.create({ name: preload });
    const execArgv = ['--import', pathOf(preload)];
    const threads = await Promise.all([undefined, execArgv, undefined, execArgv].map((argv) => Thread.start(argv && { execArgv: argv })));
    await Promise.all(threads.map((thread) => thread.do('attach', preload)));
    const shadow = sharedWords(4);
    const forms = ['lock', 'lock', 'acquireAsync', 'runAsync'] as const;
    await Promise.all(threads.map((thread, i) => thread.do('count', 'm', shadow, 2_000, forms[i]!, 4)));
    expect([...shadow.subarray(0, 3)]).toEqual([8_000, 0, 0]);
    expect(manager.getStatistics('m')?.locks.exclusive.totalAcquisitions).toBe(8_000);
  });

  test.each(Object.entries(preloads))('of several managers in a thread with WebAssembly %s, though memory grew between them', async (_, preload) => {
    const thread = await Thread.start({ execArgv: ['--import', pathOf(preload)] });
    const managers = ['first', 'second', 'third'].map((name) => LockManager.create({ name: `${name} ${preload}` }));
    for (const manager of managers) {
      await thread.do('attach', manager.share());
      await thread.do('acquire', 'm');
      expect(manager.mutex('m').tryAcquire()).toBeUndefined();
      await manager.close();
    }
  });

  test('beyond what one WebAssembly memory can hold', async () => {
    await using manager = LockManager.create({ name: 'huge', capacity: { locks: 20_000, agents: 7_000 } });
    expect(manager.share().memory).toBeInstanceOf(SharedArrayBuffer);
    const thread = await Thread.start();
    await thread.do('attach', 'huge');
    await thread.do('acquire', 'm');
    expect(manager.mutex('m').tryAcquire()).toBeUndefined();
  });
});
