/** What a slot looks like now, read without its cooperation. */
import { agent, breaks, CLOSED, DIED, DRAINING, HANDED, header, OWNER, SHARED, slot, UPGRADABLE } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import type { LockMode } from '../contract/lock.js';
import { threadOf } from '../raw/agents.js';
import { arrivedIn, breakerIn, isBarrier, partiesOf, reasonIn, tallyOf } from '../raw/barrier.js';
import { isGate, isLatch, isSet, leftOf } from '../raw/gate.js';
import { amountOf, isBlockedOn } from '../raw/queue.js';
import { isReading, isRwlock } from '../raw/rwlock.js';
import * as ring from '../raw/ring.js';
import { heldBy, isSemaphore, permitsOf } from '../raw/semaphore.js';
import { isCondition } from '../raw/signal.js';
import { agentAt, type Segment, slotAt } from '../shm/segment.js';

const row = agent.fields;
const word = slot.fields;

/** A thread as a status names it. */
export interface ThreadStatus {
  /** `threadId` of the worker; 0 is the main thread. */
  readonly threadId: number;
}

/** Who holds, and for how long. */
export interface HolderStatus extends ThreadStatus {
  /** Of an rwlock: how it holds; `'shared'` is one that reads, upgradable or not. */
  readonly mode?: LockMode;
  /** How long it has held, ms; a lower bound unless `heldSinceKnown`. */
  readonly heldForMs: number;
  readonly heldSinceKnown: boolean;
  /** Of a semaphore: how many it holds; since when is not known. */
  readonly permits?: number;
}

/** Who is blocked, and for how long. */
export interface WaiterStatus extends ThreadStatus {
  /** Of an rwlock: for what it waits; to become upgradable counts as `'exclusive'`. */
  readonly mode?: LockMode;
  readonly waitedMs: number;
  /** Of a semaphore: how many it waits for. */
  readonly permits?: number;
  /** Of a queue: to pop or to push. */
  readonly wants?: 'item' | 'room';
}

/** Why a barrier is broken: somebody who waited gave up or died, or somebody has called `reset()` or `abort()`. */
export interface BarrierBreak {
  readonly why: 'timed out' | 'was cancelled' | 'died' | 'reset it' | 'aborted it';
  /** Of which thread; left out if its number is too large to be kept. */
  readonly threadId?: number;
}

const whys: Readonly<Record<number, BarrierBreak['why']>> = {
  [breaks.timeout]: 'timed out',
  [breaks.cancelled]: 'was cancelled',
  [breaks.died]: 'died',
  [breaks.reset]: 'reset it',
  [breaks.aborted]: 'aborted it',
};

/** State, holders and queue of a lock. */
export interface SlotStatus {
  /** Of a semaphore or an rwlock: `'held'` while anybody holds a permit, or reads. */
  readonly state: 'free' | 'held' | 'handed' | 'inconsistent' | 'closed';
  /** Of a semaphore: those with most permits first. */
  readonly holders: readonly HolderStatus[];
  /** Blocked threads, in queue order. */
  readonly waiters: readonly WaiterStatus[];
  /** Of a semaphore: permits in all, and those that nobody holds. */
  readonly permits?: { readonly total: number; readonly available: number };
  /** Of a latch: what is still to be counted down. */
  readonly left?: number;
  /** Of a barrier: how many have come, of how many; or why it is broken, and by which thread, if that can be said. */
  readonly meeting?: { readonly parties: number; readonly waiting: number; readonly broken?: BarrierBreak };
  /** Of an event. */
  readonly isSet?: boolean;
  /** Of a queue: how many there are and how many there is room for. Its state is `'closed'` once nothing is pushed any more. */
  readonly items?: { readonly length: number; readonly capacity: number };
}

/** Reads a slot. What moves while it is read may be torn; a holder that changed meanwhile is left out. */
export function readStatus(segment: Segment, slotNumber: number): SlotStatus {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const value = words.load(at + word.word.at);
  const token = words.loadNumber(at + word.token.at);
  const waiters = readWaiters(segment, at);
  if (ring.isQueue(words, at)) return readItems(segment, at, value, waiters);
  if (isSemaphore(words, at)) return readPermits(segment, at, value, waiters);
  if (isBarrier(words, at)) {
    const tally = tallyOf(segment, at);
    const why = whys[reasonIn(tally)];
    const threadId = breakerIn(tally);
    const broken = why && { why, ...(threadId >= 0 && { threadId }) };
    const meeting = { parties: partiesOf(segment, at), waiting: arrivedIn(tally), ...(broken && { broken }) };
    return { state: value & CLOSED ? 'closed' : 'free', holders: [], waiters: waiters.map(toStatus), meeting };
  }
  if (isGate(words, at)) {
    const facts = isLatch(words, at) ? { left: leftOf(segment, at) } : { isSet: isSet(segment, at) };
    return { state: value & CLOSED ? 'closed' : 'free', holders: [], waiters: waiters.map(toStatus), ...facts };
  }
  // Of a condition nobody is the owner but for a moment, to count.
  if (isCondition(words, at)) return { state: value & CLOSED ? 'closed' : 'free', holders: [], waiters: waiters.map(toStatus) };
  const owner = value & OWNER;
  const state = value & CLOSED ? 'closed' : value & DIED ? 'inconsistent' : value & HANDED ? 'handed' : owner === 0 ? 'free' : 'held';
  if (isRwlock(words, at) && (owner === 0 || value & (DRAINING | UPGRADABLE))) return readReaders(segment, at, value, waiters);
  if (owner === 0 || value & HANDED) return { state, holders: [], waiters: waiters.map(toStatus) };
  const holder = { threadId: threadOf(segment, owner), ...(isRwlock(words, at) && { mode: 'exclusive' as const }), ...readHold(segment, at, token, waiters) };
  // A thread that has left, or whose recovery is done, is −1.
  const unchanged = holder.threadId >= 0 && (words.load(at + word.word.at) & OWNER) === owner && words.loadNumber(at + word.token.at) === token;
  return { state, holders: unchanged ? [holder] : [], waiters: waiters.map(toStatus) };
}

