/**
 * The barrier: so many parties meet, again and again.
 *
 * Word. `slot.tally`: ARRIVED, how many have come (16 bits), or, once it is broken, the thread that broke it; REASON (3 bits), why it is broken;
 * GENERATION (13 bits). `agent.amount` of a thread that waits, `cell.hold` of an agent whose flows wait: in which generation; SIGNALLED or
 * BROKE there: that generation was broken, and the barrier has been reset since.
 *
 * States. #1 whole: generation, fewer arrived than there are parties. #2 broken: generation, reason, thread.
 *
 * Transitions.
 *   #1 → #1 one more arrives: `waitTogether`, `arriveForFlow`; the last arrives, and a generation begins: those and `attempt`.
 *   #1 → #2 `breakUp`, by one who gives up, by its recoverer, by `abort` or by `reset`. #2 → #1 `reset`, which alone is in the section.
 *
 * Invariants. INV-together: of a generation, all who have arrived pass or none. INV-witness: who is counted has published its generation
 * before, and withdraws only when that has ended, so an agent that dies while it is counted is found by its recoverer. INV-heard:
 * a broken generation is followed by another only when all who still wait in it have been marked; so who finds that its
 * generation has ended and is not marked has passed, however late it looks.
 *
 * Order. Waiter: publish, then read the word; who changes the word: write it, then read the rows. Who resets: mark, then write the word;
 * who looks: read the word, then its mark.
 */
import { agent, ARRIVED, ARRIVES, breaks, BROKE, cell, CLOSED, GENERATION, mask, ONE_GENERATION, primitives, REASON, SIGNALLED, slot } from '../../native-layout/index.js';
import { park, wakesOf } from '../park/park.js';
import { agentAt, cellAt, type Segment, slotNumber } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, type Interrupt, INTERRUPTED, SHUT, TIMED_OUT } from './mutex.js';
import { amountOf, clearRow, hasFlows, highestAgent, isBlockedOn, publishRow, wakeAll, writeAmount } from './queue.js';
import { beginSection, endSection } from './semaphore.js';
import { nextSuspect, withdraw } from './signal.js';

/** It is broken, or was while the caller waited. */
export const BROKEN = -9;
/** Flows of an earlier generation have to look first. */
export const UNSETTLED = -10;
/** The calling agent is the last to arrive. */
export const LAST = 1;

const TALLY = slot.fields.tally.at;
const KIND = slot.fields.kind.at;
const HOLD = cell.fields.hold.at;
const WANTS = agent.fields.wants.at;
const CLAIM = agent.fields.claim.at;
const THREAD = mask(agent.fields.claim.bits.thread);
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const PARAMETER = slot.fields.kind.bits.parameter.bit;

/** Whether a slot is a barrier. */
export function isBarrier(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.barrier;
}

export function partiesOf({ words }: Segment, slotAddress: number): number {
  return words.load(slotAddress + KIND) >>> PARAMETER;
}

/** The word, to be asked with the three functions below. */
export function tallyOf({ words }: Segment, slotAddress: number): number {
  return words.load(slotAddress + TALLY);
}

/** How many have arrived in its generation. */
export function arrivedIn(tally: number): number {
  return tally & REASON ? 0 : tally & ARRIVED;
}

/** Why it is broken, one of `breaks`; 0: it is not. */
export function reasonIn(tally: number): number {
  return tally & REASON;
}

/** The worker thread id of who broke it; −1: not said, since the number is too large. */
export function breakerIn(tally: number): number {
  return (tally & ARRIVED) - 1;
}

/** #1 → #1 if the calling agent is the last to arrive. LAST, BUSY, BROKEN or SHUT. */
export function attempt(segment: Segment, slotAddress: number): number {
  for (;;) {
    if (segment.words.load(slotAddress) & CLOSED) return SHUT;
    const tally = tallyOf(segment, slotAddress);
    if (tally & REASON) return BROKEN;
    if ((tally & ARRIVED) + 1 < partiesOf(segment, slotAddress)) return BUSY;
    if (begin(segment, slotAddress, tally)) return LAST;
  }
}

/** Begins the next generation. */
function begin(segment: Segment, slotAddress: number, tally: number): boolean {
  const next = ((tally & GENERATION) + ONE_GENERATION) | 0;
  if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;
  wakeAll(segment, slotAddress);
  return true;
}

