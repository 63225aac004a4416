/**
 * The read-write lock.
 *
 * Word. `slot.word`: OWNER (16 bits), WAITERS, DIED, CLOSED, DRAINING, UPGRADABLE. `cell.hold`, one per agent: READS. See
 * native-layout/LAYOUT.md. Row: `agent.wants` with the mode as `agent.amount`.
 *
 * States. Word: #1 free: 0. #2 free, waited for: WAITERS. #3 draining: owner + DRAINING (+ WAITERS): a writer waits until the readers
 * have gone. #4 written: owner (+ WAITERS). #5 upgradable: owner + UPGRADABLE (+ WAITERS): the owner reads, and so may others.
 * #6 inconsistent: DIED (+ any of #1–#5). #7 closed: CLOSED (+ any of #1–#6). Cell: #8 no hold. #9 READS.
 *
 * Transitions.
 *   #8 → #9 `tryRead`, `attemptRead`: the agent reads if the word, looked at afterwards, admits it (#1, #2, #5). #9 → #8 if it does
 *   not, `releaseRead`, and `recover`.
 *   #1, #2 → #3, #5 `claim`. #3 → #4 `drain`: no cell is #9 any more. #5 → #3 `beginUpgrade`. #3 → #5 `endUpgrade`: given up.
 *   #3 → #1, #2 `release`: given up. #4, #5 → #1, #2 `release`. #8 → #9 and then #4, #5 → #1, #2 `downgrade`.
 *   #1 → #2, #3–#5 + WAITERS `askShared`, `askExclusive`, `leave`. #4 → #6 `recover`; #3, #5 → #1 `recover`: nothing was written.
 *   any → #7 `close` of mutex.ts. #6 → #4 `declareConsistent` of mutex.ts.
 *
 * Fairness. A writer takes the word at once when it is free, whoever reads, and then lets nobody else in: readers do not
 * starve it. While WAITERS is set, nobody takes the free word as an owner while a thread is blocked with an older ticket, be it reader
 * or writer. So after the release of a writer those readers come in who were blocked before the next writer was, then that
 * writer. Whoever is blocked is overtaken by no owner whose ticket is younger, but for those that have looked at the rows before that
 * one's was there, and one that was not woken for a whole patrol. Readers overtake freely while no owner keeps them out. Event loops
 * compete: they defer as threads do, but nobody defers to their flows.
 *
 * Invariants. INV-alone: in #4 no other agent is #9 but for a moment in which it looks. INV-hold: READS is set before the word is looked
 * at and cleared after the hold, so the cells alone tell who read when a thread died. INV-written: DIED is set only for one that
 * died in #4. INV-drained: while a drainer sleeps, some cell is #9 whose agent will look at the word after it has cleared it. INV-baton:
 * while a waiter sleeps, either the word has WAITERS and an owner, or an agent that was woken has yet to look at the word, and
 * passes this on when its row is cleared (`leave`), also if it got in.
 *
 * Order. Reader: set READS, then read the word (`stepThenLoad`: one more sets READS, and one more clears it and counts the read).
 * Writer: write DRAINING, then read the cells. So at least one of them sees the other.
 * Reader that goes: clear READS, then read the word. Writer that sleeps: read its own wakes, then the cells. So it sees the cell
 * clear, or the reader sees DRAINING and wakes it. Waiters and releasers: as in mutex.ts.
 */
import { cell, CLOSED, DIED, DRAINING, EXCLUSIVE, header, mask, ONE_TAKEN, OWNER, primitives, READS, SHARED, slot, UPGRADABLE, WAITERS } from '../../native-layout/index.js';
import { park, ring, unpark, wakesOf } from '../park/park.js';
import { cellAt, type Segment, slotNumber } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, HELD_BY_SELF, INCONSISTENT, INTERRUPTED, type Interrupt, SHUT, TIMED_OUT } from './mutex.js';
import { blockedBefore, clearCell, clearRow, isAwaited, NEWCOMER, OUT_OF_TURN, publishRow, ticketOf, wakeAll, wakeTurn, writeAmount } from './queue.js';

