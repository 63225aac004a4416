import { type AcquireAsyncOptions, type AcquireOptions, type Guard, type Lock, lockOrder } from '../contract/lock.js';
import type { Interrupt } from '../raw/mutex.js';
import * as raw from '../raw/semaphore.js';
import { slotAt } from '../shm/segment.js';
import { runBody } from './body.js';
import { CancelInterrupt } from './cancel-token.js';
import { acquireContended, refuseCancelled } from './contended.js';
import type { FlowQueue } from './flows.js';
import { countOf, functionOf, optionsOf, signalOf, timeoutOf } from './options.js';
import type { Protocol } from './protocol.js';
import * as refusals from './refusals.js';
import { orderOf, type Site } from './site.js';
import { noteWait } from './waits.js';

type Within = (...args: never[]) => unknown;

/** As many as the layout has bits for. */
const MOST_PERMITS = 65_535;

/** What a semaphore is. All threads that open a name must agree on `permits`. */
export interface SemaphoreOptions {
  /** How many there are in all: a whole number from 1 to 65,535. */
  readonly permits: number;
  /** Default time-out of this handle, ms. Default: that of the manager for shared acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/** How many permits to acquire. */
export interface PermitCount {
  /** A whole number from 1 to all that the semaphore has. Default 1. */
  readonly permits?: number | undefined;
}

/** What ends a blocking wait for permits, and how many there shall be. */
export interface PermitOptions extends AcquireOptions, PermitCount {}

/** What ends an asynchronous wait for permits, and how many there shall be. */
export interface PermitAsyncOptions extends AcquireAsyncOptions, PermitCount {}

/** @internal What `acquireContended` and `FlowQueue` do with a semaphore. */
export class SemaphoreProtocol implements Protocol {
  #heldBack: 'no' | 'now' | 'for long' = 'no';

  attempt({ segment, slot, self }: Site, permits: number): number {
    return raw.attempt(segment, slot, self, permits, raw.AT_ONCE);
  }

  attemptAtOnce(site: Site, permits: number): number {
    return this.attempt(site, permits);
  }

  attemptSpinning({ segment, slot, self }: Site, permits: number): number {
    return raw.attemptSpinning(segment, slot, self, permits);
  }

  acquireQueued({ segment, slot, self }: Site, permits: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    return raw.acquireQueued(segment, slot, self, permits, sinceMs, deadline, interrupt);
  }

