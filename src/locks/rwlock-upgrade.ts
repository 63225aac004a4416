import type { Watcher } from '../agent/mailbox.js';
import { now } from '../contract/clock.js';
import * as codes from '../raw/mutex.js';
import * as raw from '../raw/rwlock.js';
import { refuse } from './contended.js';
import { reasonOf } from './flows.js';
import { TIMER_LIMIT_MS } from './options.js';
import * as refusals from './refusals.js';
import type { Site } from './site.js';

/** An upgrade that waits for the readers to go, in an event loop. There is one at a time: that of the upgradable owner. */
export class UpgradeWait implements Watcher {
  readonly token: Promise<number>;
  readonly #site: Site;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #sinceMs = now();
  readonly #onAbort = (): void => this.#giveUp(codes.INTERRUPTED);
  #resolve!: (token: number) => void;
  #reject!: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  /** `site`: that of writing. Begins at once. */
  constructor(site: Site, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#site = site;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.token = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#begin();
  }

  #begin(): void {
    const { words, slot, agent, hold } = this.#site;
    const signal = this.#signal;
    const timeoutMs = this.#timeoutMs;
    if (signal?.aborted) return this.#refuse(codes.INTERRUPTED);
    // Flows of this thread that read will go; the thread itself may be waiting for this.
    if (hold.guards > hold.flows) return this.#refuse(raw.HELD_SHARED);
    if (!raw.beginUpgrade(words, slot)) return this.#refuse(codes.SHUT);
    if (!this.look()) return;
    if (timeoutMs === 0) return this.#giveUp(codes.TIMED_OUT);
    if (timeoutMs <= TIMER_LIMIT_MS) this.#timer = setTimeout(() => this.#giveUp(codes.TIMED_OUT), timeoutMs);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    agent.mailbox.watch(this);
  }

  look(): boolean {
    if (this.#isOver) return false;
    const { segment, slot } = this.#site;
    const result = raw.drain(segment, slot);
    if (result === codes.BUSY) return true;
    if (result <= 0) {
      this.#giveUp(result);
      return false;
    }
    const nowMs = now();
    this.#site.protocol.noteWait(this.#site, nowMs - this.#sinceMs, nowMs, result);
    this.#end();
    this.#resolve(result);
    return false;
  }

  patrol(): void {
    const { segment, slot } = this.#site;
    segment.patrol(raw.firstReader(segment, slot));
  }

  /** The guard is released, or downgraded; whoever calls gives the word back. */
  abandon(): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(refusals.notHeld(this.#site, 'upgradeAsync()', 'was released before it was upgraded', this.abandon));
  }

  /** The thread leaves the segment. */
  close(): void {
    if (!this.#isOver) this.#refuse(codes.SHUT);
  }

  #giveUp(outcome: number): void {
    if (this.#isOver) return;
    const { segment, slot } = this.#site;
    raw.endUpgrade(segment, slot);
    this.#refuse(outcome);
  }

  #refuse(outcome: number): void {
    this.#end();
    this.#reject(refuse(this.#site, outcome, now() - this.#sinceMs, this.#timeoutMs, reasonOf(this.#signal), this.abandon));
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#site.agent.mailbox.unwatch(this);
  }
}
