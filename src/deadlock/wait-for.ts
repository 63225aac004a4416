/**
 * Threads that wait for each other in a circle, and the one of them that gives up.
 *
 * True: who gives up was part of a cycle in which nobody could go on. Two collections in a row have shown the same waits, by ticket,
 * and the same holders, and between them nobody of the cycle was found to have died. One: whose wait of a cycle is the youngest is the same
 * for all who look. None missed: a waiter publishes its row before it reads those of others, so the last to publish sees the whole
 * cycle; it is the youngest, or wakes that one to look again.
 *
 * A wait that was granted but still shows is told by the lock: it names the waiter as its owner, or is handed over.
 */
import { agent, CLOSED, DRAINING, HANDED, OWNER, SHARED, SIGNALLED, UPGRADABLE } from '../../native-layout/index.js';
import { unpark } from '../park/park.js';
import { amountOf, highestAgent, isBlocked, isBlockedOn, ticketOf } from '../raw/queue.js';
import { isReading, isRwlock } from '../raw/rwlock.js';
import { freePermits, heldBy, isSemaphore } from '../raw/semaphore.js';
import { agentAt, type Segment, slotAt } from '../shm/segment.js';
import { cycleThrough, type Wait } from './cycle.js';

const WANTS = agent.fields.wants.at;
const WANTS_SINCE = agent.fields.wantsSince.at;

/** An agent in a cycle, whose thread waits for that slot, which the next one holds. */
export interface Edge {
  readonly id: number;
  readonly slotNumber: number;
}

/**
 * For an agent whose row is published, and who is about to sleep: the cycle that it shall give up for, itself first. `undefined`: it may
 * sleep.
 */
export function cycleToYieldTo(segment: Segment, self: number): Edge[] | undefined {
  if (holderRuns(segment, self)) return undefined;
  for (;;) {
    const seen = collect(segment, self);
    if (seen === undefined) return undefined;
    const victim = youngestOf(segment, seen.cycle);
    if (victim !== self) {
      // It may have looked before this edge was there.
      unpark(segment, victim);
      return undefined;
    }
    // What the dead hold will be given back, and no cycle is left.
    for (const { id } of seen.cycle) segment.patrol(id);
    const again = collect(segment, self);
    if (again !== undefined && isEqual(seen.evidence, again.evidence)) return again.cycle;
  }
}

/** Whose wait of a cycle began last; of several at the same time, the one with the highest id. */
function youngestOf(segment: Segment, cycle: readonly Edge[]): number {
  let youngest = 0;
  let sinceMs = -Infinity;
  for (const { id } of cycle) {
    const began = segment.words.loadNumber(agentAt(segment, id) + WANTS_SINCE);
    if (began < sinceMs || (began === sinceMs && id < youngest)) continue;
    youngest = id;
    sinceMs = began;
  }
  return youngest;
}

/** All cycles there are, each once; changes nothing. */
export function findCycles(segment: Segment): Edge[][] {
  const cycles: Edge[][] = [];
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    if (cycles.some((cycle) => cycle.some((edge) => edge.id === id))) continue;
    const seen = collect(segment, id);
    const again = seen && collect(segment, id);
    if (again !== undefined && isEqual(seen!.evidence, again.evidence)) cycles.push(again.cycle);
  }
  return cycles;
}

/** Whether the one holder of what an agent waits for is not blocked: what is so nearly always, told by few words. */
function holderRuns(segment: Segment, id: number): boolean {
  const { words } = segment;
  const wants = words.load(agentAt(segment, id) + WANTS);
  // It may not have come to publish yet, or is about to go on.
  if (wants === 0 || wants & SIGNALLED) return true;
  const at = slotAt(segment, wants - 1);
  if (isSemaphore(words, at) || isRwlock(words, at)) return false;
  const owner = words.load(at) & OWNER;
  return owner === 0 || !isBlocked(segment, owner);
}

function isEqual(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

/** A cycle through an agent, with all that was read in finding it. */
interface Collection {
  readonly cycle: Edge[];
  readonly evidence: readonly number[];
}

function collect(segment: Segment, start: number): Collection | undefined {
  const evidence: number[] = [];
  const wanted = new Map<number, number>();
  const cycle = cycleThrough(start, (id) => {
    const wants = segment.words.load(agentAt(segment, id) + WANTS);
    if (wants === 0 || wants & SIGNALLED) return undefined;
    const wait = waitFor(segment, id, wants - 1);
    if (wait === undefined) return undefined;
    evidence.push(id, wants, ticketOf(segment, id), wait.needed, ...wait.holders, ...wait.shares);
    wanted.set(id, wants - 1);
    return wait;
  });
  return cycle && { cycle: cycle.map((id) => ({ id, slotNumber: wanted.get(id)! })), evidence };
}

/** What the wait of a thread for a slot depends on; `undefined`: it has been granted, or will be without anybody's doing. */
function waitFor(segment: Segment, id: number, number: number): Wait | undefined {
  const at = slotAt(segment, number);
  const word = segment.words.load(at);
  const owner = word & OWNER;
  if (word & CLOSED) return undefined;
  if (isRwlock(segment.words, at)) return waitForRwlock(segment, at, id, word);
  if (owner === id) return undefined;
  if (isSemaphore(segment.words, at)) return waitForPermits(segment, at, amountOf(segment, id));
  return owner === 0 || word & HANDED ? undefined : { needed: 1, holders: [owner], shares: [1] };
}

function waitForRwlock(segment: Segment, at: number, id: number, word: number): Wait | undefined {
  const owner = word & OWNER;
  const lets = amountOf(segment, id) === SHARED ? word & UPGRADABLE : 0;
  if (owner === 0 || lets) return undefined;
  if (owner !== id) return { needed: 1, holders: [owner], shares: [1] };
  return word & DRAINING ? waitForReaders(segment, at, id) : undefined;
}

/** All that read. One that is itself blocked on the lock only looks whether it may: it does not read. */
function waitForReaders(segment: Segment, at: number, drainer: number): Wait | undefined {
  const holders: number[] = [];
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    if (id !== drainer && isReading(segment, at, id) && !isBlockedOn(segment, at, id)) holders.push(id);
  }
  return holders.length > 0 ? { needed: holders.length, holders, shares: holders.map(() => 1) } : undefined;
}

function waitForPermits(segment: Segment, at: number, amount: number): Wait | undefined {
  const holders: number[] = [];
  const shares: number[] = [];
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    const held = heldBy(segment, at, id);
    if (held === 0) continue;
    holders.push(id);
    shares.push(held);
  }
  const needed = amount - freePermits(segment, at);
  return needed > 0 ? { needed, holders, shares } : undefined;
}
