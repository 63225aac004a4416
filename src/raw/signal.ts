/**
 * Waiting for a signal, and signalling so many of those who wait. What a condition is made of, and an event that resets itself; and how
 * all wait that wait for something that no lock word says.
 *
 * Word. `agent.wants` of a thread that waits: the slot, SIGNALLED. `cell.hold` of an agent whose flows wait: how many of them are not
 * signalled, and how many signals none of them has taken yet. `slot.word`: CLOSED.
 *
 * States. Of a row: #1 none: 0. #2 waiting: slot. #3 signalled: slot + SIGNALLED. Of a cell: #4 waiting flows, signals.
 *
 * Transitions.
 *   #1 → #2 `publishRow` of queue.ts. #2 → #3 `markRow`, by one who signals. #3 → #1, #2 → #1 `withdraw`, by the one who waits; `clearRow` by its
 *   recoverer.
 *   #4: one more waits: `joinFlow`; one of them is signalled: `markFlow`; a signal is taken: `takeForFlow`; one gives up: `leaveFlow`; none, no
 *   signals: `recoverCondition`, of a dead agent; `recoverSignals`.
 *
 * Invariants. INV-verdict: whether a waiter was signalled or gave up is decided by one compare-exchange, so no signal goes to one
 * who has given up. INV-count: `signal` ends as many waits as it says, those of the oldest tickets first; the flows of one agent stand
 * where the oldest of them does. INV-release: who waits with a mutex has published its row before it releases it.
 * INV-everybody: after any death all who wait for a condition are signalled: the dead one may have changed what they wait for and not come to
 * say so, or have taken a signal that was meant for one of them.
 *
 * Order. Waiter: publish the row, then release the mutex; who signals: acquire the mutex, change the data, then read the rows. So the
 * waiter has seen the change, or its row is seen. Waiter: count its wakes, then look at its row; who signals: write the row, then
 * wake. Closer: set CLOSED, then read the rows; waiter: publish, then read CLOSED. A row that is withdrawn and published anew while somebody is
 * about to mark it gets the mark: it waits as well.
 */
import { agent, cell, CLOSED, mask, ONE_SIGNAL, primitives, SIGNALLED, slot, WAITING_FLOWS } from '../../native-layout/index.js';
import { park, ring, unpark, wakesOf } from '../park/park.js';
import { agentAt, cellAt, type Segment, slotAt, slotNumber } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, type Interrupt, INTERRUPTED, release, SHUT, TIMED_OUT, tryRelease } from './mutex.js';
import { clearRow, highestAgent, isBlockedOn, isOlder, nextTicket, publishRow, ticketOf, ticketOfFlows } from './queue.js';

const WANTS = agent.fields.wants.at;
const HOLD = cell.fields.hold.at;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);

/** The outcome of a wait that was ended as it should be. */
export const DONE = 1;
/** It found what it waited for, and was signalled as well. */
export const TWICE = 2;

/** Looks whether what is waited for has come; BUSY if not. */
export type Look = (segment: Segment, slotAddress: number, wish: number) => number;

/** Of a condition: only a signal ends the wait. */
const nothing: Look = () => BUSY;

/** Whether a slot is a condition. */
export function isCondition(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.condition;
}

/**
 * Releases a mutex, which the calling agent holds, and sleeps until it is signalled, or until `deadline`, or until `interrupt` is requested.
 * `sinceMs` and `deadline` are on the shared clock. DONE, TIMED_OUT, INTERRUPTED or SHUT; the mutex is not acquired again.
 */
export function waitReleasing(
  segment: Segment,
  slotAddress: number,
  mutexAddress: number,
  self: number,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  publishRow(segment, slotAddress, self, sinceMs);
  if (!tryRelease(segment.words, mutexAddress, self)) release(segment, mutexAddress, self);
  return waitQueued(segment, slotAddress, self, nothing, 0, deadline, interrupt);
}

