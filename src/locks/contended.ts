/** Acquiring when the lock is not free: spin, queue, count, and say why not. */
import { now } from '../contract/clock.js';
import type { LockError } from '../contract/errors.js';
import { BROKEN } from '../raw/barrier.js';
import * as raw from '../raw/mutex.js';
import { HELD_SHARED } from '../raw/rwlock.js';
import type { CancelSource } from '../contract/lock.js';
import { cycleToYieldTo, type Edge } from '../deadlock/wait-for.js';
import { CancelInterrupt } from './cancel-token.js';
import { deadlocked } from './deadlock.js';
import * as refusals from './refusals.js';
import type { Site } from './site.js';

type Within = (...args: never[]) => unknown;

/** Blocks until the lock is this thread's; for `wish` see `Protocol`. Returns the fencing token; throws what the wait ends with otherwise. */
export function acquireContended(site: Site, timeoutMs: number, interrupt: CancelInterrupt | undefined, wish: number, within: Within): number {
  const { protocol } = site;
  const atOnce = timeoutMs === 0;
  const spun = atOnce || !site.spins ? protocol.attempt(site, wish) : protocol.attemptSpinning(site, wish);
  if (spun > 0) return spun;
  if (spun !== raw.BUSY || atOnce) throw refuse(site, spun === raw.BUSY ? raw.TIMED_OUT : spun, 0, timeoutMs, interrupt, within);
  if (!site.mayBlock) throw refusals.wouldBlockMain(site, within);
  const sinceMs = now();
  const watch = new Watch(site, interrupt);
  const result = protocol.acquireQueued(site, wish, sinceMs, sinceMs + timeoutMs, watch);
  const nowMs = now();
  if (result <= 0 && watch.cycle !== undefined) throw deadlocked(site, watch.cycle, nowMs - sinceMs, within);
  if (result <= 0) throw refuse(site, result, nowMs - sinceMs, timeoutMs, interrupt, within);
  protocol.noteWait(site, nowMs - sinceMs, nowMs, result);
  return result;
}

/** What ends a blocking wait before its time: a cancel token, or a cycle that it has closed. */
class Watch implements raw.Interrupt {
  readonly #site: Site;
  readonly #cancel: CancelInterrupt | undefined;
  #cycle: Edge[] | undefined;

  constructor(site: Site, cancel: CancelInterrupt | undefined) {
    this.#site = site;
    this.#cancel = cancel;
  }

  /** The cycle, if that was it. */
  get cycle(): readonly Edge[] | undefined {
    return this.#cycle;
  }

  /** Each time before the thread sleeps. */
  requested(): boolean {
    if (this.#cancel?.requested()) return true;
    const { refusesDeadlock, segment, self } = this.#site;
    if (refusesDeadlock) this.#cycle = cycleToYieldTo(segment, self);
    return this.#cycle !== undefined;
  }
}

/** What is cancelled already is not begun. */
export function refuseCancelled<Wish>(site: Site<Wish>, cancel: CancelSource | undefined, within: Within): void {
  const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
  if (interrupt?.requested()) throw refuse(site, raw.INTERRUPTED, 0, 0, interrupt, within);
}

/** The error for an outcome of `raw` that is no token, counted. */
export function refuse<Wish>(site: Site<Wish>, outcome: number, waitedMs: number, timeoutMs: number, source: { readonly reason: string } | undefined, within: Within): LockError {
  if (outcome === raw.TIMED_OUT) refusals.count(site, 'timeouts');
  if (outcome === raw.INTERRUPTED) refusals.count(site, 'aborts');
  const reason = source?.reason ?? 'cancelled';
  if (site.protocol.refuse !== undefined) return site.protocol.refuse(site, outcome, waitedMs, timeoutMs, reason, within);
  switch (outcome) {
    case raw.TIMED_OUT:
      return refusals.timedOut(site, waitedMs, timeoutMs, within);
    case raw.INTERRUPTED:
      return refusals.aborted(site, waitedMs, reason, within);
    case raw.HELD_BY_SELF:
      if (site.kind === 'semaphore') return refusals.heldBySelf(site, within);
      return refusals.recursive(site, site.hold.flows > 0 || site.hold.flow !== 'none' ? 'asynchronous' : 'blocking', within);
    case HELD_SHARED:
      return refusals.upgrade(site, within);
    case BROKEN:
      return refusals.broken(site, within);
    case raw.INCONSISTENT:
      return refusals.ownerDied(site, within);
    default:
      return refusals.closed(site, within);
  }
}