/** A reader is in, or an owner has the word. */
export const TAKEN = 1;
/** The calling thread reads, and wants to own. */
export const HELD_SHARED = -8;

const HOLD = cell.fields.hold.at;
const READ_WRAPS = slot.fields.readWraps.at;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const AGENT_HIGH = header.fields.agentHigh.at;
/** Where one of these is set, a reader looks twice. */
const BARS = OWNER | DIED | CLOSED;

/** Whether a slot is an rwlock. */
export function isRwlock(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.rwlock;
}

/** What the word has for a reader: TAKEN if it may come in. */
function outcomeForReader(word: number, self: number, inconsistent: number): number {
  if (word & CLOSED) return SHUT;
  const owner = word & OWNER;
  if (owner !== 0 && !(word & UPGRADABLE)) return owner === self ? HELD_BY_SELF : BUSY;
  return word & DIED & ~inconsistent ? INCONSISTENT : TAKEN;
}

/** #8 → #9, if nothing at all is in the way. `cellAddress` is that of the calling agent, which does not read. */
export function tryRead(segment: Segment, slotAddress: number, cellAddress: number): boolean {
  if (!(segment.words.stepThenLoad(cellAddress + HOLD, slotAddress) & BARS)) return true;
  retreat(segment, slotAddress, cellAddress);
  return false;
}

/** #8 → #9 if that is possible now. TAKEN or why not. */
export function attemptRead(segment: Segment, slotAddress: number, cellAddress: number, self: number, inconsistent: number): number {
  const { words } = segment;
  // A cell that is set and cleared in vain wakes a drainer in vain.
  const before = outcomeForReader(words.load(slotAddress), self, inconsistent);
  if (before !== TAKEN) return before;
  const result = outcomeForReader(words.stepThenLoad(cellAddress + HOLD, slotAddress), self, inconsistent);
  if (result !== TAKEN) retreat(segment, slotAddress, cellAddress);
  return result;
}

/** #9 → #8 by one that was not let in. A drainer may have seen it. */
function retreat(segment: Segment, slotAddress: number, cellAddress: number): void {
  segment.words.add(cellAddress + HOLD, -READS);
  const word = segment.words.load(slotAddress);
  if (word & DRAINING) wakeDrainer(segment, word);
}

/** What the word has for one more hold of an agent that reads already. */
export function attemptJoin(words: SharedWords, slotAddress: number, self: number): number {
  return outcomeForReader(words.load(slotAddress), self, DIED);
}

/** Counts a shared acquisition that changed no hold: one more of an agent that reads already, or an upgradable one. */
export function countRead(words: SharedWords, slotAddress: number, cellAddress: number): void {
  addToHold(words, slotAddress, cellAddress, ONE_TAKEN);
}

/** #9 → #8. Whether somebody waited for that. */
export function releaseRead(segment: Segment, slotAddress: number, cellAddress: number): boolean {
  const word = segment.words.stepThenLoad(cellAddress + HOLD, slotAddress);
  if (!(word & DRAINING)) return false;
  wakeDrainer(segment, word);
  return true;
}

/** READS more clears READS, and carries into the count of what was taken. */
function addToHold(words: SharedWords, slotAddress: number, cellAddress: number, by: number): void {
  const before = words.add(cellAddress + HOLD, by);
  if (before < 0 && before + by >= 0) words.add(slotAddress + READ_WRAPS, 1);
}

/** `word`: as it was after this agent had cleared its cell. Only then does it tell whether somebody waits for that. */
function wakeDrainer(segment: Segment, word: number): void {
  unpark(segment, word & OWNER);
  ring(segment, word & OWNER);
}

function queue(segment: Segment, slotAddress: number, self: number, sinceMs: number, mode: number): void {
  writeAmount(segment, self, mode);
  publishRow(segment, slotAddress, self, sinceMs);
}