/** Of an rwlock that nobody writes under: all who read. Since when is noted nowhere. */
function readReaders(segment: Segment, at: number, value: number, waiters: readonly Waiter[]): SlotStatus {
  const high = segment.words.load(segment.header + header.fields.agentHigh.at);
  const holders: HolderStatus[] = [];
  for (let id = 1; id <= high; id++) {
    const isUpgradable = (value & UPGRADABLE) !== 0 && (value & OWNER) === id;
    const threadId = threadOf(segment, id);
    if ((isUpgradable || isReading(segment, at, id)) && threadId >= 0) holders.push({ threadId, mode: 'shared', heldForMs: 0, heldSinceKnown: false });
  }
  const state = value & CLOSED ? 'closed' : value & DIED ? 'inconsistent' : holders.length === 0 ? 'free' : 'held';
  return { state, holders, waiters: waiters.map(toStatus) };
}

function readPermits(segment: Segment, at: number, value: number, waiters: readonly Waiter[]): SlotStatus {
  const total = permitsOf(segment.words, at);
  const high = segment.words.load(segment.header + header.fields.agentHigh.at);
  const holders: HolderStatus[] = [];
  let available = total;
  for (let id = 1; id <= high; id++) {
    const permits = heldBy(segment, at, id);
    if (permits === 0) continue;
    available -= permits;
    holders.push({ threadId: threadOf(segment, id), heldForMs: 0, heldSinceKnown: false, permits });
  }
  holders.sort((a, b) => b.permits! - a.permits!);
  const state = value & CLOSED ? 'closed' : holders.length === 0 ? 'free' : 'held';
  const wanting = waiters.map((waiter) => ({ ...toStatus(waiter), permits: waiter.amount }));
  // Permits that changed hands while this was read may be counted twice.
  return { state, holders, waiters: wanting, permits: { total, available: Math.max(0, available) } };
}

function readItems(segment: Segment, slotAddress: number, value: number, popping: readonly Waiter[]): SlotStatus {
  const { words } = segment;
  const at = ring.ringOf(words, slotAddress);
  // Whoever makes it has yet to reserve its storage.
  if (at === 0) return { state: 'free', holders: [], waiters: [], items: { length: 0, capacity: 0 } };
  const pushing = readWaiters(segment, ring.roomOf(segment, at));
  const waiters = [...popping.map((waiter) => ({ ...toStatus(waiter), wants: 'item' as const })), ...pushing.map((waiter) => ({ ...toStatus(waiter), wants: 'room' as const }))];
  const state = value & CLOSED || ring.hasEnded(words, at) ? 'closed' : 'free';
  return { state, holders: [], waiters: waiters.sort((a, b) => b.waitedMs - a.waitedMs), items: { length: ring.lengthOf(words, at), capacity: ring.capacityOf(words, at) } };
}

interface Waiter extends ThreadStatus {
  readonly ticket: number;
  readonly sinceMs: number;
  readonly token: number;
  readonly amount: number;
  readonly mode: LockMode | undefined;
}

function readWaiters(segment: Segment, slotAddress: number): Waiter[] {
  const { words } = segment;
  const high = words.load(segment.header + header.fields.agentHigh.at);
  const hasModes = isRwlock(words, slotAddress);
  const waiters: Waiter[] = [];
  for (let id = 1; id <= high; id++) {
    if (!isBlockedOn(segment, slotAddress, id)) continue;
    const at = agentAt(segment, id);
    const ticket = words.load(at + row.ticket.at);
    const sinceMs = words.loadNumber(at + row.wantsSince.at);
    const token = words.loadNumber(at + row.wantsToken.at);
    const amount = amountOf(segment, id);
    const mode = hasModes ? (amount === SHARED ? 'shared' : 'exclusive') : undefined;
    waiters.push({ threadId: threadOf(segment, id), ticket, sinceMs, token, amount, mode });
  }
  return waiters.sort((a, b) => (a.ticket - b.ticket) | 0);
}

function toStatus({ threadId, sinceMs, mode }: Waiter): WaiterStatus {
  return { threadId, ...(mode && { mode }), waitedMs: Math.max(0, now() - sinceMs) };
}

/** The owner notes when it began if it had to sleep for the lock; else a waiter that found this very hold bears witness. */
function readHold(segment: Segment, at: number, token: number, waiters: readonly Waiter[]) {
  const { words } = segment;
  const since = words.loadNumber(at + word.since.at);
  if (words.loadNumber(at + word.sinceToken.at) === token) return { heldForMs: Math.max(0, now() - since), heldSinceKnown: true };
  const witnesses = waiters.filter((waiter) => waiter.token === token).map((waiter) => waiter.sinceMs);
  return { heldForMs: witnesses.length === 0 ? 0 : Math.max(0, now() - Math.min(...witnesses)), heldSinceKnown: false };
}
