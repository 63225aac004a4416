import { CLOSED } from '../../native-layout/index.js';
import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import * as raw from '../raw/gate.js';
import type { EventKind } from '../registry/kinds.js';
import type { FlowQueue } from './flows.js';
import * as refusals from './refusals.js';
import { waitBlocking, waitFlow } from './signal-waits.js';
import type { Site } from './site.js';

type Within = (...args: never[]) => unknown;

/** What an event is. All threads that open a name must agree on `autoReset`. */
export interface EventOptions {
  /** Whether each `set()` lets one waiter pass, not all. Default `false`. */
  readonly autoReset?: boolean | undefined;
  /** Default time-out of this handle, ms. Default: that of the manager for shared acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A flag that threads wait for.
 *
 * When to use: to let threads go on when something has been prepared, or, with `autoReset`, to hand out one piece of work to one thread. For data
 * under a mutex use a condition; to wait until several have finished, a latch.
 *
 * Guarantees: without `autoReset`, a set event lets everybody pass until it is reset; all who waited when it was set pass, also if it is reset at once.
 * With `autoReset`, each `set()` lets exactly one pass: the one who has waited longest, or the next to come if nobody waits; setting it again
 * before that does nothing. If a thread dies after it was chosen and before it went on, another is chosen. Whoever gives up a wait takes nothing
 * with it. The flows of one thread stand where the oldest of them does.
 *
 * Blocking: `wait` blocks the calling thread; on the main thread it is refused if it would have to wait, unless the manager was created with
 * `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: `ERR_LOCK_TIMEOUT`, `ERR_LOCK_ABORTED`, `ERR_LOCK_CLOSED`, `ERR_LOCK_WOULD_BLOCK_MAIN`.
 *
 * @example
 * const ready = manager.event('ready');
 * setImmediate(() => ready.set());
 * await ready.waitAsync();
 */
export class Event {
  readonly name: string;
  readonly kind = 'event';
  readonly autoReset: boolean;
  readonly #site: Site;
  readonly #flows: FlowQueue;

  /** @internal From `manager.event`. */
  constructor(site: Site, flows: FlowQueue, { autoReset }: Pick<EventKind, 'autoReset'>) {
    this.name = site.name;
    this.autoReset = autoReset;
    this.#site = site;
    this.#flows = flows;
  }

  /** Whether one who comes now would pass. */
  get isSet(): boolean {
    return raw.isSet(this.#site.segment, this.#site.slot);
  }

  /** Lets those pass who wait: all, or with `autoReset` one. Does nothing if it is set. */
  set(): void {
    this.#checkOpen(this.set);
    raw.set(this.#site.segment, this.#site.slot);
  }

  /** From now on those who come have to wait. */
  reset(): void {
    this.#checkOpen(this.reset);
    raw.reset(this.#site.segment, this.#site.slot);
  }

  /** Blocks until the event lets the calling thread pass. */
  wait(options?: AcquireOptions): void {
    waitBlocking(this.#site, raw.wishOf(this.#site.segment, this.#site.slot), options, this.wait);
  }

  /** The same without blocking the thread. */
  async waitAsync(options?: AcquireAsyncOptions): Promise<void> {
    await waitFlow(this.#site, this.#flows, raw.wishOf(this.#site.segment, this.#site.slot), options, this.waitAsync);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#site.slot = slot;
  }

  #checkOpen(within: Within): void {
    if (this.#site.words.load(this.#site.slot) & CLOSED) throw refusals.closed(this.#site, within);
  }
}
