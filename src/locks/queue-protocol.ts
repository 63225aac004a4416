import type { LockError } from '../contract/errors.js';
import type { Interrupt } from '../raw/mutex.js';
import * as raw from '../raw/ring.js';
import { beginSection, endSection } from '../raw/semaphore.js';
import type { Protocol } from './protocol.js';
import { refuseTransfer } from './queue-refusals.js';
import type { Site } from './site.js';
import { noteWait } from './waits.js';

/** @internal How items are moved on one side of a queue. What is asked for is that a parcel be filled, or taken along. */
export class QueueProtocol implements Protocol<raw.Parcel> {
  readonly side: number;
  readonly #queue: raw.Queue;

  constructor(queue: raw.Queue, side: number) {
    this.#queue = queue;
    this.side = side;
  }

  attempt({ segment, self }: Site<raw.Parcel>, parcel: raw.Parcel): number {
    return raw.attempt(segment, this.#queue, self, this.side, parcel, raw.AT_ONCE);
  }

  attemptAtOnce(site: Site<raw.Parcel>, parcel: raw.Parcel): number {
    return this.attempt(site, parcel);
  }

  attemptSpinning({ segment, self }: Site<raw.Parcel>, parcel: raw.Parcel): number {
    return raw.attemptSpinning(segment, this.#queue, self, this.side, parcel);
  }

  acquireQueued({ segment, self }: Site<raw.Parcel>, parcel: raw.Parcel, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    return raw.moveQueued(segment, this.#queue, self, this.side, parcel, sinceMs, deadline, interrupt);
  }

  attemptForFlow({ segment, self }: Site<raw.Parcel>, parcel: raw.Parcel): number {
    return raw.attemptForFlow(segment, this.#queue, self, this.side, parcel);
  }

  withdrawFlows({ segment, self }: Site<raw.Parcel>): void {
    raw.withdrawFlows(segment, this.#queue, self, this.side);
  }

  passOn(): void {
    // Every event loop that waits is woken by each item, and by each place that becomes free.
  }

  countFlow(): void {
    // Nothing is held.
  }

  noteWait({ segment, words, slot, self }: Site<raw.Parcel>, waitedMs: number, nowMs: number, token: number): void {
    if (!beginSection(segment, this.#queue.items, self)) return;
    noteWait(words, slot, waitedMs, nowMs, token);
    endSection(segment, this.#queue.items, self);
  }

  patrol({ segment, words }: Site<raw.Parcel>): void {
    segment.patrol(raw.insideOf(words, this.#queue));
  }

  refuse(site: Site<raw.Parcel>, outcome: number, waitedMs: number, timeoutMs: number, reason: string, within: (...args: never[]) => unknown): LockError {
    return refuseTransfer(site, this.#queue, this.side, outcome, { waitedMs, timeoutMs, reason }, within);
  }
}
