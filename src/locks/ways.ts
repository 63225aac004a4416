import { OWNER } from '../../native-layout/index.js';
import * as raw from '../raw/mutex.js';
import type { Site } from './site.js';
import { noteWait } from './waits.js';

/** How one mode of a lock is acquired: the functions of `raw` that do it. What is positive has acquired; the rest says why not. */
export interface Way {
  readonly site: Site;
  /** Looks once, for a thread that has found the lock taken. */
  attempt(inconsistent: number): number;
  /** The same for a few microseconds, where the site says that it spins. */
  spin(inconsistent: number): number;
  /** Queues and sleeps. */
  queue(inconsistent: number, sinceMs: number, deadline: number, interrupt: raw.Interrupt | undefined): number;
  /** Looks once, for a flow that has just come. */
  begin(inconsistent: number): number;
  /** Looks for the oldest flow that waits, which has that ticket. `BUSY`: the mailbox will be rung. */
  look(inconsistent: number, ticket: number): number;
  /** The oldest flow that waited has left, and another takes its place. */
  stepDown(): void;
  /** The last flow that waited has left. */
  withdraw(): void;
  /** From time to time while a flow waits: the agent that it waits for, 0 = nobody. */
  blocker(): number;
  /** A wait has ended with the acquisition. */
  noteWait(waitedMs: number, nowMs: number, token: number): void;
  /** A flow has acquired. */
  countFlow(): void;
}

/** The one way to acquire a mutex. */
export class MutexWay implements Way {
  readonly site: Site;

  constructor(site: Site) {
    this.site = site;
  }

  attempt(inconsistent: number): number {
    const { words, slot, self } = this.site;
    return raw.attempt(words, slot, self, inconsistent, 0);
  }

  spin(inconsistent: number): number {
    const { segment, slot, self } = this.site;
    return raw.attemptSpinning(segment, slot, self, inconsistent, 0);
  }

  queue(inconsistent: number, sinceMs: number, deadline: number, interrupt: raw.Interrupt | undefined): number {
    const { segment, slot, self } = this.site;
    return raw.acquireQueued(segment, slot, self, inconsistent, sinceMs, deadline, interrupt);
  }

  begin(inconsistent: number): number {
    const { words, slot, self } = this.site;
    return raw.tryAcquire(words, slot, self) || raw.attempt(words, slot, self, inconsistent, 0);
  }

  look(inconsistent: number): number {
    const { segment, slot, self } = this.site;
    return raw.attemptForFlow(segment, slot, self, inconsistent);
  }

  stepDown(): void {}

  withdraw(): void {
    const { segment, slot, self } = this.site;
    // The lock may have been left to this agent meanwhile; nobody here wants it any more.
    if (raw.withdrawFlows(segment, slot, self) > 0) raw.release(segment, slot, self);
  }

  blocker(): number {
    return this.site.words.load(this.site.slot) & OWNER;
  }

  noteWait(waitedMs: number, nowMs: number, token: number): void {
    noteWait(this.site.words, this.site.slot, waitedMs, nowMs, token);
  }

  countFlow(): void {
    this.site.hold.guards++;
    this.site.hold.flows++;
  }
}
