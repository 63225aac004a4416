/**
 * The counting semaphore.
 *
 * Word. `cell.hold` of each agent: the permits that it holds, the only truth; how many there are in all stands in `slot.kind`, and
 * nothing counts those that are free. `slot.word`: OWNER (16 bits), the agent that is in the section; WAITERS; CLOSED.
 *
 * States. Of the word: #1 nobody in the section: 0. #2 in the section: owner. #3, #4 the same, waited for: WAITERS, owner + WAITERS.
 * #5 closed: CLOSED (+ any of #1–#4).
 *
 * Transitions.
 *   #1 → #2, #3 → #4 `tryAcquire`, `enter`: to look whether permits are to be had. #1 → #4 `enter` by one that waits.
 *   #2 → #1, #4 → #3 `tryAcquire`, `leave`. #4 → #1 `leave` by one that has found that nobody waits.
 *   #2 → #1, #4 → #3 `recover`: the one in the section is dead. any → #5 `close` of mutex.ts, which serves here too.
 *   hold: more in the section only (`take`); fewer at any time: `release`; 0 `recover`.
 *
 * Invariants. INV-sum: the holds of all agents are never more than the permits: they grow only by one who alone is in the section and
 * has added them up there, and what shrinks meanwhile was counted too much, not too little. INV-own: only its agent writes a hold,
 * in one store, so a death leaves permits held or not held, never half. INV-turn: who takes has found in the section that no older
 * ticket of a thread is published and none of flows that is not late; a thread publishes its ticket in the section.
 * INV-baton: when permits have become free, or the first in the queue has left it, the agent that did so looks afterwards
 * whether the one who is first now can be served, and wakes it; if it dies before, the sweep after its recovery wakes all.
 * INV-late: nobody waits for an event loop for long: threads wait for the turn of older flows for a moment only.
 *
 * Order. Waiter: set WAITERS, publish the row, then add up the holds. Releaser: write the hold, then read WAITERS, then the rows. So the
 * waiter sees the permits, or the releaser sees the waiter. Closer: set CLOSED, then read the rows; waiter: publish, then read the word. Who takes or gives up: clear the row, then add up the holds; so whoever
 * has released for a row that was about to go is made good for by its owner.
 */
import { cell, CLOSED, mask, OWNER, primitives, slot, WAITERS } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { park, pause, unpark, wakesOf } from '../park/park.js';
import { cellAt, slotNumber, type Segment } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, HELD_BY_SELF, type Interrupt, INTERRUPTED, SHUT, TIMED_OUT } from './mutex.js';
import { amountOf, clearCell, clearRow, firstBlocked, flowWaitsBefore, highestAgent, isAwaited, isBlockedOn, nextTicket, publishRow, threadWaitsBefore, ticketOf, ticketOfFlows, wakeFlows, writeAmount } from './queue.js';

const HOLD = cell.fields.hold.at;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const PERMITS = slot.fields.kind.bits.parameter.bit;
const TOKEN = slot.fields.token.at;
const CONTENDED = slot.fields.contended.at;
const LATE = slot.fields.late.at;

export { BUSY, SHUT };

export const ENTERED = 1;
/** Somebody has been in the section for longer than anybody is who runs. */
const NOT_ENTERED = -6;
/** Permits are there, but it is the turn of a flow. */
const HELD_BACK = -7;

/** So long (ms) a thread that could be served leaves older flows their turn; arbitrary, well over what an event loop takes on a busy machine. */
const FLOW_GRACE_MS = 100;
/** Looks at the word in about a microsecond. */
const LOOKS = 30;

/** How one who waits regards older flows: lets them have their turn, or takes it because they let it pass. */
export const IN_TURN = 0;
export const PAST_FLOWS = 1;

/** What acquiring adds to the count of acquisitions that did not get their permits at once. */
export const AT_ONCE = 0;
export const CONTENDING = 1;

/** Whether a slot is a semaphore. */
export function isSemaphore(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.semaphore;
}

/** Permits in all. */
export function permitsOf(words: SharedWords, slotAddress: number): number {
  return words.load(slotAddress + KIND) >>> PERMITS;
}

/** Permits that an agent holds. */
export function heldBy(segment: Segment, slotAddress: number, id: number): number {
  return segment.words.load(holdAt(segment, slotAddress, id));
}

function holdAt(segment: Segment, slotAddress: number, id: number): number {
  return cellAt(segment, id, slotNumber(segment, slotAddress)) + HOLD;
}

/** Permits that nobody holds; outside the section, a moment's view. */
export function freePermits(segment: Segment, slotAddress: number): number {
  const high = highestAgent(segment);
  let free = permitsOf(segment.words, slotAddress);
  for (let id = 1; id <= high; id++) free -= heldBy(segment, slotAddress, id);
  return free;
}

/** Takes permits if nobody waits and nobody is in the section. The token, or 0. */
export function tryAcquire(segment: Segment, slotAddress: number, self: number, amount: number): number {
  const { words } = segment;
  // #1 → #2: WAITERS is clear, so nobody is queued.
  if (words.compareExchange(slotAddress, 0, self) !== 0) return 0;
  const token = freePermits(segment, slotAddress) < amount ? 0 : take(segment, slotAddress, self, amount, AT_ONCE);
  // An atomic add: the manager may be closed meanwhile.
  words.add(slotAddress, -self);
  return token;
}

