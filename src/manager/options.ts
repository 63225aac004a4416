import type { Repair } from '../locks/mutex.js';

/** What `LockManager.create` decides for all threads. */
export interface ManagerOptions {
  /**
   * By this name `getLockManager(name)` finds it in this process. Omitted: `'default'`, or, while another manager has that name, none:
   * such a manager is reached by `share()` only.
   */
  readonly name?: string | undefined;
  /**
   * Default: 1,024 locks, 128 threads and 8 MiB for the items of all queues together. Memory that is not used costs address space only. A
   * queue takes two locks.
   */
  readonly capacity?: { readonly locks?: number | undefined; readonly agents?: number | undefined; readonly queueBytes?: number | undefined } | undefined;
  /** Default time-outs, ms: 10,000 for shared, 30,000 for exclusive, 60,000 for distributed acquisitions. */
  readonly timeouts?: { readonly sharedMs?: number | undefined; readonly exclusiveMs?: number | undefined; readonly distributedMs?: number | undefined } | undefined;
  /** What becomes of a lock whose owner dies; see `Mutex`. Default `'poison'`. */
  readonly ownerDeath?: 'poison' | 'release' | undefined;
  /** Whether blocking forms may wait on the main thread. Default `'refuse'`. */
  readonly blockingOnMain?: 'refuse' | 'allow' | undefined;
  /**
   * What becomes of a blocking wait that would close a cycle of threads that wait for each other. `'throw'` (default): `ERR_LOCK_DEADLOCK`
   * at once, in the thread that closes it. `'report'`, `'off'`: they wait, until a time-out; `detectDeadlocks()` finds them.
   */
  readonly deadlock?: 'throw' | 'report' | 'off' | undefined;
}

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

/** What another thread needs to attach: send it in `workerData` or a message. */
export interface SharedManager {
  readonly holdfast: 'manager';
  readonly name: string | undefined;
  readonly memory: object;
  readonly start: number;
}
