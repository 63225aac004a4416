import type { Repair } from '../locks/mutex.js';

/** What a mutex is. All threads that open a name must agree on `fairness`, `reentrant` and `ownerDeath`. */
export interface MutexOptions {
  /**
   * `'eventual'` (default): a released lock goes to whoever takes it first, and is handed over to a waiter that was passed over
   * for too long. `'fifo'`: handed over in order of arrival; slower by far under contention. Event loops compete in either case.
   */
  readonly fairness?: 'eventual' | 'fifo' | undefined;
  /** Whether a thread may take again what it holds by a blocking call. Asynchronous holds are never reentrant. Default `false`. */
  readonly reentrant?: boolean | undefined;
  /** What becomes of the lock when its owner dies; see `Mutex`. Default: that of the manager. */
  readonly ownerDeath?: 'poison' | 'release' | undefined;
  /**
   * Mends the data after the death of an owner, under the lock, in the next thread that acquires by this handle.
   * Must not be asynchronous.
   */
  readonly repair?: Repair | undefined;
  /** Default time-out of this handle, ms. */
  readonly timeoutMs?: number | undefined;
}

/** How a thread waits for work that is done once. */
export interface OnceOptions {
  /** Default time-out of this handle, ms. */
  readonly timeoutMs?: number | undefined;
}
