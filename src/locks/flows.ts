import type { Watcher } from '../agent/mailbox.js';
import { now } from '../contract/clock.js';
import type { LockError } from '../contract/errors.js';
import * as raw from '../raw/mutex.js';
import { clearCell, publishCell, takeTicket } from '../raw/queue.js';
import { DONE } from '../raw/signal.js';
import { refuse } from './contended.js';
import { TIMER_LIMIT_MS } from './options.js';
import type { Site } from './site.js';

/** An asynchronous acquisition that waits. */
interface Flow<Wish> {
  readonly site: Site<Wish>;
  readonly ticket: number;
  readonly sinceMs: number;
  readonly timeoutMs: number;
  readonly wish: Wish;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (token: number) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The asynchronous acquisitions of one lock that wait in this thread, in order. To the other threads they are one waiter: the
 * ticket of the oldest stands in the agent's cell. Time-outs and aborts are settled here, without them.
 */
export class FlowQueue<Wish = number> implements Watcher {
  readonly #site: Site<Wish>;
  readonly #flows = new Set<Flow<Wish>>();

  constructor(site: Site<Wish>) {
    this.#site = site;
  }

  get isEmpty(): boolean {
    return this.#flows.size === 0;
  }

  /** How many flows wait. */
  get size(): number {
    return this.#flows.size;
  }

  /** Resolves with the fencing token; for `wish` see `Protocol`. `site`: of the mode, where a lock has several. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined, wish: Wish, within: (...args: never[]) => unknown, site: Site<Wish> = this.#site): Promise<number> {
    if (signal?.aborted) return Promise.reject(refuse(site, raw.INTERRUPTED, 0, timeoutMs, reasonOf(signal), within));
    if (this.#flows.size === 0) {
      const result = site.protocol.attemptAtOnce(site, wish);
      if (result > 0) {
        site.protocol.countFlow(site);
        return Promise.resolve(result);
      }
      if (result !== raw.BUSY && result !== raw.HELD_BY_SELF) return Promise.reject(refuse(site, result, 0, timeoutMs, undefined, within));
    }
    if (timeoutMs === 0) return Promise.reject(refuse(site, raw.TIMED_OUT, 0, 0, undefined, within));
    return new Promise((resolve, reject) => {
      const flow: Flow<Wish> = {
        site,
        ticket: takeTicket(site.segment, site.slot),
        sinceMs: now(),
        timeoutMs,
        wish,
        signal,
        resolve,
        reject,
        onAbort: () => this.#giveUp(flow, raw.INTERRUPTED),
        timer: undefined,
      };
      if (timeoutMs <= TIMER_LIMIT_MS) flow.timer = setTimeout(() => this.#giveUp(flow, raw.TIMED_OUT), timeoutMs);
      signal?.addEventListener('abort', flow.onAbort, { once: true });
      this.#flows.add(flow);
      const isFirst = this.#flows.size === 1;
      if (isFirst) publishCell(site.segment, site.slot, site.self, flow.ticket);
      site.protocol.joinFlow?.(site);
      if (isFirst && this.look()) site.agent.mailbox.watch(this);
    });
  }

  /** Gives the lock to the oldest flow if it is to be had. `false`: no flow waits any more. */
  look(): boolean {
    for (const flow of this.#flows) {
      const { site } = flow;
      const result = site.protocol.attemptForFlow(site, flow.wish);
      if (result === raw.BUSY) return true;
      if (result > 0) this.#grant(flow, result);
      else this.#giveUp(flow, result);
    }
    return false;
  }

  patrol(): void {
    const { site } = this.#oldest() ?? { site: this.#site };
    site.protocol.patrol(site);
  }

  /** After a release by this thread: its next flow need not wait for the bell. */
  lookSoon(): void {
    if (this.#flows.size === 0) return;
    queueMicrotask(() => {
      if (!this.look()) this.#site.agent.mailbox.unwatch(this);
    });
  }

  /** Ends all waits; from now on `slot` is a closed one. */
  close(slot: number): void {
    for (const flow of [...this.#flows]) this.#giveUp(flow, raw.SHUT);
    this.#site.slot = slot;
  }

  #grant(flow: Flow<Wish>, token: number): void {
    const { site } = flow;
    const nowMs = now();
    site.protocol.noteWait(site, nowMs - flow.sinceMs, nowMs, token);
    this.#forget(flow);
    const next = this.#oldest();
    if (next === undefined) {
      clearCell(site.segment, site.slot, site.self);
      site.agent.mailbox.unwatch(this);
    } else {
      publishCell(site.segment, site.slot, site.self, next.ticket);
    }
    site.protocol.passOn(site);
    // A hold counts from here on: whoever awaits it makes its guard only later.
    site.protocol.countFlow(site);
    flow.resolve(token);
  }

  #giveUp(flow: Flow<Wish>, outcome: number): void {
    if (!this.#flows.has(flow)) return;
    const { site } = flow;
    if (site.protocol.leaveFlow?.(site, flow.wish, outcome) === false) {
      this.#grant(flow, DONE);
      return;
    }
    const wasOldest = this.#oldest() === flow;
    this.#forget(flow);
    const next = this.#oldest();
    if (next === undefined) {
      site.protocol.withdrawFlows(site);
      site.agent.mailbox.unwatch(this);
    } else if (wasOldest) {
      publishCell(site.segment, site.slot, site.self, next.ticket);
      site.protocol.passOn(site);
      // It may be content with less than the one before.
      this.lookSoon();
    }
    flow.reject(this.#error(flow, outcome));
  }

  #error(flow: Flow<Wish>, outcome: number): LockError {
    return refuse(flow.site, outcome, now() - flow.sinceMs, flow.timeoutMs, reasonOf(flow.signal), this.acquire);
  }

  #forget(flow: Flow<Wish>): void {
    this.#flows.delete(flow);
    clearTimeout(flow.timer);
    flow.signal?.removeEventListener('abort', flow.onAbort);
  }

  #oldest(): Flow<Wish> | undefined {
    return this.#flows.values().next().value;
  }
}

/** What an abort says. */
export function reasonOf(signal: AbortSignal | undefined): { readonly reason: string } {
  const reason: unknown = signal?.reason;
  return { reason: reason instanceof Error ? reason.message : String(reason ?? 'aborted') };
}
