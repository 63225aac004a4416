import { slot } from '../../native-layout/index.js';
import { ATOMICS_WASM } from './atomics-wasm.js';
import type { SharedWords } from './words.js';

const TOKEN = slot.fields.token.at - slot.fields.word.at;
const CONTENDED = slot.fields.contended.at - slot.fields.word.at;
const READ_WRAPS = slot.fields.readWraps.at - slot.fields.word.at;

/** Pages of 64 KiB that a shared memory may grow to; `atomics.wat` says the same. */
export const MEMORY_PAGES = 16384;
export const PAGE = 65536;

/** A memory to put segments in, or `undefined` where WebAssembly is not to be had. */
export function createMemory(): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: MEMORY_PAGES, shared: true });
  } catch {
    return undefined;
  }
}

/** The operations on a shared memory by WebAssembly, or `undefined` where it may not be compiled. */
export function wasmWords(memory: WebAssembly.Memory): SharedWords | undefined {
  let exports: Record<string, unknown>;
  try {
    const bytes = Uint8Array.from(atob(ATOMICS_WASM), (c) => c.charCodeAt(0));
    exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), { shm: { memory } }).exports;
  } catch {
    return undefined;
  }
  const fast = exports as unknown as Pick<SharedWords, 'load' | 'store' | 'add' | 'compareExchange' | 'claim' | 'claimSpinning' | 'stepThenLoad' | 'loadNumber' | 'storeNumber'>;
  let view = new Int32Array(memory.buffer);
  // The memory grows when another manager is created; older views stay valid for what they cover.
  const wordsAt = (at: number): Int32Array => (at >>> 2 < view.length ? view : (view = new Int32Array(memory.buffer)));
  const { load, store, add, compareExchange, claim, claimSpinning, stepThenLoad, loadNumber, storeNumber } = fast;
  return { load, store, add, compareExchange, claim, claimSpinning, stepThenLoad, loadNumber, storeNumber, ...copies(wordsAt), ...sleepers(wordsAt) };
}

/** The operations on any shared buffer by `Atomics`. */
export function plainWords(buffer: SharedArrayBuffer): SharedWords {
  const words = new Int32Array(buffer);
  const numbers = new Float64Array(buffer, 0, buffer.byteLength >>> 3);
  const claim = (at: number, expected: number, next: number): number =>
    Atomics.compareExchange(words, at >>> 2, expected, next) === expected ? (numbers[(at + TOKEN) >>> 3]! += 1) : 0;
  return {
    load: (at) => Atomics.load(words, at >>> 2),
    store: (at, value) => {
      Atomics.store(words, at >>> 2, value);
    },
    add: (at, value) => Atomics.add(words, at >>> 2, value),
    compareExchange: (at, expected, next) => Atomics.compareExchange(words, at >>> 2, expected, next),
    claim,
    claimSpinning: (at, busy, next, rounds) => {
      do {
        const value = Atomics.load(words, at >>> 2);
        const token = value & busy ? 0 : claim(at, value, value | next);
        if (token > 0) {
          numbers[(at + CONTENDED) >>> 3]! += 1;
          return token;
        }
      } while (--rounds > 0);
      return 0;
    },
    stepThenLoad: (at, lockAt) => {
      if (Atomics.add(words, at >>> 2, 1) === -1) Atomics.add(words, (lockAt + READ_WRAPS) >>> 2, 1);
      return Atomics.load(words, lockAt >>> 2);
    },
    loadNumber: (at) => numbers[at >>> 3]!,
    storeNumber: (at, value) => {
      numbers[at >>> 3] = value;
    },
    ...copies(() => words),
    ...sleepers(() => words),
  };
}

/** A word of a buffer that is no segment. */
export function loadWord(buffer: SharedArrayBuffer, at: number): number {
  return Atomics.load(new Int32Array(buffer), at >>> 2);
}

function copies(view: (at: number) => Int32Array): Pick<SharedWords, 'writeBytes' | 'readBytes'> {
  let bytes: Uint8Array = new Uint8Array(0);
  const bytesAt = (end: number): Uint8Array => (end <= bytes.length ? bytes : (bytes = new Uint8Array(view(end - 1).buffer)));
  return {
    writeBytes: (at, from) => {
      bytesAt(at + from.length).set(from, at);
    },
    // A view of shared memory makes its slices in memory of its own.
    readBytes: (at, length) => bytesAt(at + length).slice(at, at + length),
  };
}

function sleepers(view: (at: number) => Int32Array): Pick<SharedWords, 'wait' | 'waitAsync' | 'notify'> {
  return {
    wait: (at, expected, timeoutMs) => Atomics.wait(view(at), at >>> 2, expected, timeoutMs),
    waitAsync: (at, expected) => {
      const result = Atomics.waitAsync(view(at), at >>> 2, expected);
      return result.async ? result.value : undefined;
    },
    notify: (at) => {
      Atomics.notify(view(at), at >>> 2);
    },
  };
}