/** Queues and sleeps until the calling thread reads, or until `deadline`, or until `interrupt` is requested. TAKEN, or why not. */
export function acquireReadQueued(segment: Segment, slotAddress: number, cellAddress: number, self: number, inconsistent: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
  queue(segment, slotAddress, self, sinceMs, SHARED);
  let expired = false;
  for (;;) {
    const seen = wakesOf(segment, self);
    let result = attemptRead(segment, slotAddress, cellAddress, self, inconsistent);
    if (result === BUSY) {
      const owner = askShared(segment.words, slotAddress);
      if (owner === 0) continue;
      if (expired) result = TIMED_OUT;
      else if (interrupt?.requested()) result = INTERRUPTED;
      else {
        if (park(segment, self, seen, deadline, owner) === 'timed-out') expired = true;
        continue;
      }
    }
    clearRow(segment, self);
    leave(segment, slotAddress);
    return result;
  }
}

/**
 * #1, #2 → #3 (`purpose` DRAINING) or #5 (UPGRADABLE). TAKEN, or why not. `ticket`: the place of the caller in the queue;
 * `flags` go into the word besides.
 */
export function claim(segment: Segment, slotAddress: number, self: number, purpose: number, inconsistent: number, ticket: number, flags: number): number {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if (word & CLOSED) return SHUT;
    const owner = word & OWNER;
    if (owner !== 0) return owner === self ? HELD_BY_SELF : BUSY;
    if (word & DIED & ~inconsistent) return INCONSISTENT;
    if (word & WAITERS && blockedBefore(segment, slotAddress, ticket) !== 0) return BUSY;
    if (words.compareExchange(slotAddress, word, self | purpose | flags | (word & (WAITERS | DIED))) === word) return TAKEN;
  }
}

/** #3 → #4 if nobody reads any more. The fencing token, BUSY or SHUT. */
export function drain(segment: Segment, slotAddress: number): number {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if (word & CLOSED) return SHUT;
    if (firstReader(segment, slotAddress) !== 0) return BUSY;
    const token = words.claim(slotAddress, word, word & ~DRAINING);
    if (token !== 0) return token;
  }
}

/** #1 → #4 if nobody is in the way. The fencing token, or why not. */
export function attemptWrite(segment: Segment, slotAddress: number, self: number, inconsistent: number): number {
  const word = segment.words.load(slotAddress);
  // First: where a thread looks that has left the segment, there are no cells.
  if (word & CLOSED) return SHUT;
  if ((word & OWNER) === self) return HELD_BY_SELF;
  // One that claims in vain keeps readers out in vain.
  if (firstReader(segment, slotAddress) !== 0) return BUSY;
  const claimed = claim(segment, slotAddress, self, DRAINING, inconsistent, NEWCOMER, 0);
  if (claimed !== TAKEN) return claimed;
  const result = drain(segment, slotAddress);
  if (result <= 0) release(segment, slotAddress, self);
  return result;
}

/** An agent that reads, or looks whether it may; 0 = none. */
export function firstReader(segment: Segment, slotAddress: number): number {
  const high = segment.words.load(segment.header + AGENT_HIGH);
  for (let id = 1; id <= high; id++) if (isReading(segment, slotAddress, id)) return id;
  return 0;
}

export function isReading(segment: Segment, slotAddress: number, id: number): boolean {
  return (segment.words.load(cellAt(segment, id, slotNumber(segment, slotAddress)) + HOLD) & READS) !== 0;
}

/**
 * Queues and sleeps until the calling thread writes (`purpose` DRAINING; then the fencing token) or is the upgradable owner
 * (UPGRADABLE; then TAKEN), or until `deadline`, or until `interrupt` is requested.
 */
export function acquireExclusiveQueued(segment: Segment, slotAddress: number, self: number, purpose: number, inconsistent: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
  queue(segment, slotAddress, self, sinceMs, EXCLUSIVE);
  const claimed = awaitClaim(segment, slotAddress, self, purpose, inconsistent, deadline, interrupt);
  const result = claimed === TAKEN && purpose === DRAINING ? awaitDrain(segment, slotAddress, self, deadline, interrupt) : claimed;
  clearRow(segment, self);
  if (claimed !== TAKEN) leave(segment, slotAddress);
  else if (result <= 0) release(segment, slotAddress, self);
  else if (purpose === UPGRADABLE) wakeTurn(segment, slotAddress);
  return result;
}

