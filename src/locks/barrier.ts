import { breaks, CLOSED } from '../../native-layout/index.js';
import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import * as raw from '../raw/barrier.js';
import { BUSY, type Interrupt, INTERRUPTED, TIMED_OUT } from '../raw/mutex.js';
import { hasFlows } from '../raw/queue.js';
import { refuse } from './contended.js';
import { type FlowQueue, reasonOf } from './flows.js';
import { countOf, optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import { SignalProtocol } from './signal-protocol.js';
import { waitBlocking } from './signal-waits.js';
import type { Site } from './site.js';

type Within = (...args: never[]) => unknown;

/** As many as the layout has bits for. */
const MOST = 65_535;

/** The wish of one who has not arrived. Generations are multiples of a larger number. */
const ARRIVING = 1;

/** What a barrier is. All threads that open a name must agree on `parties`. */
export interface BarrierOptions {
  /** How many meet: a whole number from 1 to 65,535. */
  readonly parties: number;
  /** Default time-out of this handle, ms. Default: that of the manager for shared acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/** @internal Checks them. */
export function readBarrierOptions(name: string, options: BarrierOptions): BarrierOptions {
  const { parties, timeoutMs } = optionsOf(options, 'options');
  if (parties === undefined) throw new TypeError(`parties of "${name}" are missing: how many shall meet?`);
  return { parties: countOf(parties, 1, 1, MOST, 'parties'), timeoutMs };
}

/** @internal What `acquireContended` and `FlowQueue` do with a barrier; the wish of a flow is the generation in which it has arrived. */
export class BarrierProtocol extends SignalProtocol {
  attempt({ segment, slot, self }: Site, wish: number): number {
    return wish === ARRIVING ? raw.attempt(segment, slot) : raw.attemptForFlow(segment, slot, self, wish);
  }

  acquireQueued({ segment, slot, self }: Site, _wish: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    return raw.waitTogether(segment, slot, self, sinceMs, deadline, interrupt);
  }

  attemptForFlow({ segment, slot, self }: Site, wish: number): number {
    return raw.attemptForFlow(segment, slot, self, wish);
  }

  joinFlow(): void {
    // It has arrived before.
  }

  leaveFlow({ segment, slot, self }: Site, wish: number, outcome: number): boolean {
    if (outcome === TIMED_OUT) return raw.leaveForFlow(segment, slot, self, wish, breaks.timeout);
    return outcome !== INTERRUPTED || raw.leaveForFlow(segment, slot, self, wish, breaks.cancelled);
  }

  override withdrawFlows(site: Site): void {
    super.withdrawFlows(site);
    this.passOn(site);
  }

  override passOn({ segment, slot, self }: Site): void {
    if (!hasFlows(segment, slot, self)) raw.forgetFlows(segment, slot, self);
  }
}

/**
 * Where so many parties meet: each waits until all have come, and then all go on. Again and again.
 *
 * When to use: for work in phases, where no thread may begin the next before all have finished this one. To wait once, a latch is simpler.
 *
 * Guarantees: of those who meet all pass, or none. If one who waits times out, is cancelled or dies, the barrier breaks: all others who wait, and all
 * who come, get `ERR_LOCK_BARRIER_BROKEN`, which says who it was, until {@link reset}. A party that dies before it comes breaks nothing: the
 * others find that by their time-out. The flows of a thread are parties like any other.
 *
 * `timeoutMs: 0` passes if this is the last party to come, and breaks nothing else.
 *
 * Blocking: `wait` blocks the calling thread; on the main thread it is refused if it would have to wait, unless the manager was created with
 * `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: `ERR_LOCK_BARRIER_BROKEN`; to the one that gave up, `ERR_LOCK_TIMEOUT` or `ERR_LOCK_ABORTED`; `ERR_LOCK_CLOSED`,
 * `ERR_LOCK_WOULD_BLOCK_MAIN`.
 *
 * @example
 * const phase = manager.barrier('phase', { parties: 2 });
 * const [first, second] = await Promise.all([phase.waitAsync(), phase.waitAsync()]);
 * console.assert(first === 1 && second === 0);
 */
export class Barrier {
  readonly name: string;
  readonly kind = 'barrier';
  readonly parties: number;
  readonly #site: Site;
  readonly #flows: FlowQueue;

  /** @internal From `manager.barrier`. */
  constructor(site: Site, flows: FlowQueue, parties: number) {
    this.name = site.name;
    this.parties = parties;
    this.#site = site;
    this.#flows = flows;
  }

  /** How many have come and wait. */
  get waiting(): number {
    return raw.arrivedIn(raw.tallyOf(this.#site.segment, this.#site.slot));
  }

  get isBroken(): boolean {
    return raw.reasonIn(raw.tallyOf(this.#site.segment, this.#site.slot)) !== 0;
  }

  /**
   * Blocks until all parties have come.
   *
   * @returns how many came later: `parties - 1` to the first, 0 to the last, which may do what is to be done once for all.
   */
  wait(options?: AcquireOptions): number {
    return waitBlocking(this.#site, ARRIVING, options, this.wait) - 1;
  }

  /** The same without blocking the thread. */
  async waitAsync(options?: AcquireAsyncOptions): Promise<number> {
    const { timeoutMs, signal: given } = optionsOf(options, 'options');
    const site = this.#site;
    const limitMs = timeoutOf(timeoutMs, site.timeoutMs);
    const signal = signalOf(given);
    if (signal?.aborted) throw refuse(site, INTERRUPTED, 0, limitMs, reasonOf(signal), this.waitAsync);
    const arrived = limitMs === 0 ? this.#arriveLast() : this.#arrive();
    if (arrived <= 0) throw refuse(site, arrived === BUSY ? TIMED_OUT : arrived, 0, limitMs, undefined, this.waitAsync);
    if (arrived < this.parties) await this.#flows.acquire(limitMs, signal, raw.generationOfFlows(site.segment, site.slot, site.self), this.waitAsync);
    return this.parties - arrived;
  }

  /** Breaks the barrier for all who wait, and makes it whole for those who come. Does nothing if it is whole and nobody waits. */
  reset(): void {
    this.#checkOpen(this.reset);
    raw.reset(this.#site.segment, this.#site.slot, this.#site.self);
  }

  /** Breaks the barrier. */
  abort(): void {
    this.#checkOpen(this.abort);
    raw.abort(this.#site.segment, this.#site.slot, this.#site.self);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#site.slot = slot;
  }

  /** All parties, or an outcome. */
  #arriveLast(): number {
    const result = raw.attempt(this.#site.segment, this.#site.slot);
    return result === raw.LAST ? this.parties : result;
  }

  /** How many have come then, or an outcome. */
  #arrive(): number {
    for (;;) {
      const arrived = raw.arriveForFlow(this.#site.segment, this.#site.slot, this.#site.self);
      if (arrived !== raw.UNSETTLED) return arrived;
      // Their generation has ended, so they all leave.
      this.#flows.look();
    }
  }

  #checkOpen(within: Within): void {
    if (this.#site.words.load(this.#site.slot) & CLOSED) throw refusals.closed(this.#site, within);
  }
}