/** #1 → #2. `false`: the word is another. */
function breakUp(segment: Segment, slotAddress: number, tally: number, reason: number, breaker: number): boolean {
  const thread = segment.words.load(agentAt(segment, breaker) + CLAIM) & THREAD;
  const next = (tally & GENERATION) | reason | (thread > ARRIVED ? 0 : thread);
  if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;
  wakeAll(segment, slotAddress);
  return true;
}

/** #1 → #2 in that generation, unless that has ended, or is broken. Whether it was this call. */
function breakGeneration(segment: Segment, slotAddress: number, generation: number, reason: number, breaker: number): boolean {
  for (;;) {
    const tally = tallyOf(segment, slotAddress);
    if ((tally & GENERATION) !== generation || tally & REASON) return false;
    if (breakUp(segment, slotAddress, tally, reason, breaker)) return true;
  }
}

/**
 * Arrives, and sleeps until all have, or until `deadline`, or until `interrupt` is requested; that
 * breaks it. How many came later, plus 1; or BROKEN, TIMED_OUT, INTERRUPTED or SHUT.
 */
export function waitTogether(
  segment: Segment,
  slotAddress: number,
  self: number,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  const { words } = segment;
  const parties = partiesOf(segment, slotAddress);
  let isPublished = false;
  let tally: number;
  for (;;) {
    tally = tallyOf(segment, slotAddress);
    const isShut = words.load(slotAddress) & CLOSED;
    if (isPublished && (isShut || tally & REASON || (tally & GENERATION) !== amountOf(segment, self))) {
      // Published for a generation that has ended without this agent.
      if (!withdraw(segment, slotAddress, self)) return BROKEN;
      isPublished = false;
      continue;
    }
    if (isShut) return SHUT;
    if (tally & REASON) return BROKEN;
    if ((tally & ARRIVED) + 1 === parties) {
      if (!begin(segment, slotAddress, tally)) continue;
      if (isPublished) clearRow(segment, self);
      return LAST;
    }
    if (!isPublished) {
      writeAmount(segment, self, tally & GENERATION);
      publishRow(segment, slotAddress, self, sinceMs);
      isPublished = true;
    }
    if (words.compareExchange(slotAddress + TALLY, tally, tally + 1) === tally) break;
  }
  const passed = parties - (tally & ARRIVED);
  return waitArrived(segment, slotAddress, self, tally & GENERATION, passed, deadline, interrupt);
}

function waitArrived(
  segment: Segment,
  slotAddress: number,
  self: number,
  generation: number,
  passed: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  const { words } = segment;
  let expired = false;
  let suspect = self;
  for (;;) {
    const seen = wakesOf(segment, self);
    const tally = tallyOf(segment, slotAddress);
    if ((tally & GENERATION) !== generation) return withdraw(segment, slotAddress, self) ? passed : BROKEN;
    let result = BUSY;
    if (tally & REASON) result = BROKEN;
    else if (words.load(slotAddress) & CLOSED) result = SHUT;
    else if (expired) result = breakUp(segment, slotAddress, tally, breaks.timeout, self) ? TIMED_OUT : BUSY;
    else if (interrupt?.requested()) result = breakUp(segment, slotAddress, tally, breaks.cancelled, self) ? INTERRUPTED : BUSY;
    else {
      suspect = nextSuspect(segment, suspect);
      if (park(segment, self, seen, deadline, suspect) === 'timed-out') expired = true;
    }
    if (result === BUSY) continue;
    clearRow(segment, self);
    return result;
  }
}

/** #1 → #1: a flow of the calling agent arrives. How many have then, or BROKEN, SHUT or UNSETTLED. Its wish is `generationOfFlows`. */
export function arriveForFlow(segment: Segment, slotAddress: number, self: number): number {
  const { words } = segment;
  const at = holdAt(segment, slotAddress, self);
  for (;;) {
    if (words.load(slotAddress) & CLOSED) return SHUT;
    const tally = tallyOf(segment, slotAddress);
    if (tally & REASON) return BROKEN;
    const arrived = (tally & ARRIVED) + 1;
    if (arrived === partiesOf(segment, slotAddress)) {
      if (begin(segment, slotAddress, tally)) return arrived;
      continue;
    }
    const hold = (tally & GENERATION) | ARRIVES;
    if (words.load(at) !== hold) {
      // A mark that they have not seen must not be overwritten.
      if (hasFlows(segment, slotAddress, self)) return UNSETTLED;
      words.store(at, hold);
    }
    if (words.compareExchange(slotAddress + TALLY, tally, tally + 1) === tally) return arrived;
  }
}

