import { OWNER } from '../../native-layout/index.js';
import * as raw from '../raw/mutex.js';
import type { Segment } from '../shm/segment.js';
import type { Protocol } from './protocol.js';
import type { Site } from './site.js';
import { noteHold, noteWait } from './waits.js';

/** @internal What `acquireContended` and `FlowQueue` do with a mutex. */
export const mutexProtocol: Protocol = {
  attempt,
  attemptAtOnce: attempt,
  attemptSpinning: ({ segment, slot: at, self }, inconsistent) => raw.attemptSpinning(segment, at, self, inconsistent, 0),
  acquireQueued: ({ segment, slot: at, self }, inconsistent, sinceMs, deadline, interrupt) => raw.acquireQueued(segment, at, self, inconsistent, sinceMs, deadline, interrupt),
  attemptForFlow: ({ segment, slot: at, self }, inconsistent) => raw.attemptForFlow(segment, at, self, inconsistent),
  withdrawFlows({ segment, slot: at, self }) {
    // The lock may have been left to this agent meanwhile; nobody here wants it any more.
    if (raw.withdrawFlows(segment, at, self) > 0) raw.release(segment, at, self);
  },
  // Whoever holds owes nothing to those behind, since its release looks for them; whoever has given up was not alone in being woken.
  passOn: () => {},
  countFlow({ hold }) {
    hold.guards++;
    hold.flows++;
  },
  noteWait: ({ words, slot: at }, waitedMs, nowMs, token) => noteWait(words, at, waitedMs, nowMs, token),
  patrol: ({ segment, words, slot: at }) => segment.patrol(words.load(at) & OWNER),
};

function attempt({ words, slot: at, self }: Site, inconsistent: number): number {
  return raw.tryAcquire(words, at, self) || raw.attempt(words, at, self, inconsistent, 0);
}

/** @internal `raw.release`, with the hold noted. Apart from `Mutex`, since what is added to the class costs `run` two per cent. */
export function releaseNoted(segment: Segment, slotAddress: number, self: number): boolean {
  noteHold(segment.words, slotAddress, self);
  return raw.release(segment, slotAddress, self);
}
