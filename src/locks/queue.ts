import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import { LockError } from '../contract/errors.js';
import { now } from '../contract/clock.js';
import { TIMED_OUT } from '../raw/mutex.js';
import * as raw from '../raw/ring.js';
import { CancelInterrupt } from './cancel-token.js';
import { refuse, refuseCancelled } from './contended.js';
import { FlowQueue } from './flows.js';
import { type JsonValue, packItem, unpackItem } from './item.js';
import { countOf, optionsOf, signalOf, timeoutOf } from './options.js';
import { QueueProtocol } from './queue-protocol.js';
import { wouldBlockMain } from './queue-refusals.js';
import type { Site } from './site.js';

type Within = (...args: never[]) => unknown;

const MOST_ITEMS = 2 ** 24;
const MOST_BYTES = 2 ** 30 - 1;
const NOTHING = new Uint8Array(0);

/** What a queue is. All threads that open a name must agree on both. */
export interface QueueOptions {
  /** How many items there is room for: a whole number from 1 to 16,777,216. */
  readonly capacity: number;
  /** How many bytes an item may take, as it is or as JSON in UTF-8. About `capacity * maxItemBytes` bytes of the manager's `queueBytes` are reserved. */
  readonly maxItemBytes: number;
}

/** @internal Checks them. */
export function readQueueOptions(name: string, options: QueueOptions): QueueOptions {
  const { capacity, maxItemBytes } = optionsOf(options, 'options');
  if (capacity === undefined || maxItemBytes === undefined) throw new TypeError(`capacity or maxItemBytes of "${name}" is missing: how many items of which size shall there be room for?`);
  return { capacity: countOf(capacity, 1, 1, MOST_ITEMS, 'capacity'), maxItemBytes: countOf(maxItemBytes, 1, 1, MOST_BYTES, 'maxItemBytes') };
}

/** @internal One side of a queue in this thread. */
export interface QueueSide {
  readonly site: Site<raw.Parcel>;
  readonly protocol: QueueProtocol;
}

/**
 * Items that threads hand to each other: the first in is the first out, and there is room for so many.
 *
 * When to use: to give work to whichever worker is free, and to slow its makers down when they are faster than the workers. A
 * `MessagePort` has one receiver, knows no limit, and is not waited for without an event loop.
 *
 * Guarantees: each item is popped once, in the order in which they came in; so those of one thread keep their order, unless it pushes while a
 * `pushAsync` of its own still waits. A thread that dies while it pushes has pushed its item or not, and never half of it; one that dies
 * while it pops takes with it that item at most. Neither blocks the others. Who waits is not served in order of arrival: whoever looks
 * first takes. Items are copies: JSON values come out as `JSON.parse` makes them; a `Uint8Array` (or `Buffer`) comes out as a `Uint8Array`
 * with memory of its own.
 *
 * Blocking: `push` and `pop` block the calling thread while the queue is full, or empty; on the main thread they are refused then, unless the
 * manager was created with `blockingOnMain: 'allow'`. All other forms may be used on every thread. The time-out is that of the
 * manager for exclusive acquisitions, unless told; to iterate has none.
 *
 * Throws: `ERR_LOCK_QUEUE_CLOSED` once the queue is closed (of one who pops: and empty); `ERR_LOCK_TIMEOUT`, `ERR_LOCK_ABORTED`, `ERR_LOCK_CLOSED`,
 * `ERR_LOCK_WOULD_BLOCK_MAIN`. What is no item is refused with a `TypeError`, and what is too large with a `RangeError`; neither changes anything.
 *
 * @example
 * const jobs = manager.queue('jobs', { capacity: 64, maxItemBytes: 1024 });
 * jobs.push({ path: 'a.txt' });
 * const job = jobs.pop();
 */
export class Queue<Item = JsonValue | Uint8Array> {
  readonly name: string;
  readonly kind = 'queue';
  /** Items that there is room for. */
  readonly capacity: number;
  /** Bytes that an item may take. */
  readonly maxItemBytes: number;
  readonly #queue: { items: number; room: number; readonly ring: number };
  readonly #pushing: QueueSide;
  readonly #popping: QueueSide;
  readonly #pushes: FlowQueue<raw.Parcel>;
  readonly #pops: FlowQueue<raw.Parcel>;
  #isDetached = false;

