/** What a slot looks like now, read without its cooperation. */
import { agent, CLOSED, DIED, DRAINING, HANDED, header, mask, OWNER, primitives, SHARED, slot, UPGRADABLE } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { threadOf } from '../raw/agents.js';
import { isBlockedOn } from '../raw/queue.js';
import { isReading } from '../raw/rwlock.js';
import type { LockMode } from '../contract/lock.js';
import { agentAt, type Segment, slotAt } from '../shm/segment.js';

const row = agent.fields;
const word = slot.fields;
const PRIMITIVE = mask(word.kind.bits.primitive);

/** A thread as a status names it. */
export interface ThreadStatus {
  /** `threadId` of the worker; 0 is the main thread. */
  readonly threadId: number;
}

/** Who holds, and for how long. */
export interface HolderStatus extends ThreadStatus {
  readonly mode: LockMode;
  /** How long it has held, ms; a lower bound unless `heldSinceKnown`. */
  readonly heldForMs: number;
  readonly heldSinceKnown: boolean;
}

/** Who is blocked, and for how long. */
export interface WaiterStatus extends ThreadStatus {
  readonly mode: LockMode;
  readonly waitedMs: number;
}

/** State, holders and queue of a lock. */
export interface SlotStatus {
  readonly state: 'free' | 'held' | 'handed' | 'inconsistent' | 'closed';
  readonly holders: readonly HolderStatus[];
  /** Blocked threads, in queue order. */
  readonly waiters: readonly WaiterStatus[];
}

/** Reads a slot. What moves while it is read may be torn; a holder that changed meanwhile is left out. */
export function readStatus(segment: Segment, slotNumber: number): SlotStatus {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const value = words.load(at + word.word.at);
  const token = words.loadNumber(at + word.token.at);
  const waiters = readWaiters(segment, at);
  const owner = value & OWNER;
  const state = value & CLOSED ? 'closed' : value & DIED ? 'inconsistent' : value & HANDED ? 'handed' : owner === 0 ? 'free' : 'held';
  if (isOfRwlock(segment, at) && (owner === 0 || value & (DRAINING | UPGRADABLE))) return readShared(segment, at, value, waiters);
  if (owner === 0 || value & HANDED) return { state, holders: [], waiters: waiters.map(toStatus) };
  const holder = { threadId: threadOf(segment, owner), mode: 'exclusive' as const, ...readHold(segment, at, token, waiters) };
  // A thread that has left, or whose recovery is done, is −1.
  const unchanged = holder.threadId >= 0 && (words.load(at + word.word.at) & OWNER) === owner && words.loadNumber(at + word.token.at) === token;
  return { state, holders: unchanged ? [holder] : [], waiters: waiters.map(toStatus) };
}

/** Of an rwlock that nobody writes under: the upgradable owner, and all who read. Since when is noted nowhere. */
function readShared(segment: Segment, at: number, value: number, waiters: readonly Waiter[]): SlotStatus {
  const high = segment.words.load(segment.header + header.fields.agentHigh.at);
  const holders: HolderStatus[] = [];
  for (let id = 1; id <= high; id++) {
    const owns = value & UPGRADABLE && (value & OWNER) === id;
    if (owns || isReading(segment, at, id)) holders.push({ threadId: threadOf(segment, id), mode: 'shared', heldForMs: 0, heldSinceKnown: false });
  }
  const state = value & CLOSED ? 'closed' : value & DIED ? 'inconsistent' : holders.length === 0 ? 'free' : 'held';
  return { state, holders: holders.filter(({ threadId }) => threadId >= 0), waiters: waiters.map(toStatus) };
}

interface Waiter extends ThreadStatus {
  readonly mode: LockMode;
  readonly ticket: number;
  readonly sinceMs: number;
  readonly token: number;
}

function readWaiters(segment: Segment, slotAddress: number): Waiter[] {
  const { words } = segment;
  const isRwlock = isOfRwlock(segment, slotAddress);
  const high = words.load(segment.header + header.fields.agentHigh.at);
  const waiters: Waiter[] = [];
  for (let id = 1; id <= high; id++) {
    if (!isBlockedOn(segment, slotAddress, id)) continue;
    const at = agentAt(segment, id);
    const ticket = words.load(at + row.ticket.at);
    const sinceMs = words.loadNumber(at + row.wantsSince.at);
    const token = words.loadNumber(at + row.wantsToken.at);
    waiters.push({ threadId: threadOf(segment, id), mode: isRwlock && words.load(at + row.wantsMode.at) === SHARED ? 'shared' : 'exclusive', ticket, sinceMs, token });
  }
  return waiters.sort((a, b) => (a.ticket - b.ticket) | 0);
}

function isOfRwlock(segment: Segment, slotAddress: number): boolean {
  return (segment.words.load(slotAddress + word.kind.at) & PRIMITIVE) === primitives.rwlock;
}

function toStatus({ threadId, mode, sinceMs }: Waiter): WaiterStatus {
  return { threadId, mode, waitedMs: Math.max(0, now() - sinceMs) };
}

/** The owner notes when it began if it had to sleep for the lock; else a waiter that found this very hold bears witness. */
function readHold(segment: Segment, at: number, token: number, waiters: readonly Waiter[]) {
  const { words } = segment;
  const since = words.loadNumber(at + word.since.at);
  if (words.loadNumber(at + word.sinceToken.at) === token) return { heldForMs: Math.max(0, now() - since), heldSinceKnown: true };
  const witnesses = waiters.filter((waiter) => waiter.token === token).map((waiter) => waiter.sinceMs);
  return { heldForMs: witnesses.length === 0 ? 0 : Math.max(0, now() - Math.min(...witnesses)), heldSinceKnown: false };
}
