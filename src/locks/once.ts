import { slot } from '../../native-layout/index.js';
import type { AcquireAsyncOptions, AcquireOptions, OwnerDeath } from '../contract/lock.js';
import type { SharedWords } from '../shm/words.js';
import type { Mutex } from './mutex.js';
import { functionOf } from './options.js';

const DONE = slot.fields.done.at;

/**
 * Work that is done once, by whichever thread comes first.
 *
 * When to use: to fill shared memory, open a file or build an index before the first use, without deciding who does it.
 *
 * Guarantees: as soon as one call of the function has returned, no other begins. Until then one runs at a time and the others wait for it.
 * If it throws, its error goes to that caller only, and the next one runs its own. If its thread dies, the next one runs and is told of
 * the death: what the dead one had begun may be half done. It does not carry a result: that lies where all threads can see it.
 *
 * Blocking: `run` blocks the calling thread while another one runs; `runAsync` may be used on every thread. Once it is done neither waits.
 *
 * Throws: what the function throws, and what waiting for a lock can end with; see {@link Lock}.
 *
 * @example
 * manager.once('table').run(() => fillTable(shared));
 */
export class Once {
  readonly name: string;
  readonly kind = 'once';
  readonly #mutex: Mutex;
  readonly #words: SharedWords;
  #slot: number;

  /** @internal From `manager.once`. */
  constructor(mutex: Mutex, words: SharedWords, slotAddress: number) {
    this.name = mutex.name;
    this.#mutex = mutex;
    this.#words = words;
    this.#slot = slotAddress;
  }

  /** Whether some thread's function has returned. */
  get isDone(): boolean {
    return this.#words.load(this.#slot + DONE) !== 0;
  }

  /**
   * Runs `fn` unless that has been done, or waits until it is. `death`: that of a thread that died while it ran.
   *
   * @returns whether this very call has run it.
   * @throws LockError `ERR_LOCK_RECURSIVE` if `fn` itself gets here; `ERR_LOCK_ASYNC_BODY` if it returned a promise: it is not done then.
   */
  run(fn: (death: OwnerDeath | undefined) => void, options?: AcquireOptions): boolean {
    functionOf(fn, 'fn');
    if (this.isDone) return false;
    const finish = this.#finisher();
    let hasRun = false;
    this.#mutex.run(({ ownerDied }) => {
      if (this.isDone) return undefined;
      const result: unknown = fn(ownerDied);
      // The mutex refuses it.
      if (typeof (result as { then?: unknown } | undefined)?.then === 'function') return result;
      finish();
      hasRun = true;
      return undefined;
    }, options);
    return hasRun;
  }

  /** The same without blocking the thread; awaits what `fn` returns. */
  async runAsync(fn: (death: OwnerDeath | undefined) => void | Promise<void>, options?: AcquireAsyncOptions): Promise<boolean> {
    functionOf(fn, 'fn');
    if (this.isDone) return false;
    const finish = this.#finisher();
    return this.#mutex.runAsync(async ({ ownerDied }) => {
      if (this.isDone) return false;
      await fn(ownerDied);
      finish();
      return true;
    }, options);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#mutex.detach(slot);
    this.#slot = slot;
  }

  /** Of the slot as it is now: the thread may leave the segment before the function returns. */
  #finisher(): () => void {
    const at = this.#slot + DONE;
    return () => this.#words.store(at, 1);
  }
}