function awaitClaim(segment: Segment, slotAddress: number, self: number, purpose: number, inconsistent: number, deadline: number, interrupt: Interrupt | undefined): number {
  const own = ticketOf(segment, self);
  let ticket = own;
  for (let expired = false; ; ) {
    const seen = wakesOf(segment, self);
    const result = claim(segment, slotAddress, self, purpose, inconsistent, ticket, WAITERS);
    if (result !== BUSY) return result;
    const blocker = askExclusive(segment, slotAddress, ticket);
    if (blocker === 0) continue;
    if (expired) return TIMED_OUT;
    if (interrupt?.requested()) return INTERRUPTED;
    const end = park(segment, self, seen, deadline, blocker);
    if (end === 'timed-out') expired = true;
    // A thread whose wait was ended from outside, by the inspector or a time-out of `vm`, keeps its row and does not come.
    ticket = end === 'patrolled' ? OUT_OF_TURN : own;
  }
}

/** #3 → #4. */
function awaitDrain(segment: Segment, slotAddress: number, self: number, deadline: number, interrupt: Interrupt | undefined): number {
  for (let expired = false; ; ) {
    const seen = wakesOf(segment, self);
    const result = drain(segment, slotAddress);
    if (result !== BUSY) return result;
    const reader = firstReader(segment, slotAddress);
    if (reader === 0) continue;
    if (expired) return TIMED_OUT;
    if (interrupt?.requested()) return INTERRUPTED;
    if (park(segment, self, seen, deadline, reader) === 'timed-out') expired = true;
  }
}

/** #5 → #3. `false`: closed meanwhile. */
export function beginUpgrade(words: SharedWords, slotAddress: number): boolean {
  for (;;) {
    const word = words.load(slotAddress);
    if (word & CLOSED) return false;
    if (words.compareExchange(slotAddress, word, (word & ~UPGRADABLE) | DRAINING) === word) return true;
  }
}

/** #5 → #4 if nobody else reads. The fencing token, or why not. */
export function attemptUpgrade(segment: Segment, slotAddress: number): number {
  if (segment.words.load(slotAddress) & CLOSED) return SHUT;
  if (firstReader(segment, slotAddress) !== 0) return BUSY;
  if (!beginUpgrade(segment.words, slotAddress)) return SHUT;
  const result = drain(segment, slotAddress);
  if (result <= 0) endUpgrade(segment, slotAddress);
  return result;
}

/** #3 → #5: the upgrade is given up. Readers that came meanwhile may come in. */
export function endUpgrade(segment: Segment, slotAddress: number): void {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if (words.compareExchange(slotAddress, word, (word & ~DRAINING) | UPGRADABLE) === word) break;
  }
  wakeAll(segment, slotAddress);
}

/** #5 → #4, or it stays #5: the fencing token, or why not. */
export function upgradeQueued(segment: Segment, slotAddress: number, self: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
  queue(segment, slotAddress, self, sinceMs, EXCLUSIVE);
  const begun = beginUpgrade(segment.words, slotAddress);
  const result = begun ? awaitDrain(segment, slotAddress, self, deadline, interrupt) : SHUT;
  clearRow(segment, self);
  if (result <= 0 && begun) endUpgrade(segment, slotAddress);
  return result;
}

/** #4, #5 → #1, #2, with #9 before that: nobody can write in between. */
export function downgrade(segment: Segment, slotAddress: number, cellAddress: number, self: number): void {
  addToHold(segment.words, slotAddress, cellAddress, READS);
  release(segment, slotAddress, self);
}