  attemptForFlow({ segment, slot, self }: Site, permits: number): number {
    const result = raw.attemptForFlow(segment, slot, self, permits, this.#heldBack === 'for long' ? raw.PAST_FLOWS : raw.IN_TURN);
    if (!raw.isHeldBack(result)) {
      this.#heldBack = 'no';
      return result;
    }
    if (this.#heldBack === 'no') this.#heldBack = 'now';
    return raw.BUSY;
  }

  withdrawFlows({ segment, slot, self }: Site): void {
    raw.withdrawFlows(segment, slot, self);
  }

  passOn({ segment, slot }: Site): void {
    raw.passOn(segment, slot);
  }

  countFlow(): void {
    // The agent's cell says how many permits it holds.
  }

  noteWait({ segment, words, slot, self }: Site, waitedMs: number, nowMs: number, token: number): void {
    if (!raw.beginSection(segment, slot, self)) return;
    noteWait(words, slot, waitedMs, nowMs, token);
    raw.endSection(segment, slot, self);
  }

  patrol({ segment, slot, self }: Site): void {
    // Whoever is before has had from one patrol to the next.
    if (this.#heldBack === 'now') this.#heldBack = 'for long';
    segment.patrol(raw.nextSuspect(segment, slot, self));
  }
}

/** @internal Checks them. */
export function readSemaphoreOptions(name: string, options: SemaphoreOptions): SemaphoreOptions {
  const { permits, timeoutMs } = optionsOf(options, 'options');
  if (permits === undefined) throw new TypeError(`permits of "${name}" are missing: how many shall there be?`);
  return { permits: countOf(permits, 1, 1, MOST_PERMITS, 'permits'), timeoutMs };
}

// What a guard may do with its semaphore and nobody else; set by the class below.
let giveBack: (lock: Semaphore, permits: number, within: Within) => void;

/** Some permits of a {@link Semaphore}. */
export class SemaphoreGuard implements Guard {
  readonly lock: Semaphore;
  /** How many it holds until it is released. */
  readonly permits: number;
  readonly #token: number;
  #held = true;

  /** @internal Guards come from acquiring. */
  constructor(lock: Semaphore, permits: number, token: number) {
    this.lock = lock;
    this.permits = permits;
    this.#token = token;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Grows with every acquisition of the semaphore, by whichever thread. */
  get fencingToken(): bigint {
    return BigInt(this.#token);
  }

  /** Gives exactly these permits back; the second call does nothing. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    giveBack(this.lock, this.permits, this.release);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

/**
 * A number of permits that all threads share: so many holders at a time, or fewer that take several.
 *
 * When to use: to bound how many do something at once, whichever threads they are in. With one permit it is like a `Mutex`, but anybody
 * may hold it again and again, and the death of a holder leaves no trace: where data is protected, use the mutex.
 *
 * Guarantees: the permits held are never more than `permits`. Whoever waits is served in the order of arrival, so a request for many
 * is not passed by those for few; an acquisition that finds others waiting joins them. Only event loops that do not
 * get to take what is theirs are passed, after a moment. If a thread ends in any way, all its permits are given back, exactly, and
 * nobody is told. Whoever gives up a wait leaves nothing behind. Releasing never waits for anything.
 *
 * A thread may hold several guards at once. A blocking acquisition that could never be served, because the thread itself holds too much, is
 * refused with `ERR_LOCK_RECURSIVE`. Permits go back by the guard only, in the thread that acquired, so none can be released twice.
 *
 * Blocking: `acquire` and `run` block the calling thread; on the main thread they are refused if they would have to wait, unless the
 * manager was created with `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: see {@link Lock}; and a `TypeError` if more permits are asked for than there are.
 *
 * @example
 * const sockets = manager.semaphore('sockets', { permits: 4 });
 * sockets.run(() => { balance[0] += 1; });
 * const guard = sockets.acquire({ permits: 3 });
 * guard.release();
 */
export class Semaphore implements Lock {
  readonly name: string;
  readonly kind = 'semaphore';
  readonly mode = 'shared';
  /** How many there are in all. */
  readonly permits: number;
  readonly #site: Site;
  readonly #flows: FlowQueue;
  #isDetached = false;

  static {
    giveBack = (lock, permits, within) => lock.#giveBack(permits, within);
  }

  /** @internal Locks come from `manager.semaphore`. */
  constructor(site: Site, flows: FlowQueue, permits: number) {
    this.name = site.name;
    this.permits = permits;
    this.#site = site;
    this.#flows = flows;
  }

  /** @internal */
  get [lockOrder](): string {
    return orderOf(this.#site);
  }

  /** Permits that nobody holds at this moment. Others may wait for them, or be about to take them. */
  get available(): number {
    const { segment, slotNumber } = this.#site;
    return Math.max(0, raw.freePermits(segment, slotAt(segment, slotNumber)));
  }

  acquire(options?: PermitOptions): SemaphoreGuard {
    const permits = options === undefined ? 1 : this.#check(options, this.acquire);
    const { segment, slot, self } = this.#site;
    const token = raw.tryAcquire(segment, slot, self, permits);
    return new SemaphoreGuard(this, permits, token === 0 ? this.#takeContended(options, permits, this.acquire) : token);
  }

  tryAcquire(options?: PermitCount): SemaphoreGuard | undefined {
    const permits = options === undefined ? 1 : this.#countOf(options);
    const site = this.#site;
    const token = raw.tryAcquire(site.segment, site.slot, site.self, permits) || site.protocol.attempt(site, permits);
    if (token === raw.SHUT) throw refusals.closed(site, this.tryAcquire);
    return token > 0 ? new SemaphoreGuard(this, permits, token) : undefined;
  }

  async acquireAsync(options?: PermitAsyncOptions): Promise<SemaphoreGuard> {
    const { timeoutMs, signal } = optionsOf(options, 'options');
    const permits = options === undefined ? 1 : this.#countOf(options);
    const limit = timeoutOf(timeoutMs, this.#site.timeoutMs);
    return new SemaphoreGuard(this, permits, await this.#flows.acquire(limit, signalOf(signal), permits, this.acquireAsync));
  }

  run<T>(fn: (guard: SemaphoreGuard) => T, options?: PermitOptions): T {
    functionOf(fn, 'fn');
    const guard = this.acquire(options);
    return runBody(guard, () => fn(guard), () => refusals.asyncBody(this.#site, 'run()', this.run));
  }

  async runAsync<T>(fn: (guard: SemaphoreGuard) => T | Promise<T>, options?: PermitAsyncOptions): Promise<T> {
    functionOf(fn, 'fn');
    const guard = await this.acquireAsync(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#site.slot = slot;
    this.#isDetached = true;
  }

  #countOf(options: PermitCount): number {
    return countOf(optionsOf(options, 'options').permits, 1, 1, this.permits, `permits of "${this.name}"`);
  }

  /** Also when permits are free: what is wrong is refused, and what is cancelled already is not begun. */
  #check(options: PermitOptions, within: Within): number {
    const permits = this.#countOf(options);
    timeoutOf(options.timeoutMs, 0);
    refuseCancelled(this.#site, options.cancel, within);
    return permits;
  }

  #takeContended(options: PermitOptions | undefined, permits: number, within: Within): number {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
    return acquireContended(this.#site, timeoutOf(timeoutMs, this.#site.timeoutMs), interrupt, permits, within);
  }

  #giveBack(permits: number, within: Within): void {
    // What this thread held was given back when it left.
    if (this.#isDetached) return;
    const { segment, slot, self } = this.#site;
    if (!raw.release(segment, slot, self, permits)) throw refusals.overReleased(this.#site, permits, within);
    this.#flows.lookSoon();
  }
}
