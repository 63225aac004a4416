import { CLOSED } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { isLockError } from '../contract/errors.js';
import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import * as raw from '../raw/mutex.js';
import * as signals from '../raw/signal.js';
import { refuseThenable } from './body.js';
import { CancelInterrupt } from './cancel-token.js';
import { refuse, refuseCancelled } from './contended.js';
import { type FlowQueue, reasonOf } from './flows.js';
import { Mutex, MutexGuard, reholding } from './mutex.js';
import { countOf, functionOf, optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import { checkRoom, SignalProtocol } from './signal-protocol.js';
import { orderOf, type Site } from './site.js';
import { noteSignalled } from './waits.js';

type Within = (...args: never[]) => unknown;

/** How a thread waits for a condition. */
export interface ConditionOptions {
  /** Default time-out of this handle, ms. Default: that of the manager for exclusive acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/** @internal What `FlowQueue` does with a condition; threads that block wait by `waitReleasing`. */
export class ConditionProtocol extends SignalProtocol {
  attempt({ words, slot }: Site): number {
    return words.load(slot) & CLOSED ? raw.SHUT : raw.BUSY;
  }

  acquireQueued(site: Site): number {
    return this.attempt(site);
  }

  attemptForFlow({ segment, slot, self }: Site): number {
    return signals.takeForFlow(segment, slot, self);
  }

  joinFlow({ segment, slot, self }: Site): void {
    signals.joinFlow(segment, slot, self);
  }

  leaveFlow({ segment, slot, self }: Site): boolean {
    return signals.leaveFlow(segment, slot, self);
  }
}

/** @internal The slot of a mutex of that agent's manager. */
export function slotOfMutex(mutex: Mutex, agent: Site['agent']): number {
  const site = (mutex as unknown) instanceof Mutex ? reholding.siteOf(mutex) : undefined;
  if (site === undefined || site.agent !== agent) throw new TypeError('a condition needs a mutex that was made by the same manager, in the same thread');
  return site.slotNumber;
}

/**
 * Where threads that hold a mutex wait for something to become true of the data under it.
 *
 * When to use: to wait for data, not only for a lock: that a buffer is not empty, that a phase has begun. Who changes the data does so with the
 * mutex held and then calls {@link notify}. For a single flag an event is simpler, for a number of things done a latch.
 *
 * Guarantees: waiting and releasing the mutex are one step: who notifies after having changed the data under the mutex reaches
 * everybody who has looked at it before. `notify(n)` ends `n` waits, those that have lasted longest; of the flows of one
 * thread, all stand where the oldest does. Whether a wait was notified or gave up is decided once: no notification is lost to a waiter that
 * gives up, and none is kept for those who come later. When a wait ends, in whichever way, the mutex is held again by the same guard, whose `fencingToken` is then that
 * of the new hold; only if the manager was closed, the mutex is inconsistent, or to wait for it would be a deadlock, it is not, and that
 * is thrown.
 *
 * **After the death of any thread all waits end**, also those for which there is no cause: the dead thread may have changed the data and not
 * come to notify, or have been notified in place of another. So a returning `wait()` proves nothing: look again, or use
 * {@link waitFor}, which does.
 *
 * Time-outs and cancelling end the wait, not the acquisition of the mutex that follows, which takes as long as it takes.
 *
 * Blocking: `wait` and `waitFor` block the calling thread; on the main thread they are refused if they would have to wait, unless
 * the manager was created with `blockingOnMain: 'allow'`. All other forms may be used on every thread. A flow that was notified in a thread
 * whose event loop is stuck keeps its notification.
 *
 * Throws: `ERR_LOCK_TIMEOUT`, `ERR_LOCK_ABORTED`, `ERR_LOCK_CLOSED`, `ERR_LOCK_WOULD_BLOCK_MAIN`; `ERR_LOCK_NOT_HELD`, with nothing
 * changed, if the guard is not one that holds the mutex; `ERR_LOCK_RECURSIVE` if the thread holds a reentrant mutex more than once; what
 * acquiring the mutex throws.
 *
 * @example
 * const box = manager.mutex('box');
 * const filled = manager.condition('box filled', box);
 * const guard = await box.acquireAsync();
 * setImmediate(() => box.runAsync(() => { shared[0] = 1; filled.notify(); }));
 * await filled.waitForAsync(guard, () => shared[0] === 1);
 * guard.release();
 */
export class Condition {
  readonly name: string;
  readonly kind = 'condition';
  readonly mutex: Mutex;
  readonly #site: Site;
  readonly #flows: FlowQueue;

  /** @internal From `manager.condition`. */
  constructor(site: Site, flows: FlowQueue, mutex: Mutex) {
    this.name = site.name;
    this.mutex = mutex;
    this.#site = site;
    this.#flows = flows;
  }

  /** Releases the mutex, blocks until notified, and acquires it again. May return without cause after the death of a thread. */
  wait(guard: MutexGuard, options?: AcquireOptions): void {
    const { limitMs, interrupt } = this.#limits(guard, options, this.wait);
    const sinceMs = now();
    const outcome = this.#block(guard, sinceMs + limitMs, interrupt, this.wait);
    if (outcome !== signals.DONE) throw refuse(this.#site, outcome, now() - sinceMs, limitMs, interrupt, this.wait);
  }

  /**
   * Waits until `predicate`, called with the mutex held, returns something truthy, and returns that. At once if it does so already. The
   * time-out is one for all.
   *
   * @throws LockError `ERR_LOCK_ASYNC_BODY` if it returns a promise. What it throws; the mutex is held then.
   */
  waitFor<T>(guard: MutexGuard, predicate: () => T, options?: AcquireOptions): T {
    functionOf(predicate, 'predicate');
    const { limitMs, interrupt } = this.#limits(guard, options, this.waitFor);
    const sinceMs = now();
    for (;;) {
      const found = this.#ask(guard, predicate, this.waitFor);
      if (found) return found;
      const outcome = this.#block(guard, sinceMs + limitMs, interrupt, this.waitFor);
      if (outcome === signals.DONE) continue;
      const refused = refuse(this.#site, outcome, now() - sinceMs, limitMs, interrupt, this.waitFor);
      // It may have become true while the mutex was acquired.
      const late = outcome === raw.TIMED_OUT && this.#ask(guard, predicate, this.waitFor);
      if (late) return late;
      throw refused;
    }
  }

  /** As {@link wait}, without blocking the thread. */
  async waitAsync(guard: MutexGuard, options?: AcquireAsyncOptions): Promise<void> {
    const { limitMs, signal } = this.#flowLimits(guard, options, this.waitAsync);
    await this.#suspend(guard, limitMs, signal, this.waitAsync);
  }

  /** As {@link waitFor}, without blocking the thread. */
  async waitForAsync<T>(guard: MutexGuard, predicate: () => T, options?: AcquireAsyncOptions): Promise<T> {
    functionOf(predicate, 'predicate');
    const { limitMs, signal } = this.#flowLimits(guard, options, this.waitForAsync);
    const sinceMs = now();
    for (;;) {
      const found = this.#ask(guard, predicate, this.waitForAsync);
      if (found) return found;
      try {
        await this.#suspend(guard, Math.max(0, sinceMs + limitMs - now()), signal, this.waitForAsync);
      } catch (error) {
        if (!guard.held || !isLockError(error, 'ERR_LOCK_TIMEOUT')) throw error;
        const late = this.#ask(guard, predicate, this.waitForAsync);
        if (late) return late;
        throw refusals.timedOut(this.#site, now() - sinceMs, limitMs, this.waitForAsync);
      }
    }
  }

  /**
   * Ends `n` waits, the oldest first; fewer if there are fewer. From any thread, with the mutex held or not; but the data must have been
   * changed with it held.
   *
   * @returns how many it were.
   */
  notify(n = 1): number {
    const count = countOf(n, 1, 1, Number.MAX_SAFE_INTEGER, 'n');
    this.#checkOpen(this.notify);
    return signals.signal(this.#site.segment, this.#site.slot, count);
  }

  /** Ends all waits that have begun. Returns how many it were. */
  notifyAll(): number {
    this.#checkOpen(this.notifyAll);
    return signals.signalAll(this.#site.segment, this.#site.slot);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#site.slot = slot;
  }

  #limits(guard: MutexGuard, options: AcquireOptions | undefined, within: Within) {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    const limitMs = timeoutOf(timeoutMs, this.#site.timeoutMs);
    const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
    this.#checkGuard(guard, within);
    refuseCancelled(this.#site, cancel, within);
    return { limitMs, interrupt };
  }

  #flowLimits(guard: MutexGuard, options: AcquireAsyncOptions | undefined, within: Within) {
    const { timeoutMs, signal: given } = optionsOf(options, 'options');
    const limitMs = timeoutOf(timeoutMs, this.#site.timeoutMs);
    const signal = signalOf(given);
    this.#checkGuard(guard, within);
    if (signal?.aborted) throw refuse(this.#site, raw.INTERRUPTED, 0, limitMs, reasonOf(signal), within);
    return { limitMs, signal };
  }

  /** That it holds the mutex of this condition, and alone. */
  #checkGuard(guard: MutexGuard, within: Within): void {
    if (!((guard as unknown) instanceof MutexGuard)) throw new TypeError(`the condition "${this.name}" waits with a guard of "${this.mutex.name}", as its acquire() returns it in this thread`);
    this.#checkOpen(within);
    const own = reholding.siteOf(this.mutex);
    const held = reholding.siteOf(guard.lock);
    if (orderOf(held) !== orderOf(own)) throw refusals.guardNotHeld(this.#site, own, `is one of "${held.name}"`, within);
    if (!guard.held) throw refusals.guardNotHeld(this.#site, own, 'was released already', within);
    if (held.hold.guards + held.hold.pairs > 1) throw refusals.heldTwice(this.#site, own, within);
  }

  #checkOpen(within: Within): void {
    if (this.#site.protocol.attempt(this.#site, 0) === raw.SHUT) throw refusals.closed(this.#site, within);
  }

  /** With the mutex held. */
  #ask<T>(guard: MutexGuard, predicate: () => T, within: Within): T {
    const found = predicate();
    refuseThenable(found, () => refusals.asyncPredicate(this.#site, within));
    if (!guard.held) throw refusals.guardNotHeld(this.#site, reholding.siteOf(this.mutex), 'was released by the predicate', within);
    return found;
  }

  /** The outcome of the wait; the guard holds again. */
  #block(guard: MutexGuard, deadline: number, interrupt: CancelInterrupt | undefined, within: Within): number {
    const site = this.#site;
    if (!site.mayBlock) throw refusals.wouldBlockMain(site, within);
    const sinceMs = now();
    reholding.letGo(guard);
    const outcome = signals.waitReleasing(site.segment, site.slot, reholding.siteOf(guard.lock).slot, site.self, sinceMs, deadline, interrupt);
    const nowMs = now();
    if (outcome === raw.SHUT) throw refusals.closed(site, within);
    if (outcome === signals.DONE) noteSignalled(site, nowMs - sinceMs, nowMs);
    reholding.regain(guard, within);
    return outcome;
  }

  async #suspend(guard: MutexGuard, limitMs: number, signal: AbortSignal | undefined, within: Within): Promise<void> {
    checkRoom(this.#flows, this.name);
    // It is published when this returns, and only then the mutex may be released.
    const waiting = this.#flows.acquire(limitMs, signal, 0, within);
    guard.release();
    try {
      await waiting;
    } finally {
      await reholding.regainAsync(guard, within);
    }
  }
}