/** #3, #4, #5 → #1, #2. `false`: the calling agent is not the owner. */
export function release(segment: Segment, slotAddress: number, self: number): boolean {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== self) return false;
    // WAITERS stays, so that a newcomer does not pass the readers that are about to be woken.
    const awaited = word & WAITERS && isAwaited(segment, slotAddress) ? WAITERS : 0;
    if (words.compareExchange(slotAddress, word, (word & (DIED | CLOSED)) | awaited) !== word) continue;
    // Only now: a row that is published after this look belongs to a waiter that will find the word free.
    if (word & (DIED | CLOSED)) wakeAll(segment, slotAddress);
    else if (word & WAITERS) wakeTurn(segment, slotAddress);
    return true;
  }
}

/** The owner that will see WAITERS when it releases, or 0: the word has come to admit readers, so look again. */
function askShared(words: SharedWords, slotAddress: number): number {
  for (;;) {
    const word = words.load(slotAddress);
    const owner = word & OWNER;
    if (owner === 0 || word & (CLOSED | UPGRADABLE)) return 0;
    if (word & WAITERS || words.compareExchange(slotAddress, word, word | WAITERS) === word) return owner;
  }
}

/** Who will wake the caller: the owner that will see WAITERS, or one whose turn is before; or 0: look again. */
function askExclusive(segment: Segment, slotAddress: number, ticket: number): number {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    const owner = word & OWNER;
    if (word & CLOSED) return 0;
    if (owner === 0) return word & WAITERS ? blockedBefore(segment, slotAddress, ticket) : 0;
    if (word & WAITERS || words.compareExchange(slotAddress, word, word | WAITERS) === word) return owner;
  }
}

/** What an agent owes when it has cleared its row without the word, got in or not: it may have been woken in place of another. */
function leave(segment: Segment, slotAddress: number): void {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if (word & CLOSED || !isAwaited(segment, slotAddress)) return;
    if ((word & OWNER) === 0) return wakeTurn(segment, slotAddress);
    // A newcomer has taken the word without WAITERS, past those whom this agent was woken for.
    if (word & WAITERS || words.compareExchange(slotAddress, word, word | WAITERS) === word) return;
  }
}

/** One look on behalf of a flow of the calling agent, whose cell is published. BUSY: somebody will ring. */
export function attemptReadForFlow(segment: Segment, slotAddress: number, cellAddress: number, self: number, inconsistent: number): number {
  for (;;) {
    const reads = segment.words.load(cellAddress + HOLD) & READS;
    const result = reads ? attemptJoin(segment.words, slotAddress, self) : attemptRead(segment, slotAddress, cellAddress, self, inconsistent);
    if (result !== BUSY && result !== HELD_BY_SELF) return result;
    if (askShared(segment.words, slotAddress) !== 0) return BUSY;
  }
}

/** The same for one that is to own the word. TAKEN: it does, and is to `drain` if that is its purpose. */
export function claimForFlow(segment: Segment, slotAddress: number, self: number, purpose: number, inconsistent: number, ticket: number): number {
  for (;;) {
    const result = claim(segment, slotAddress, self, purpose, inconsistent, ticket, WAITERS);
    if (result !== BUSY && result !== HELD_BY_SELF) return result;
    if (askExclusive(segment, slotAddress, ticket) !== 0) return BUSY;
  }
}

/** Withdraws the interest of the calling agent's flows. */
export function withdrawFlows(segment: Segment, slotAddress: number, self: number): void {
  clearCell(segment, slotAddress, self);
  leave(segment, slotAddress);
}

/** Clears cell and word after the death of an agent whose row is cleared. Whether it wrote. The caller wakes everybody afterwards. */
export function recover(segment: Segment, slotAddress: number, dead: number): boolean {
  const { words } = segment;
  if (isReading(segment, slotAddress, dead)) addToHold(words, slotAddress, cellAt(segment, dead, slotNumber(segment, slotAddress)), READS);
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== dead) return false;
    const wrote = !(word & (DRAINING | UPGRADABLE));
    if (words.compareExchange(slotAddress, word, (word & (CLOSED | DIED)) | (wrote ? DIED : 0)) === word) return wrote;
  }
}