/**
 * #2 → #1, #3 → #1: sleeps until the row, which is published, is signalled, or `look` finds what is waited for, or something else ends the
 * wait. What `look` has found, DONE, TWICE, TIMED_OUT, INTERRUPTED or SHUT.
 */
export function waitQueued(
  segment: Segment,
  slotAddress: number,
  self: number,
  look: Look,
  wish: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  const { words } = segment;
  let expired = false;
  let suspect = self;
  for (;;) {
    const seen = wakesOf(segment, self);
    let result = look(segment, slotAddress, wish);
    if (result === BUSY && isBlockedOn(segment, slotAddress, self)) {
      if (words.load(slotAddress) & CLOSED) result = SHUT;
      else if (expired) result = TIMED_OUT;
      else if (interrupt?.requested()) result = INTERRUPTED;
      else {
        suspect = nextSuspect(segment, suspect);
        if (park(segment, self, seen, deadline, suspect) === 'timed-out') expired = true;
        continue;
      }
    }
    if (withdraw(segment, slotAddress, self)) return result;
    return result === DONE ? TWICE : DONE;
  }
}

/** #2 → #1, #3 → #1. `false`: it was signalled before. */
export function withdraw(segment: Segment, slotAddress: number, self: number): boolean {
  const row = slotNumber(segment, slotAddress) + 1;
  if (segment.words.compareExchange(agentAt(segment, self) + WANTS, row, 0) === row) return true;
  clearRow(segment, self);
  return false;
}

/** The next agent after `last` to see whether it lives: any may be the one who was to signal. 0 = none. */
export function nextSuspect(segment: Segment, last: number): number {
  return segment.patrolMs === Infinity ? 0 : (last % highestAgent(segment)) + 1;
}

/** Whether anybody waits who is not signalled. */
export function isUnsignalled(segment: Segment, slotAddress: number): boolean {
  return firstWaiting(segment, slotAddress, nextTicket(segment, slotAddress)) !== 0;
}

/** Ends so many waits that have begun, the oldest first. How many there were to end. */
export function signal(segment: Segment, slotAddress: number, count: number): number {
  // Whoever comes later is not meant; so there is an end.
  const until = nextTicket(segment, slotAddress);
  let done = 0;
  while (done < count) {
    const first = firstWaiting(segment, slotAddress, until);
    if (first === 0) break;
    if (first > 0 ? markRow(segment, slotAddress, first) : markFlows(segment, slotAddress, -first, 1) > 0) done++;
  }
  return done;
}

/** Ends all waits. How many there were. */
export function signalAll(segment: Segment, slotAddress: number): number {
  const high = highestAgent(segment);
  let done = 0;
  for (let id = 1; id <= high; id++) {
    if (isBlockedOn(segment, slotAddress, id) && markRow(segment, slotAddress, id)) done++;
    done += markFlows(segment, slotAddress, id, WAITING_FLOWS);
  }
  return done;
}

/** Who has waited longest, of those with tickets older than `until`: an agent whose thread does, or, negative, one whose flows do. 0 = nobody. */
function firstWaiting(segment: Segment, slotAddress: number, until: number): number {
  const high = highestAgent(segment);
  let first = 0;
  let oldest = until;
  for (let id = 1; id <= high; id++) {
    if (isBlockedOn(segment, slotAddress, id)) {
      const ticket = ticketOf(segment, id);
      if (isOlder(ticket, oldest)) {
        first = id;
        oldest = ticket;
      }
    }
    // Read first: most agents have no flows there.
    if ((segment.words.load(holdAt(segment, slotAddress, id)) & WAITING_FLOWS) === 0) continue;
    const flow = ticketOfFlows(segment, slotAddress, id);
    if (!isOlder(flow, oldest)) continue;
    first = -id;
    oldest = flow;
  }
  return first;
}

/** #2 → #3. A store would signal one who has given up, or published another row, meanwhile. */
function markRow(segment: Segment, slotAddress: number, id: number): boolean {
  const row = slotNumber(segment, slotAddress) + 1;
  if (segment.words.compareExchange(agentAt(segment, id) + WANTS, row, row | SIGNALLED) !== row) return false;
  unpark(segment, id);
  return true;
}