  /** @internal From `manager.queue`. */
  constructor(place: raw.Queue, sideOf: (protocol: QueueProtocol, slotAddress: number) => Site<raw.Parcel>) {
    this.#queue = { ...place };
    const open = (side: number): QueueSide => {
      const protocol = new QueueProtocol(this.#queue, side);
      return { protocol, site: sideOf(protocol, raw.slotOf(place, side)) };
    };
    this.#pushing = open(raw.PUSH);
    this.#popping = open(raw.POP);
    this.#pushes = new FlowQueue(this.#pushing.site);
    this.#pops = new FlowQueue(this.#popping.site);
    const { name, words } = this.#popping.site;
    this.name = name;
    this.capacity = raw.capacityOf(words, place.ring);
    this.maxItemBytes = raw.itemBytesOf(words, place.ring);
  }

  /** Items at this moment. */
  get length(): number {
    return raw.lengthOf(this.#popping.site.words, this.#queue.ring);
  }

  /** Whether nothing is pushed any more. */
  get isClosed(): boolean {
    return raw.hasEnded(this.#popping.site.words, this.#queue.ring);
  }

  /**
   * Puts an item in; blocks the calling thread while there is no room.
   *
   * @throws RangeError if it takes more than `maxItemBytes`. TypeError if it is no JSON value.
   */
  push(item: Item, options?: AcquireOptions): void {
    this.#move(this.#pushing, this.#pack(item), options, this.push);
  }

  /** Takes the oldest item out; blocks the calling thread while there is none. */
  pop(options?: AcquireOptions): Item {
    const parcel = emptyParcel();
    this.#move(this.#popping, parcel, options, this.pop);
    return unpackItem(parcel) as Item;
  }

  /** Puts an item in if there is room. Never blocks. `false`: there is none. */
  tryPush(item: Item): boolean {
    return this.#tryMove(this.#pushing, this.#pack(item), this.tryPush);
  }

  /** Takes the oldest item out; `undefined` if there is none. Never blocks. */
  tryPop(): Item | undefined {
    const parcel = emptyParcel();
    return this.#tryMove(this.#popping, parcel, this.tryPop) ? (unpackItem(parcel) as Item) : undefined;
  }

  /** As {@link push}, without blocking the thread. Those of one thread that wait keep their order. The process stays alive meanwhile. */
  async pushAsync(item: Item, options?: AcquireAsyncOptions): Promise<void> {
    const parcel = this.#pack(item);
    // The caller may write to its own memory before there is room.
    if (!parcel.isJson) parcel.bytes = parcel.bytes.slice();
    await this.#moveAsync(this.#pushes, parcel, options, this.pushAsync);
  }

  /** As {@link pop}, without blocking the thread. The process stays alive meanwhile. */
  async popAsync(options?: AcquireAsyncOptions): Promise<Item> {
    const parcel = emptyParcel();
    await this.#moveAsync(this.#pops, parcel, options, this.popAsync);
    return unpackItem(parcel) as Item;
  }

  /** Nothing is pushed any more, in no thread; what is left can be popped. All who wait to push are refused, and all who wait to pop, once nothing is left. */
  close(): void {
    if (!this.#isDetached) raw.end(this.#popping.site.segment, this.#queue);
  }

  /** Pops until the queue is closed and empty; blocks the calling thread meanwhile, without a limit. */
  *[Symbol.iterator](): Generator<Item, void, undefined> {
    for (;;) {
      const parcel = emptyParcel();
      try {
        this.#move(this.#popping, parcel, ENDLESS, this.pop);
      } catch (error) {
        if (isEnd(error)) return;
        throw error;
      }
      yield unpackItem(parcel) as Item;
    }
  }

  /** Pops until the queue is closed and empty, without blocking the thread and without a limit. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const parcel = emptyParcel();
      try {
        await this.#moveAsync(this.#pops, parcel, ENDLESS, this.popAsync);
      } catch (error) {
        if (isEnd(error)) return;
        throw error;
      }
      yield unpackItem(parcel) as Item;
    }
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#isDetached = true;
    this.#queue.items = slot;
    this.#queue.room = slot;
    this.#pushes.close(slot);
    this.#pops.close(slot);
  }

  #pack(item: unknown): raw.Parcel {
    const parcel = packItem(item, this.name);
    if (parcel.bytes.length <= this.maxItemBytes) return parcel;
    throw new RangeError(`an item of "${this.name}" takes ${parcel.bytes.length} bytes${parcel.isJson ? ' as JSON' : ''}, and may take ${this.maxItemBytes} (maxItemBytes)`);
  }

  #tryMove({ site, protocol }: QueueSide, parcel: raw.Parcel, within: Within): boolean {
    const result = protocol.attempt(site, parcel);
    if (result !== raw.BUSY && result <= 0) throw refuse(site, result, 0, 0, undefined, within);
    return result > 0;
  }

  #move({ site, protocol }: QueueSide, parcel: raw.Parcel, options: AcquireOptions | undefined, within: Within): void {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    const limit = timeoutOf(timeoutMs, site.timeoutMs);
    // Also when it could be done at once: what is cancelled already is not begun.
    refuseCancelled(site, cancel, within);
    const atOnce = limit === 0 ? protocol.attempt(site, parcel) : protocol.attemptSpinning(site, parcel);
    if (atOnce > 0) return;
    const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
    if (atOnce !== raw.BUSY) throw refuse(site, atOnce, 0, limit, interrupt, within);
    if (limit === 0) throw refuse(site, TIMED_OUT, 0, limit, interrupt, within);
    if (!site.mayBlock) throw wouldBlockMain(site, this.#queue, protocol.side, within);
    const sinceMs = now();
    const result = protocol.acquireQueued(site, parcel, sinceMs, sinceMs + limit, interrupt);
    const nowMs = now();
    if (result <= 0) throw refuse(site, result, nowMs - sinceMs, limit, interrupt, within);
    protocol.noteWait(site, nowMs - sinceMs, nowMs, result);
  }

  async #moveAsync(flows: FlowQueue<raw.Parcel>, parcel: raw.Parcel, options: AcquireAsyncOptions | undefined, within: Within): Promise<void> {
    const { timeoutMs, signal } = optionsOf(options, 'options');
    await flows.acquire(timeoutOf(timeoutMs, this.#popping.site.timeoutMs), signalOf(signal), parcel, within);
  }
}

const ENDLESS = { timeoutMs: Infinity } as const;

function emptyParcel(): raw.Parcel {
  return { bytes: NOTHING, isJson: false };
}

function isEnd(error: unknown): boolean {
  return error instanceof LockError && error.code === 'ERR_LOCK_QUEUE_CLOSED';
}
