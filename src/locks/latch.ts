import { CLOSED } from '../../native-layout/index.js';
import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import * as raw from '../raw/gate.js';
import type { FlowQueue } from './flows.js';
import { countOf, optionsOf } from './options.js';
import * as refusals from './refusals.js';
import { waitBlocking, waitFlow } from './signal-waits.js';
import type { Site } from './site.js';

/** As many as the layout has bits for. */
const MOST = 1_048_575;

/** What a latch is. All threads that open a name must agree on `count`. */
export interface LatchOptions {
  /** How often it must be counted down: a whole number from 0 to 1,048,575. */
  readonly count: number;
  /** Default time-out of this handle, ms. Default: that of the manager for shared acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/** @internal Checks them. */
export function readLatchOptions(name: string, options: LatchOptions): LatchOptions {
  const { count, timeoutMs } = optionsOf(options, 'options');
  if (count === undefined) throw new TypeError(`count of "${name}" is missing: how often shall it be counted down?`);
  return { count: countOf(count, 0, 0, MOST, 'count'), timeoutMs };
}

/**
 * Holds threads up until something has been done so many times. Open for good from then on.
 *
 * When to use: to wait until all parts of a work are done, whoever does them. To have threads meet again and again use a barrier.
 *
 * Guarantees: nobody passes before the count has come to 0; from then on everybody does. Counting needs no lock, and each count counts once. A
 * thread that dies counts nothing down: those who wait end by their time-out.
 *
 * Blocking: `wait` blocks the calling thread; on the main thread it is refused if it would have to wait, unless the manager was created with
 * `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: `ERR_LOCK_TIMEOUT`, `ERR_LOCK_ABORTED`, `ERR_LOCK_CLOSED`, `ERR_LOCK_WOULD_BLOCK_MAIN`, `ERR_LOCK_OVER_RELEASE`.
 *
 * @example
 * const loaded = manager.latch('loaded', { count: 2 });
 * loaded.countDown();
 * loaded.countDown();
 * await loaded.waitAsync();
 */
export class Latch {
  readonly name: string;
  readonly kind = 'latch';
  readonly #site: Site;
  readonly #flows: FlowQueue;

  /** @internal From `manager.latch`. */
  constructor(site: Site, flows: FlowQueue) {
    this.name = site.name;
    this.#site = site;
    this.#flows = flows;
  }

  /** What is still to be counted down; 0: it is open. */
  get count(): number {
    return raw.leftOf(this.#site.segment, this.#site.slot);
  }

  /**
   * Counts `n` down.
   *
   * @throws LockError `ERR_LOCK_OVER_RELEASE`, with nothing changed, if fewer are left.
   */
  countDown(n = 1): void {
    const amount = countOf(n, 1, 1, Number.MAX_SAFE_INTEGER, 'n');
    const { segment, slot, words } = this.#site;
    if (words.load(slot) & CLOSED) throw refusals.closed(this.#site, this.countDown);
    if (!raw.countDown(segment, slot, amount)) throw refusals.overCounted(this.#site, amount, this.countDown);
  }

  /** Blocks until the count is 0. */
  wait(options?: AcquireOptions): void {
    waitBlocking(this.#site, 0, options, this.wait);
  }

  /** The same without blocking the thread. */
  async waitAsync(options?: AcquireAsyncOptions): Promise<void> {
    await waitFlow(this.#site, this.#flows, 0, options, this.waitAsync);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#site.slot = slot;
  }
}
