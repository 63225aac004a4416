/**
 * Who waits for a slot. Nothing is linked, so a death leaves at most one stale row behind.
 *
 * Word. `agent.wants` with `agent.ticket`: the slot that the agent's thread is blocked on, and its place. `cell.interest`: the
 * place of the oldest asynchronous flow of an agent, per slot. Tickets are odd and grow by 2, so 0 is no ticket.
 *
 * States. #1 no interest. #2 row or cell published.
 *
 * Transitions. #1 → #2 `publishRow`, `publishCell`. #2 → #1 `clearRow`, `clearCell`, by the agent, or by the recoverer of a dead one.
 *
 * Invariants. INV-row: the ticket of a published row is not written. INV-look: an agent that has published looks at the lock word
 * before it sleeps and again after it has cleared.
 *
 * Order. A waiter publishes, then reads the lock word; a releaser writes the lock word, then reads the rows. So at least one of
 * them sees the other.
 */
import { agent, cell, EXCLUSIVE, header, SHARED, slot } from '../../native-layout/index.js';
import { ring, unpark } from '../park/park.js';
import { agentAt, cellAt, slotNumber, type Segment } from '../shm/segment.js';

const WANTS = agent.fields.wants.at;
const TICKET = agent.fields.ticket.at;
const AMOUNT = agent.fields.amount.at;
const WANTS_SINCE = agent.fields.wantsSince.at;
const WANTS_TOKEN = agent.fields.wantsToken.at;
const INTEREST = cell.fields.interest.at;
const TICKETS = slot.fields.tickets.at;
const TOKEN = slot.fields.token.at;
const AGENT_HIGH = header.fields.agentHigh.at;
const TICKET_STEP = 2;

// Besides tickets, which are odd.
/** Of one that is not queued: everybody is before it. */
export const NEWCOMER = 0;
/** Nobody is before it. */
export const OUT_OF_TURN = 2;

/** Takes the next place in the queue of a slot. */
export function takeTicket(segment: Segment, slotAddress: number): number {
  return segment.words.add(slotAddress + TICKETS, TICKET_STEP) + 1;
}

/** A ticket that is younger than all that were given so far. */
export function nextTicket(segment: Segment, slotAddress: number): number {
  return segment.words.load(slotAddress + TICKETS) + 1;
}

/** Whether the first of two tickets is the older one; right across the wrap. */
export function isOlder(ticket: number, than: number): boolean {
  return ((ticket - than) | 0) < 0;
}

/** #1 → #2 for the calling thread, with a new ticket. `sinceMs` on the shared clock is for those who watch. */
export function publishRow(segment: Segment, slotAddress: number, self: number, sinceMs: number): void {
  const { words } = segment;
  const row = agentAt(segment, self);
  words.store(row + TICKET, takeTicket(segment, slotAddress));
  words.storeNumber(row + WANTS_SINCE, sinceMs);
  words.storeNumber(row + WANTS_TOKEN, words.loadNumber(slotAddress + TOKEN));
  words.store(row + WANTS, slotNumber(segment, slotAddress) + 1);
}

/** What a row asks for, besides the slot; before `publishRow`. */
export function writeAmount(segment: Segment, self: number, amount: number): void {
  segment.words.store(agentAt(segment, self) + AMOUNT, amount);
}

export function amountOf(segment: Segment, id: number): number {
  return segment.words.load(agentAt(segment, id) + AMOUNT);
}

export function ticketOf(segment: Segment, id: number): number {
  return segment.words.load(agentAt(segment, id) + TICKET);
}

/** #2 → #1. */
export function clearRow(segment: Segment, id: number): void {
  segment.words.store(agentAt(segment, id) + WANTS, 0);
}

/** Whether the thread of an agent is blocked on a slot, or about to be. */
export function isBlockedOn(segment: Segment, slotAddress: number, id: number): boolean {
  return segment.words.load(agentAt(segment, id) + WANTS) === slotNumber(segment, slotAddress) + 1;
}

/** Whether the thread of an agent is blocked on any slot, or about to be. */
export function isBlocked(segment: Segment, id: number): boolean {
  return segment.words.load(agentAt(segment, id) + WANTS) !== 0;
}

/** #1 → #2 for the calling agent's flows, or the next flow takes the place of one that left. */
export function publishCell(segment: Segment, slotAddress: number, self: number, ticket: number): void {
  segment.words.store(cellAt(segment, self, slotNumber(segment, slotAddress)) + INTEREST, ticket);
}

/** #2 → #1. */
export function clearCell(segment: Segment, slotAddress: number, id: number): void {
  publishCell(segment, slotAddress, id, 0);
}

/** Whether flows of an agent wait for a slot. */
export function hasFlows(segment: Segment, slotAddress: number, id: number): boolean {
  return ticketOfFlows(segment, slotAddress, id) !== 0;
}

