/** Contenders that one thread acquires and releases while nobody else wants them. */
import { createRequire } from 'node:module';
import { Sema } from 'async-sema';
import AsyncLock from 'async-lock';
import AwaitLock from 'await-lock';
import mutexify from 'mutexify/promise.js';
import type { Mutex } from 'holdfast';
import { PAIR, WASM_PAIR } from './baselines.js';
import { FutexMutex } from './futex.js';
import { multithreadingMutex, v8Mutex, v8MutexFlags, webLocks } from './foreign.js';

// Its CommonJS build is several times as fast as its ES module.
const { Mutex: AsyncMutex } = createRequire(import.meta.url)('async-mutex') as typeof import('async-mutex');

/** Does it `count` times. */
export type Batch = ((count: number) => void) | ((count: number) => Promise<void>);

export interface PairContender {
  readonly flags?: readonly string[];
  /** `undefined`: this version of Node does not have it. */
  open(): Promise<Batch | undefined>;
}

/** Imported late, so that a contender may change the process first. */
async function mutex(name: string, options?: Parameters<typeof import('holdfast').LockManager.prototype.mutex>[1]): Promise<Mutex> {
  const { getLockManager } = await import('holdfast');
  return getLockManager().mutex(name, options);
}

function lockBatch(lock: { lock(): unknown; unlock(): void }): Batch {
  return (count) => {
    for (let i = 0; i < count; i++) {
      lock.lock();
      lock.unlock();
    }
  };
}

const REGISTERED = 10_000;

/** Opens a name that exists, with so many names present. */
async function openBatch(names: number, options?: object): Promise<Batch> {
  const { LockManager } = await import('holdfast');
  const manager = LockManager.create({ name: 'registry', capacity: { locks: REGISTERED } });
  for (let i = 0; i < names; i++) manager.mutex(`lock-${i}`);
  const name = `lock-${names >>> 1}`;
  return (count) => {
    for (let i = 0; i < count; i++) manager.mutex(name, options);
  };
}

const nothing = (): void => {};

async function wasmPair(): Promise<{ compareExchange(at: number, expected: number, next: number): number; exchange(at: number, next: number): number }> {
  const { default: wabt } = await import('wabt');
  const { parseWat } = await wabt();
  const { buffer } = parseWat(
    'pair.wat',
    `(module
      (memory 1 1 shared)
      (func (export "compareExchange") (param i32 i32 i32) (result i32) (i32.atomic.rmw.cmpxchg (local.get 0) (local.get 1) (local.get 2)))
      (func (export "exchange") (param i32 i32) (result i32) (i32.atomic.rmw.xchg (local.get 0) (local.get 1))))`,
    { threads: true },
  ).toBinary({});
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(buffer), {});
  return exports as unknown as Awaited<ReturnType<typeof wasmPair>>;
}