export function generationOfFlows(segment: Segment, slotAddress: number, self: number): number {
  return segment.words.load(holdAt(segment, slotAddress, self)) & GENERATION;
}

/** One look on behalf of a flow of the calling agent that has arrived in that generation. LAST: it has passed; BUSY, BROKEN or SHUT. */
export function attemptForFlow(segment: Segment, slotAddress: number, self: number, generation: number): number {
  const { words } = segment;
  const tally = tallyOf(segment, slotAddress);
  if ((tally & GENERATION) !== generation) return words.load(holdAt(segment, slotAddress, self)) & BROKE ? BROKEN : LAST;
  if (tally & REASON) return BROKEN;
  return words.load(slotAddress) & CLOSED ? SHUT : BUSY;
}

/** A flow of the calling agent that has arrived gives up, and so breaks the barrier. `false`: it has passed. */
export function leaveForFlow(segment: Segment, slotAddress: number, self: number, generation: number, reason: number): boolean {
  return breakGeneration(segment, slotAddress, generation, reason, self) || attemptForFlow(segment, slotAddress, self, generation) !== LAST;
}

/** No flow of the calling agent waits any more. */
export function forgetFlows(segment: Segment, slotAddress: number, self: number): void {
  segment.words.store(holdAt(segment, slotAddress, self), 0);
}

/** #1 → #2. */
export function abort(segment: Segment, slotAddress: number, self: number): void {
  breakGeneration(segment, slotAddress, tallyOf(segment, slotAddress) & GENERATION, breaks.aborted, self);
}

/** #2 → #1; #1 → #2 → #1 if somebody waits. */
export function reset(segment: Segment, slotAddress: number, self: number): void {
  const { words } = segment;
  while (!beginSection(segment, slotAddress, self)) if (words.load(slotAddress) & CLOSED) return;
  for (;;) {
    const tally = tallyOf(segment, slotAddress);
    if (tally & REASON) {
      markAll(segment, slotAddress, tally & GENERATION);
      begin(segment, slotAddress, tally);
      break;
    }
    if ((tally & ARRIVED) === 0) break;
    breakUp(segment, slotAddress, tally, breaks.reset, self);
  }
  endSection(segment, slotAddress, self);
}

/** In the section: tells all who wait in a broken generation. Who publishes later has not been counted. */
function markAll(segment: Segment, slotAddress: number, generation: number): void {
  const { words } = segment;
  const row = slotNumber(segment, slotAddress) + 1;
  const high = highestAgent(segment);
  for (let id = 1; id <= high; id++) {
    const isIn = isBlockedOn(segment, slotAddress, id) && amountOf(segment, id) === generation;
    // A compare-exchange: it may see that it is broken, and leave.
    if (isIn) words.compareExchange(agentAt(segment, id) + WANTS, row, row | SIGNALLED);
    const hold = generation | ARRIVES;
    words.compareExchange(holdAt(segment, slotAddress, id), hold, hold | BROKE);
  }
}

function holdAt(segment: Segment, slotAddress: number, id: number): number {
  return cellAt(segment, id, slotNumber(segment, slotAddress)) + HOLD;
}

/** #1 → #2 after the death of an agent whose thread waited. The row is cleared by the caller, afterwards. */
export function recoverWaiter(segment: Segment, slotAddress: number, dead: number): void {
  breakGeneration(segment, slotAddress, amountOf(segment, dead), breaks.died, dead);
}

/** #1 → #2 after the death of an agent whose flows waited. */
export function recover(segment: Segment, slotAddress: number, dead: number): void {
  const hold = segment.words.load(holdAt(segment, slotAddress, dead));
  if (hold === 0) return;
  if (!(hold & BROKE)) breakGeneration(segment, slotAddress, hold & GENERATION, breaks.died, dead);
  forgetFlows(segment, slotAddress, dead);
}