/** Takes permits if they are to be had now, past nobody who waits, but for late flows and those of the caller's own thread. */
export function attempt(segment: Segment, slotAddress: number, self: number, amount: number, contended: number): number {
  let result = enter(segment, slotAddress, self, 0);
  if (result === ENTERED) {
    result = look(segment, slotAddress, self, amount, nextTicket(segment, slotAddress), IN_TURN, contended);
    leave(segment, slotAddress, self);
  }
  if (result > 0 || result === SHUT) return result;
  // What this thread holds, it can not give back while it is blocked.
  return heldBy(segment, slotAddress, self) + amount > permitsOf(segment.words, slotAddress) ? HELD_BY_SELF : BUSY;
}

/** `attempt` again and again for a few microseconds, as long as nobody is queued. */
export function attemptSpinning(segment: Segment, slotAddress: number, self: number, amount: number): number {
  const { words } = segment;
  for (let untilMs = 0, contended = AT_ONCE; ; contended = CONTENDING) {
    const result = attempt(segment, slotAddress, self, amount, contended);
    if (result !== BUSY || words.load(slotAddress) & WAITERS) return result;
    for (let looks = LOOKS; looks > 0 && freePermits(segment, slotAddress) < amount; ) looks--;
    const nowMs = performance.now();
    if (untilMs === 0) untilMs = nowMs + segment.spinMs;
    if (nowMs >= untilMs) return BUSY;
  }
}

/**
 * Queues, sleeps and looks until the permits are this agent's, or until `deadline`, or until `interrupt` is requested. `sinceMs` and
 * `deadline` are on the shared clock.
 */
export function acquireQueued(
  segment: Segment,
  slotAddress: number,
  self: number,
  amount: number,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  let turn = IN_TURN;
  let isQueued = false;
  let expired = false;
  /** While it is held back; 0 else. Not anew with each wake that comes in between. */
  let graceEnds = 0;
  let suspect = self;
  for (;;) {
    const seen = wakesOf(segment, self);
    let result = enter(segment, slotAddress, self, WAITERS);
    if (result === ENTERED) {
      if (!isQueued) {
        writeAmount(segment, self, amount);
        publishRow(segment, slotAddress, self, sinceMs);
        isQueued = true;
      }
      result = look(segment, slotAddress, self, amount, ticketOf(segment, self), turn, CONTENDING);
      if (result > 0) clearRow(segment, self);
      leave(segment, slotAddress, self);
      if (result > 0) {
        passOn(segment, slotAddress);
        return result;
      }
    }
    if (result !== SHUT) {
      if (expired) result = TIMED_OUT;
      else if (interrupt?.requested()) result = INTERRUPTED;
      else {
        // It has not looked since it was last woken, so it must not sleep.
        if (result === NOT_ENTERED) expired = now() >= deadline;
        else {
          graceEnds = result !== HELD_BACK ? 0 : graceEnds === 0 ? now() + FLOW_GRACE_MS : graceEnds;
          const limit = graceEnds === 0 ? deadline : Math.min(deadline, graceEnds);
          suspect = nextSuspect(segment, slotAddress, suspect);
          if (park(segment, self, seen, limit, suspect) === 'timed-out') {
            if (limit < deadline) turn = PAST_FLOWS;
            else expired = true;
          }
        }
        continue;
      }
    }
    // It may have stood before others who can be served, or have been woken in their place.
    clearRow(segment, self);
    passOn(segment, slotAddress);
    return result;
  }
}

/** One look on behalf of the calling agent's flows, whose cell is published. BUSY: it will be rung. */
export function attemptForFlow(segment: Segment, slotAddress: number, self: number, amount: number, turn: number): number {
  const entered = enter(segment, slotAddress, self, WAITERS);
  if (entered !== ENTERED) return entered === SHUT ? SHUT : BUSY;
  const result = look(segment, slotAddress, self, amount, ticketOfFlows(segment, slotAddress, self), turn, CONTENDING);
  leave(segment, slotAddress, self);
  return result;
}

/** Whether the result of `attemptForFlow` means that only other flows are before it. */
export function isHeldBack(result: number): boolean {
  return result === HELD_BACK;
}

/** Withdraws the interest of the calling agent's flows. */
export function withdrawFlows(segment: Segment, slotAddress: number, self: number): void {
  clearCell(segment, slotAddress, self);
  passOn(segment, slotAddress);
}

/** Gives permits back. `false`: the calling agent holds fewer, and nothing was changed. */
export function release(segment: Segment, slotAddress: number, self: number, amount: number): boolean {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, self);
  const held = words.load(at);
  if (held < amount) return false;
  words.store(at, held - amount);
  if (words.load(slotAddress) & WAITERS) passOn(segment, slotAddress);
  return true;
}

