import { OWNER } from '../../native-layout/index.js';
import type { Watcher } from '../agent/mailbox.js';
import { now } from '../contract/clock.js';
import type { LockError } from '../contract/errors.js';
import * as raw from '../raw/mutex.js';
import { clearCell, publishCell, takeTicket } from '../raw/queue.js';
import { refuse } from './contended.js';
import type { Site } from './site.js';
import { noteWait } from './waits.js';

/** Longest delay of a timer; a longer time-out has none. */
const TIMER_LIMIT_MS = 2 ** 31 - 1;

/** An asynchronous acquisition that waits. */
interface Flow {
  readonly ticket: number;
  readonly sinceMs: number;
  readonly timeoutMs: number;
  readonly inconsistent: number;
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
export class FlowQueue implements Watcher {
  readonly #site: Site;
  readonly #flows = new Set<Flow>();

  constructor(site: Site) {
    this.#site = site;
  }

  get isEmpty(): boolean {
    return this.#flows.size === 0;
  }

  /** Resolves with the fencing token. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined, inconsistent: number, within: (...args: never[]) => unknown): Promise<number> {
    const site = this.#site;
    if (signal?.aborted) return Promise.reject(refuse(site, raw.INTERRUPTED, 0, timeoutMs, reasonOf(signal), within));
    if (this.#flows.size === 0) {
      const result = raw.tryAcquire(site.words, site.slot, site.self) || raw.attempt(site.words, site.slot, site.self, inconsistent, 0);
      if (result > 0) return Promise.resolve(this.#count(result));
      if (result !== raw.BUSY && result !== raw.HELD_BY_SELF) return Promise.reject(refuse(site, result, 0, timeoutMs, undefined, within));
    }
    if (timeoutMs === 0) return Promise.reject(refuse(site, raw.TIMED_OUT, 0, 0, undefined, within));
    return new Promise((resolve, reject) => {
      const flow: Flow = {
        ticket: takeTicket(site.segment, site.slot),
        sinceMs: now(),
        timeoutMs,
        inconsistent,
        signal,
        resolve,
        reject,
        onAbort: () => this.#giveUp(flow, raw.INTERRUPTED),
        timer: undefined,
      };
      if (timeoutMs <= TIMER_LIMIT_MS) flow.timer = setTimeout(() => this.#giveUp(flow, raw.TIMED_OUT), timeoutMs);
      signal?.addEventListener('abort', flow.onAbort, { once: true });
      this.#flows.add(flow);
      if (this.#flows.size > 1) return;
      publishCell(site.segment, site.slot, site.self, flow.ticket);
      if (this.look()) site.agent.mailbox.watch(this);
    });
  }

  /** Gives the lock to the oldest flow if it is to be had. `false`: no flow waits any more. */
  look(): boolean {
    const { segment, slot, self } = this.#site;
    for (const flow of this.#flows) {
      const result = raw.attemptForFlow(segment, slot, self, flow.inconsistent);
      if (result === raw.BUSY) return true;
      if (result > 0) this.#grant(flow, result);
      else this.#giveUp(flow, result);
    }
    return false;
  }

  patrol(): void {
    const { segment, words, slot } = this.#site;
    segment.patrol(words.load(slot) & OWNER);
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

  #grant(flow: Flow, token: number): void {
    const { words, slot } = this.#site;
    const nowMs = now();
    noteWait(words, slot, nowMs - flow.sinceMs, nowMs, token);
    this.#forget(flow);
    // This agent holds, so it owes nothing to those behind: its release looks for them.
    const next = this.#oldest();
    if (next === undefined) clearCell(this.#site.segment, slot, this.#site.self);
    else publishCell(this.#site.segment, slot, this.#site.self, next.ticket);
    flow.resolve(this.#count(token));
  }

  /** A hold counts from here on: whoever awaits it makes its guard only later. */
  #count(token: number): number {
    this.#site.hold.guards++;
    this.#site.hold.flows++;
    return token;
  }

  #giveUp(flow: Flow, outcome: number): void {
    if (!this.#flows.has(flow)) return;
    const { segment, slot, self } = this.#site;
    const wasOldest = this.#oldest() === flow;
    this.#forget(flow);
    const next = this.#oldest();
    if (next === undefined) {
      // The lock may have been left to this agent meanwhile; nobody here wants it any more.
      if (raw.withdrawFlows(segment, slot, self) > 0) raw.release(segment, slot, self);
      this.#site.agent.mailbox.unwatch(this);
    } else if (wasOldest) publishCell(segment, slot, self, next.ticket);
    flow.reject(this.#error(flow, outcome));
  }

  #error(flow: Flow, outcome: number): LockError {
    return refuse(this.#site, outcome, now() - flow.sinceMs, flow.timeoutMs, reasonOf(flow.signal), this.acquire);
  }

  #forget(flow: Flow): void {
    this.#flows.delete(flow);
    clearTimeout(flow.timer);
    flow.signal?.removeEventListener('abort', flow.onAbort);
  }

  #oldest(): Flow | undefined {
    return this.#flows.values().next().value;
  }
}

function reasonOf(signal: AbortSignal | undefined): { readonly reason: string } {
  const reason: unknown = signal?.reason;
  return { reason: reason instanceof Error ? reason.message : String(reason ?? 'aborted') };
}
