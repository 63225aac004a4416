/** Acquiring when the lock is not free: spin, queue, count, and say why not. */
import { now } from '../contract/clock.js';
import type { LockError } from '../contract/errors.js';
import type { AcquireOptions } from '../contract/lock.js';
import * as raw from '../raw/mutex.js';
import { CancelInterrupt } from './cancel-token.js';
import { optionsOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import type { Site } from './site.js';
import type { Way } from './ways.js';

type Within = (...args: never[]) => unknown;

/** The calling thread reads, and wants to write. */
export const HELD_SHARED = -6;

/** Blocks until the lock is this thread's. Returns the fencing token; throws what the wait ends with otherwise. */
export function acquireContended(way: Way, options: AcquireOptions | undefined, inconsistent: number, within: Within): number {
  const { site } = way;
  const { timeoutMs: wanted, cancel } = optionsOf(options, 'options');
  const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
  const timeoutMs = timeoutOf(wanted, site.timeoutMs);
  const atOnce = timeoutMs === 0;
  const spun = atOnce || !site.spins ? way.attempt(inconsistent) : way.spin(inconsistent);
  if (spun > 0) return spun;
  if (spun !== raw.BUSY || atOnce) throw refuse(site, spun === raw.BUSY ? raw.TIMED_OUT : spun, 0, timeoutMs, interrupt, within);
  if (!site.mayBlock) throw refusals.wouldBlockMain(site, within);
  const sinceMs = now();
  const result = way.queue(inconsistent, sinceMs, sinceMs + timeoutMs, interrupt);
  const nowMs = now();
  if (result <= 0) throw refuse(site, result, nowMs - sinceMs, timeoutMs, interrupt, within);
  way.noteWait(nowMs - sinceMs, nowMs, result);
  return result;
}

/** Also when the lock is free: what is wrong is refused, and what is cancelled already is not begun. */
export function checkOptions(site: Site, options: AcquireOptions, within: Within): void {
  const { timeoutMs, cancel } = optionsOf(options, 'options');
  timeoutOf(timeoutMs, 0);
  const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
  if (interrupt?.requested()) throw refuse(site, raw.INTERRUPTED, 0, 0, interrupt, within);
}

/** Throws if what a function under the lock has returned is a promise. */
export function refuseThenable(site: Site, what: string, result: { then?: unknown }, within: Within): void {
  if (typeof result.then !== 'function') return;
  // Its outcome has nobody to go to; this error says why.
  (result as PromiseLike<unknown>).then(undefined, () => {});
  throw refusals.asyncBody(site, what, within);
}

/** The error for an outcome of `raw` that is no token, counted. */
export function refuse(site: Site, outcome: number, waitedMs: number, timeoutMs: number, source: { readonly reason: string } | undefined, within: Within): LockError {
  switch (outcome) {
    case raw.TIMED_OUT:
      refusals.count(site, 'timeouts');
      return refusals.timedOut(site, waitedMs, timeoutMs, within);
    case raw.INTERRUPTED:
      refusals.count(site, 'aborts');
      return refusals.aborted(site, waitedMs, source?.reason ?? 'cancelled', within);
    case raw.HELD_BY_SELF:
      return refusals.recursive(site, site.hold.flows > 0 ? 'asynchronous' : 'blocking', within);
    case HELD_SHARED:
      return refusals.upgrade(site, within);
    case raw.INCONSISTENT:
      return refusals.ownerDied(site, within);
    default:
      return refusals.closed(site, within);
  }
}
