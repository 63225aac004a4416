/** What a lock is; see `manager.mutex` and its siblings. */
export type LockKind = 'mutex' | 'once' | 'semaphore' | 'rwlock' | 'condition' | 'event' | 'latch' | 'barrier' | 'queue';

/** Whether a hold excludes all others, or only exclusive ones. */
export type LockMode = 'exclusive' | 'shared';

/** Ends blocking waits in other threads; made by `manager.cancelToken()`. A clone of one serves as well. */
export interface CancelSource {
  readonly words: SharedArrayBuffer;
}

/** What ends a blocking wait. */
export interface AcquireOptions {
  /**
   * How long to wait at most, in milliseconds. Omitted: the default of the lock, else of the manager. `0`: try once.
   * `Infinity`: no limit.
   */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait with `ERR_LOCK_ABORTED` when it is cancelled, from whichever thread. */
  readonly cancel?: CancelSource | undefined;
}

/** What ends an asynchronous wait. */
export interface AcquireAsyncOptions {
  /** As for the blocking form. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait with `ERR_LOCK_ABORTED` when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The end of a thread that held a lock. */
export interface OwnerDeath {
  /** `threadId` of the worker that died. */
  readonly threadId: number;
  /** When its death was noticed, ms since the epoch. */
  readonly at: number;
}

/** One hold of a lock. Give it back with `release()`, or let `using` do it. */
export interface Guard extends Disposable, AsyncDisposable {
  readonly lock: Lock;
  /** Whether this hold has not been released yet. */
  readonly held: boolean;
  /**
   * Grows with every exclusive acquisition of the lock, by whichever thread: a store that remembers the highest token it has
   * seen can refuse a holder that was overtaken.
   */
  readonly fencingToken: bigint;
  /** The previous owner died while it held; the data may be half-written. */
  readonly ownerDied?: OwnerDeath | undefined;
  /** Gives this hold back, and nothing else; the second call does nothing. */
  release(): void;
}

/** @internal Under this key a lock says by what `lockAll` sorts. Two copies of the package must agree on it. */
export const lockOrder: unique symbol = Symbol.for('holdfast.lockOrder');

/** The one interface of every lock, whatever it is made of. */
export interface Lock {
  readonly name: string;
  readonly kind: LockKind;
  readonly mode: LockMode;
  /**
   * @internal The same in every thread, for all handles and modes of one lock, and for no other lock. Those in shared memory begin
   * with `0`, all others with `1`. A lock that has none is known by its name and kind.
   */
  readonly [lockOrder]?: string | undefined;
  /**
   * Blocks the calling thread until the lock is its own.
   *
   * @throws LockError `ERR_LOCK_TIMEOUT`, `ERR_LOCK_ABORTED`, `ERR_LOCK_DEADLOCK`, `ERR_LOCK_RECURSIVE`, `ERR_LOCK_OWNER_DIED`, `ERR_LOCK_CLOSED`,
   * `ERR_LOCK_WOULD_BLOCK_MAIN` on the main thread if it would have to wait.
   */
  acquire(options?: AcquireOptions): Guard;
  /** Acquires if that is possible at once. Never blocks, on any thread. */
  tryAcquire(): Guard | undefined;
  /** Waits without blocking the thread. The process stays alive while it waits. */
  acquireAsync(options?: AcquireAsyncOptions): Promise<Guard>;
  /** Calls `fn` with the lock held; releases when it returns or throws. Not for functions that return a promise. */
  run<T>(fn: (guard: Guard) => T, options?: AcquireOptions): T;
  /** Awaits `fn` with the lock held; releases when its promise settles. */
  runAsync<T>(fn: (guard: Guard) => T | Promise<T>, options?: AcquireAsyncOptions): Promise<T>;
}