/** Wakes those whose turn it may be, after permits have become free or somebody has left the queue. */
export function passOn(segment: Segment, slotAddress: number): void {
  const first = firstBlocked(segment, slotAddress);
  const free = freePermits(segment, slotAddress);
  if (first !== 0 && amountOf(segment, first) <= free) unpark(segment, first);
  if (free > 0) wakeFlows(segment, slotAddress);
}

/** For what must be written by one at a time, such as wait times: `true` until `endSection`, or `false` if it is not to be had. */
export function beginSection(segment: Segment, slotAddress: number, self: number): boolean {
  return enter(segment, slotAddress, self, 0) === ENTERED;
}

export function endSection(segment: Segment, slotAddress: number, self: number): void {
  leave(segment, slotAddress, self);
}

/** #1 → #2, #3 → #4; with WAITERS as `flags`, #1 → #4 too. ENTERED, NOT_ENTERED or SHUT. */
export function enter(segment: Segment, slotAddress: number, self: number, flags: number): number {
  const { words, spinMs } = segment;
  for (let tries = 0; tries < segment.entryTries; tries++) {
    for (let untilMs = 0; ; ) {
      for (let looks = spinMs === 0 ? 1 : LOOKS; looks > 0; looks--) {
        const word = words.load(slotAddress);
        if (word & CLOSED) return SHUT;
        if (!(word & OWNER) && words.compareExchange(slotAddress, word, word | self | flags) === word) return ENTERED;
      }
      const nowMs = performance.now();
      if (untilMs === 0) untilMs = nowMs + spinMs;
      if (nowMs >= untilMs) break;
    }
    // A section is left within a microsecond by one who runs, so nobody announces it. A wake that comes now is not lost: whoever
    // is about to park has counted its wakes before.
    pause(segment, self);
    segment.patrol(words.load(slotAddress) & OWNER);
  }
  return NOT_ENTERED;
}

/** #2 → #1, #4 → #3, #4 → #1. Threads publish their rows in the section, and flows set WAITERS again after they have published. */
function leave(segment: Segment, slotAddress: number, self: number): void {
  const { words } = segment;
  const isStale = (words.load(slotAddress) & WAITERS) !== 0 && !isAwaited(segment, slotAddress);
  words.add(slotAddress, isStale ? -(self + WAITERS) : -self);
}

/** In the section: takes the permits if they are there and nobody with an older ticket waits. The token, BUSY, HELD_BACK or SHUT. */
function look(segment: Segment, slotAddress: number, self: number, amount: number, ticket: number, turn: number, contended: number): number {
  const { words } = segment;
  const word = words.load(slotAddress);
  // It may have been closed by one who has looked for rows before this one's was published.
  if (word & CLOSED) return SHUT;
  if (freePermits(segment, slotAddress) < amount) return BUSY;
  if (word & WAITERS) {
    if (threadWaitsBefore(segment, slotAddress, ticket)) return BUSY;
    if (flowWaitsBefore(segment, slotAddress, self, ticket, words.load(slotAddress + LATE))) {
      if (turn === IN_TURN) return HELD_BACK;
      // For all who come after, so that each event loop that is stuck costs one such moment.
      words.store(slotAddress + LATE, ticket);
    }
  }
  return take(segment, slotAddress, self, amount, contended);
}

/** In the section. Counted after it is held: a death in between leaves no acquisition that anybody knows of. */
function take(segment: Segment, slotAddress: number, self: number, amount: number, contended: number): number {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, self);
  words.store(at, words.load(at) + amount);
  const token = words.loadNumber(slotAddress + TOKEN) + 1;
  words.storeNumber(slotAddress + TOKEN, token);
  if (contended !== AT_ONCE) words.storeNumber(slotAddress + CONTENDED, words.loadNumber(slotAddress + CONTENDED) + 1);
  return token;
}

/** The next agent after `last` for which one who waits may be waiting in vain, if it has died; 0 = none. */
export function nextSuspect(segment: Segment, slotAddress: number, last: number): number {
  const { words } = segment;
  if (segment.patrolMs === Infinity) return 0;
  const inside = words.load(slotAddress) & OWNER;
  const high = highestAgent(segment);
  for (let i = 1; i <= high; i++) {
    const id = ((last + i - 1) % high) + 1;
    const isBefore = isBlockedOn(segment, slotAddress, id) || ticketOfFlows(segment, slotAddress, id) !== 0;
    if (id === inside || isBefore || heldBy(segment, slotAddress, id) > 0) return id;
  }
  return 0;
}

/**
 * Gives back what a dead agent held, whose row and cell are cleared, and leaves the section for it. Whether it held. The caller
 * wakes everybody afterwards, since the dead one may have swallowed a wake or owed one.
 */
export function recover(segment: Segment, slotAddress: number, dead: number): boolean {
  const { words } = segment;
  const held = heldBy(segment, slotAddress, dead) > 0;
  if (held) words.store(holdAt(segment, slotAddress, dead), 0);
  leaveFor(words, slotAddress, dead);
  return held;
}

/** #2 → #1, #4 → #3: the section is left for a dead agent that was in it. */
export function leaveFor(words: SharedWords, slotAddress: number, dead: number): void {
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== dead || words.compareExchange(slotAddress, word, word & ~OWNER) === word) return;
  }
}
