import type { Agent, Hold } from '../agent/agent.js';
import { identityOf } from '../agent/memory.js';
import type { LockKind, LockMode } from '../contract/lock.js';
import { type Segment, slotAt } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import type { Protocol } from './protocol.js';

/** Where a handle of a lock stands: which slot, as which agent, with which defaults. */
export interface Site<Wish = number> {
  readonly name: string;
  readonly kind: LockKind;
  readonly mode: LockMode;
  readonly protocol: Protocol<Wish>;
  readonly agent: Agent;
  readonly segment: Segment;
  readonly words: SharedWords;
  readonly self: number;
  readonly slotNumber: number;
  /** Address of the slot; a closed one once the thread has left the segment. */
  slot: number;
  /** What this thread holds of it, one for all handles. */
  readonly hold: Hold;
  /** Of a mutex: TAKE_INCONSISTENT or REFUSE_INCONSISTENT. */
  readonly inconsistent: number;
  readonly timeoutMs: number;
  /** Whether a contended acquire looks for a while before it queues. */
  readonly spins: boolean;
  /** Whether this thread may block at all. */
  readonly mayBlock: boolean;
}

/** Makes the site of a lock in this thread. */
export function siteOf<Wish>(agent: Agent, slotNumber: number, rest: Pick<Site<Wish>, 'name' | 'kind' | 'mode' | 'protocol' | 'inconsistent' | 'timeoutMs' | 'spins' | 'mayBlock'>): Site<Wish> {
  const { segment, id } = agent;
  const { name, kind, mode, protocol, inconsistent, timeoutMs, spins, mayBlock } = rest;
  return {
    name,
    kind,
    mode,
    protocol,
    inconsistent,
    timeoutMs,
    spins,
    mayBlock,
    agent,
    segment,
    words: segment.words,
    self: id,
    slotNumber,
    slot: slotAt(segment, slotNumber),
    hold: agent.holdOf(slotNumber),
  };
}

/** What `lockAll` sorts by: the slot, whichever thread asks and by whichever handle. */
export function orderOf({ words, segment, slotNumber }: Pick<Site, 'words' | 'segment' | 'slotNumber'>): string {
  return `0:${identityOf(words)}:${segment.header}:${slotNumber}`;
}
