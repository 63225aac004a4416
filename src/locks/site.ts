import type { Agent, Hold } from '../agent/agent.js';
import { identityOf } from '../agent/memory.js';
import type { LockKind, LockMode } from '../contract/lock.js';
import { cellAt, type Segment, slotAt } from '../shm/segment.js';
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
  /** Address of this agent's cell; nobody's once the thread has left the segment. */
  cell: number;
  /** What this thread holds of it, one for all handles. */
  readonly hold: Hold;
  /** Of a mutex or an rwlock: TAKE_INCONSISTENT or REFUSE_INCONSISTENT. */
  readonly inconsistent: number;
  readonly timeoutMs: number;
  /** Whether a contended acquire looks for a while before it queues. */
  readonly spins: boolean;
  /** Whether this thread may block at all. */
  readonly mayBlock: boolean;
  /** Whether a wait that closes a cycle is refused. */
  readonly refusesDeadlock: boolean;
}

/** Makes the site of a lock in this thread. */
export function siteOf<Wish>(agent: Agent, slotNumber: number, rest: Pick<Site<Wish>, 'name' | 'kind' | 'mode' | 'protocol' | 'inconsistent' | 'timeoutMs' | 'spins' | 'mayBlock' | 'refusesDeadlock'>): Site<Wish> {
  const { segment, id } = agent;
  const { name, kind, mode, protocol, inconsistent, timeoutMs, spins, mayBlock, refusesDeadlock } = rest;
  return {
    name,
    kind,
    mode,
    protocol,
    inconsistent,
    timeoutMs,
    spins,
    mayBlock,
    refusesDeadlock,
    agent,
    segment,
    words: segment.words,
    self: id,
    slotNumber,
    slot: slotAt(segment, slotNumber),
    cell: cellAt(segment, id, slotNumber),
    hold: agent.holdOf(slotNumber),
  };
}

/** The thread has left the segment: `slot` is a closed one, and the cell may be another agent's. */
export function leaveSite(site: Site, slot: number): void {
  site.slot = slot;
  site.cell = cellAt(site.segment, 0, site.slotNumber);
}

/** What `lockAll` sorts by: the slot, whichever thread asks and by whichever handle. */
export function orderOf({ words, segment, slotNumber }: Pick<Site, 'words' | 'segment' | 'slotNumber'>): string {
  return `0:${identityOf(words)}:${segment.header}:${slotNumber}`;
}