export const pairs: Readonly<Record<string, PairContender>> = {
  [PAIR]: {
    open: async () => {
      const word = new Int32Array(new SharedArrayBuffer(4));
      return (count) => {
        for (let i = 0; i < count; i++) {
          Atomics.compareExchange(word, 0, 0, 1);
          Atomics.exchange(word, 0, 0);
        }
      };
    },
  },
  [WASM_PAIR]: {
    open: async () => {
      const { compareExchange, exchange } = await wasmPair();
      return (count) => {
        for (let i = 0; i < count; i++) {
          compareExchange(0, 0, 1);
          exchange(0, 0);
        }
      };
    },
  },
  'futex mutex': { open: async () => lockBatch(new FutexMutex(new SharedArrayBuffer(4))) },
  'holdfast lock': { open: async () => lockBatch(await mutex('lock')) },
  'holdfast run': {
    open: async () => {
      const lock = await mutex('run');
      return (count) => {
        for (let i = 0; i < count; i++) lock.run(nothing);
      };
    },
  },
  'holdfast run, fresh closure': {
    open: async () => {
      const lock = await mutex('closure');
      let sum = 0;
      return (count) => {
        for (let i = 0; i < count; i++) lock.run(() => (sum += i));
      };
    },
  },
  'holdfast acquire': {
    open: async () => {
      const lock = await mutex('guard');
      return (count) => {
        for (let i = 0; i < count; i++) lock.acquire().release();
      };
    },
  },
  'holdfast tryAcquire': {
    open: async () => {
      const lock = await mutex('try');
      return (count) => {
        for (let i = 0; i < count; i++) lock.tryAcquire()!.release();
      };
    },
  },
  'holdfast semaphore acquire': {
    open: async () => {
      const { getLockManager } = await import('holdfast');
      const semaphore = getLockManager().semaphore('permits', { permits: 4 });
      return (count) => {
        for (let i = 0; i < count; i++) semaphore.acquire().release();
      };
    },
  },
  'holdfast lock, reentrant inner': {
    open: async () => {
      const lock = await mutex('reentrant', { reentrant: true });
      lock.lock();
      return lockBatch(lock);
    },
  },
  'holdfast lock, fifo': { open: async () => lockBatch(await mutex('fifo', { fairness: 'fifo' })) },
  'holdfast lock, plain Atomics': {
    open: async () => {
      Reflect.deleteProperty(globalThis, 'WebAssembly');
      return lockBatch(await mutex('plain'));
    },
  },
  'holdfast lock, second manager': {
    open: async () => {
      const { LockManager } = await import('holdfast');
      const first = await mutex('first');
      const second = LockManager.create({ name: 'second' }).mutex('second');
      const warm = lockBatch(second);
      await warm(10_000);
      return lockBatch(first);
    },
  },
  'holdfast acquireAsync': {
    open: async () => {
      const lock = await mutex('async');
      return async (count: number) => {
        for (let i = 0; i < count; i++) (await lock.acquireAsync()).release();
      };
    },
  },
  'async-mutex acquire': {
    open: async () => {
      const lock = new AsyncMutex();
      return async (count: number) => {
        for (let i = 0; i < count; i++) (await lock.acquire())();
      };
    },
  },
  'async-mutex runExclusive': {
    open: async () => {
      const lock = new AsyncMutex();
      return async (count: number) => {
        for (let i = 0; i < count; i++) await lock.runExclusive(nothing);
      };
    },
  },
  'async-lock': {
    open: async () => {
      const lock = new AsyncLock();
      return async (count: number) => {
        for (let i = 0; i < count; i++) await lock.acquire('key', nothing);
      };
    },
  },
  'await-lock': {
    open: async () => {
      const lock = new AwaitLock();
      return async (count: number) => {
        for (let i = 0; i < count; i++) {
          await lock.acquireAsync();
          lock.release();
        }
      };
    },
  },
  'async-sema': {
    open: async () => {
      const lock = new Sema(1);
      return async (count: number) => {
        for (let i = 0; i < count; i++) {
          await lock.acquire();
          lock.release();
        }
      };
    },
  },
  mutexify: {
    open: async () => {
      const lock = mutexify();
      return async (count: number) => {
        for (let i = 0; i < count; i++) (await lock())();
      };
    },
  },
  multithreading: {
    open: async () => {
      const lock = await multithreadingMutex(new SharedArrayBuffer(4));
      return (count) => {
        for (let i = 0; i < count; i++) lock.blockingLock().dispose();
      };
    },
  },
  'Web Locks': {
    open: async () => {
      const locks = webLocks();
      if (locks === undefined) return undefined;
      return async (count: number) => {
        for (let i = 0; i < count; i++) await locks.request('lock', nothing);
      };
    },
  },
  'V8 Atomics.Mutex': {
    flags: v8MutexFlags,
    open: async () => {
      const V8 = v8Mutex();
      if (V8 === undefined) return undefined;
      const lock = new V8();
      return (count) => {
        for (let i = 0; i < count; i++) V8.lock(lock, nothing);
      };
    },
  },
};

/** The thread has the name open already. */
export const openings: Readonly<Record<string, PairContender>> = {
  '1 name': { open: () => openBatch(1) },
  '10,000 names': { open: () => openBatch(REGISTERED) },
};

/** With options the registry in shared memory is asked each time. */
export const lookups: Readonly<Record<string, PairContender>> = {
  '1 name, with options': { open: () => openBatch(1, {}) },
  '10,000 names, with options': { open: () => openBatch(REGISTERED, {}) },
};
