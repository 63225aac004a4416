import { clearCell } from '../raw/queue.js';
import * as raw from '../raw/signal.js';
import type { Interrupt } from '../raw/mutex.js';
import type { FlowQueue } from './flows.js';
import type { Protocol } from './protocol.js';
import type { Site } from './site.js';
import { noteSignalled } from './waits.js';

/** As many flows of one thread as a cell can count. */
const MOST_FLOWS = 65_535;

/** @internal What all have in common that nobody holds. */
export abstract class SignalProtocol implements Protocol {
  #suspect = 1;

  abstract attempt(site: Site, wish: number): number;
  abstract acquireQueued(site: Site, wish: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number;
  abstract attemptForFlow(site: Site, wish: number): number;
  abstract joinFlow(site: Site): void;
  abstract leaveFlow(site: Site, wish: number, outcome: number): boolean;

  attemptAtOnce(site: Site, wish: number): number {
    return this.attempt(site, wish);
  }

  attemptSpinning(site: Site, wish: number): number {
    return this.attempt(site, wish);
  }

  withdrawFlows({ segment, slot, self }: Site): void {
    clearCell(segment, slot, self);
  }

  passOn(_site: Site): void {
    // Nobody waits for another who waits.
  }

  countFlow(): void {
    // What it waited for is no hold.
  }

  noteWait(site: Site, waitedMs: number, nowMs: number): void {
    noteSignalled(site, waitedMs, nowMs);
  }

  patrol({ segment, self }: Site): void {
    this.#suspect = raw.nextSuspect(segment, this.#suspect);
    if (this.#suspect !== self) segment.patrol(this.#suspect);
  }
}

/** @internal Throws if there are as many flows as can be counted. */
export function checkRoom(flows: FlowQueue, name: string): void {
  if (flows.size < MOST_FLOWS) return;
  throw new RangeError(`"${name}": ${MOST_FLOWS} asynchronous waits of this thread have not ended; there is no room for another`);
}
