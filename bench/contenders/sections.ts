/** Contenders that several threads share. */
import type { MutexOptions } from 'holdfast';
import { RAW, TICKETS } from './baselines.js';
import { FutexMutex, FutexTicketLock, RawMutex, SpinningFutexMutex } from './futex.js';
import { multithreadingMutex, v8Mutex, v8MutexFlags, webLocks } from './foreign.js';

/** Runs `body` under the lock; a promise is that of the end of the section. */
export type Enter = (body: () => void) => void | Promise<void>;

export interface SharedContender {
  readonly flags?: readonly string[];
  /** Whether `Enter` returns promises. */
  readonly isAsync?: boolean;
  /** In the main thread, before there are workers: what they need. `undefined`: this version of Node does not have it. */
  share(): Promise<object | undefined>;
  /** In a worker. */
  open(shared: object): Promise<Enter>;
  /** In the main thread, which must not block. */
  openAsync?(shared: object): Promise<(body: () => void) => Promise<void>>;
}

function enterBy(lock: { lock(): unknown; unlock(): void }): Enter {
  return (body) => {
    lock.lock();
    body();
    lock.unlock();
  };
}

function onMemory(Lock: new (memory: SharedArrayBuffer) => { lock(): void; unlock(): void }, bytes = 64): SharedContender {
  return {
    share: async () => new SharedArrayBuffer(bytes),
    open: async (shared) => enterBy(new Lock(shared as SharedArrayBuffer)),
  };
}

function holdfast(fairness: NonNullable<MutexOptions['fairness']>): SharedContender {
  const open = async () => (await import('holdfast')).getLockManager().mutex('shared', { fairness });
  return {
    // The workers find the manager by themselves.
    share: async () => open().then(() => ({})),
    open: async () => enterBy(await open()),
    openAsync: async () => {
      const lock = await open();
      return async (body) => {
        const guard = await lock.acquireAsync();
        body();
        guard.release();
      };
    },
  };
}

/** Of one permit, so that what is counted in the section is right. */
function semaphore(): SharedContender {
  const open = async () => (await import('holdfast')).getLockManager().semaphore('shared', { permits: 1 });
  return {
    share: async () => open().then(() => ({})),
    open: async () => {
      const permits = await open();
      return (body) => {
        const guard = permits.acquire();
        body();
        guard.release();
      };
    },
  };
}

export const sharedContenders: Readonly<Record<string, SharedContender>> = {
  [RAW]: {
    ...onMemory(RawMutex),
    openAsync: async (shared) => {
      const lock = new RawMutex(shared as SharedArrayBuffer);
      return async (body) => {
        await lock.lockAsync();
        body();
        lock.unlock();
      };
    },
  },
  'futex mutex': onMemory(FutexMutex),
  'futex mutex, spinning': onMemory(SpinningFutexMutex),
  [TICKETS]: onMemory(FutexTicketLock, FutexTicketLock.bytes),
  'holdfast eventual': holdfast('eventual'),
  'holdfast fifo': holdfast('fifo'),
  'holdfast semaphore': semaphore(),
  multithreading: {
    share: async () => new SharedArrayBuffer(4),
    open: async (shared) => {
      const lock = await multithreadingMutex(shared as SharedArrayBuffer);
      return (body) => {
        const guard = lock.blockingLock();
        body();
        guard.dispose();
      };
    },
  },
  'Web Locks': {
    isAsync: true,
    share: async () => webLocks() && {},
    open: async () => (body) => webLocks()!.request('shared', body),
    openAsync: async () => (body) => webLocks()!.request('shared', body),
  },
  'V8 Atomics.Mutex': {
    flags: v8MutexFlags,
    share: async () => {
      const V8 = v8Mutex();
      return V8 && new V8();
    },
    open: async (lock) => {
      const V8 = v8Mutex()!;
      return (body) => V8.lock(lock, body);
    },
  },
};