/** #4: signals so many flows of an agent at most. How many it were. */
function markFlows(segment: Segment, slotAddress: number, id: number, most: number): number {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, id);
  for (;;) {
    const hold = words.load(at);
    const count = Math.min(hold & WAITING_FLOWS, most);
    if (count === 0) return 0;
    if (words.compareExchange(at, hold, (hold - count + count * ONE_SIGNAL) | 0) !== hold) continue;
    ring(segment, id);
    return count;
  }
}

/** #4: one more flow of the calling agent waits; the ticket of the oldest is in the cell. */
export function joinFlow(segment: Segment, slotAddress: number, self: number): void {
  segment.words.add(holdAt(segment, slotAddress, self), 1);
}

/** #4: takes a signal for the oldest flow of the calling agent. DONE, BUSY or SHUT. */
export function takeForFlow(segment: Segment, slotAddress: number, self: number): number {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, self);
  // Only this agent takes signals away.
  if ((words.load(at) & ~WAITING_FLOWS) === 0) return words.load(slotAddress) & CLOSED ? SHUT : BUSY;
  words.add(at, -ONE_SIGNAL);
  return DONE;
}

/** #4: a flow of the calling agent gives up. `false`: all of them had been signalled before, and so was this one. */
export function leaveFlow(segment: Segment, slotAddress: number, self: number): boolean {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, self);
  for (;;) {
    const hold = words.load(at);
    const waits = (hold & WAITING_FLOWS) !== 0;
    if (words.compareExchange(at, hold, waits ? hold - 1 : (hold - ONE_SIGNAL) | 0) === hold) return waits;
  }
}

function holdAt(segment: Segment, slotAddress: number, id: number): number {
  return cellAt(segment, id, slotNumber(segment, slotAddress)) + HOLD;
}

/** After the death of an agent whose row is cleared: nobody waits for it any more, and all others look again. */
export function recoverCondition(segment: Segment, slotAddress: number, dead: number): void {
  const at = holdAt(segment, slotAddress, dead);
  // Read first: most cells have never been touched, and need not become resident.
  if (segment.words.load(at) !== 0) segment.words.store(at, 0);
  signalAll(segment, slotAddress);
}

/**
 * After the death of an agent: nobody waits for it any more. How many signals it had that it did not take; `forget` afterwards, when they are
 * passed on, so that they are found again if this recoverer dies.
 */
export function recoverSignals(segment: Segment, slotAddress: number, dead: number): number {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, dead);
  for (;;) {
    const hold = words.load(at);
    const waiting = hold & WAITING_FLOWS;
    if (waiting === 0 || words.compareExchange(at, hold, hold - waiting) === hold) return (hold - waiting) / ONE_SIGNAL;
  }
}

/** Ends what `recoverSignals` began. */
export function forgetSignals(segment: Segment, slotAddress: number, dead: number): void {
  segment.words.store(holdAt(segment, slotAddress, dead), 0);
}

/** The address of the slot that the thread of an agent waits for, whether it was signalled or not; 0 = none. */
export function slotOfRow(segment: Segment, id: number): number {
  const row = segment.words.load(agentAt(segment, id) + WANTS) & ~SIGNALLED;
  return row === 0 ? 0 : slotAt(segment, row - 1);
}

/**
 * After the death of an agent: its thread is signalled no more. The address of the slot whose signal it did not take, or 0; the row is to be
 * cleared when that is passed on.
 */
export function withdrawDead(segment: Segment, dead: number): number {
  const { words } = segment;
  const at = agentAt(segment, dead) + WANTS;
  for (;;) {
    const row = words.load(at);
    if (row & SIGNALLED) return slotAt(segment, (row & ~SIGNALLED) - 1);
    if (words.compareExchange(at, row, 0) === row) return 0;
  }
}