export function ticketOfFlows(segment: Segment, slotAddress: number, id: number): number {
  return segment.words.load(cellAt(segment, id, slotNumber(segment, slotAddress)) + INTEREST);
}

export function highestAgent(segment: Segment): number {
  return segment.words.load(segment.header + AGENT_HIGH);
}

/** The blocked thread with the oldest ticket, 0 = none. */
export function firstBlocked(segment: Segment, slotAddress: number): number {
  const high = highestAgent(segment);
  let first = 0;
  let oldest = 0;
  for (let id = 1; id <= high; id++) {
    if (!isBlockedOn(segment, slotAddress, id)) continue;
    const ticket = segment.words.load(agentAt(segment, id) + TICKET);
    if (first !== 0 && !isOlder(ticket, oldest)) continue;
    first = id;
    oldest = ticket;
  }
  return first;
}

/** Whether some agent's flows wait for the slot with an older ticket than the row of agent `id`. */
export function flowIsBefore(segment: Segment, slotAddress: number, id: number): boolean {
  const ticket = segment.words.load(agentAt(segment, id) + TICKET);
  const high = highestAgent(segment);
  for (let other = 1; other <= high; other++) {
    const flow = ticketOfFlows(segment, slotAddress, other);
    if (flow !== 0 && isOlder(flow, ticket)) return true;
  }
  return false;
}

/** Whether a thread is blocked on the slot with an older ticket. */
export function threadWaitsBefore(segment: Segment, slotAddress: number, ticket: number): boolean {
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) if (isBlockedOn(segment, slotAddress, id) && isOlder(ticketOf(segment, id), ticket)) return true;
  return false;
}

/** Whether flows of another agent than `self` wait for the slot with an older ticket, which is itself not older than `since`. */
export function flowWaitsBefore(segment: Segment, slotAddress: number, self: number, ticket: number, since: number): boolean {
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    const flow = id === self ? 0 : ticketOfFlows(segment, slotAddress, id);
    if (flow !== 0 && isOlder(flow, ticket) && !isOlder(flow, since)) return true;
  }
  return false;
}

/** Whether anybody waits for the slot. */
export function isAwaited(segment: Segment, slotAddress: number): boolean {
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    if (isBlockedOn(segment, slotAddress, id) || hasFlows(segment, slotAddress, id)) return true;
  }
  return false;
}

/**
 * Wakes those who shall compete for a slot that has become free: the first blocked thread, and every event loop that waits.
 * An event loop may be busy for a long time, so it is never the only one to be woken. Were only some event loops woken, the baton
 * that flows take and leave in mutex.ts, superfluous as it is now, would matter.
 */
export function wakeNext(segment: Segment, slotAddress: number): void {
  const first = firstBlocked(segment, slotAddress);
  if (first !== 0) unpark(segment, first);
  wakeFlows(segment, slotAddress);
}

/** Whether a thread is blocked on the slot with an older ticket: 0 or its agent. */
export function blockedBefore(segment: Segment, slotAddress: number, ticket: number): number {
  if (ticket === OUT_OF_TURN) return 0;
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    if (isBlockedOn(segment, slotAddress, id) && (ticket === NEWCOMER || isOlder(ticketOf(segment, id), ticket))) return id;
  }
  return 0;
}

/**
 * Wakes those whose turn it is to take an rwlock that has become free: the threads that are blocked for a shared hold before the first
 * that is for an exclusive one, or else that one; and every event loop that waits.
 */
export function wakeTurn(segment: Segment, slotAddress: number): void {
  const high = highestAgent(segment);
  const writer = firstExclusive(segment, slotAddress);
  let readers = 0;
  for (let id = 1; id <= high; id++) {
    if (!isBlockedOn(segment, slotAddress, id) || amountOf(segment, id) !== SHARED) continue;
    if (writer !== 0 && !isOlder(ticketOf(segment, id), ticketOf(segment, writer))) continue;
    unpark(segment, id);
    readers++;
  }
  if (readers === 0 && writer !== 0) unpark(segment, writer);
  wakeFlows(segment, slotAddress);
}

function firstExclusive(segment: Segment, slotAddress: number): number {
  const high = highestAgent(segment);
  let first = 0;
  for (let id = 1; id <= high; id++) {
    if (!isBlockedOn(segment, slotAddress, id) || amountOf(segment, id) !== EXCLUSIVE) continue;
    if (first === 0 || isOlder(ticketOf(segment, id), ticketOf(segment, first))) first = id;
  }
  return first;
}

/** Wakes everybody who waits for a slot. */
export function wakeAll(segment: Segment, slotAddress: number): void {
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) if (isBlockedOn(segment, slotAddress, id)) unpark(segment, id);
  wakeFlows(segment, slotAddress);
}

/** Wakes every event loop that waits for a slot. */
export function wakeFlows(segment: Segment, slotAddress: number): void {
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) if (hasFlows(segment, slotAddress, id)) ring(segment, id);
}
