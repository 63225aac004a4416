/**
 * Events and latches: a word, and all who wait until it is as they want it.
 *
 * Word. `slot.tally`. Of a latch: how much has been counted down; it is open when that is the count in `slot.kind`. Of an event: SET, and, if
 * it does not reset itself, how often it has become set.
 *
 * States. Latch: #1 closed: less than the count. #2 open: the count. Event: #3 reset. #4 set: SET.
 *
 * Transitions.
 *   #1 → #1, #1 → #2 `countDown`. #3 → #4 `set`, and `setAuto` if nobody waits. #4 → #3 `reset`; of an event that resets itself: `takeSet`, by the one
 *   who passes, and `setAuto`, which takes it back for one who has come to wait meanwhile, and signals that one.
 *
 * Invariants. INV-open: an open latch stays open. INV-passed: all who waited when an event was set pass, also if it is reset at once: each
 * knows how often it had become set before it waited. INV-each: of an event that resets itself, each `setAuto` lets one pass, or sets
 * what was reset, or finds it set and nobody waiting. INV-kept: a signal that a dead agent has not taken is passed on; at least once, and twice
 * only if its recoverer dies as well, in between.
 *
 * Order. Waiter: publish the row, then read the word. Who changes the word: write it, then read the rows. So the word is seen, or the
 * waiter is.
 */
import { CLOSED, mask, primitives, SET, slot } from '../../native-layout/index.js';
import type { Segment } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, type Interrupt, SHUT } from './mutex.js';
import { publishRow, wakeAll } from './queue.js';
import { DONE, forgetSignals, isUnsignalled, joinFlow, leaveFlow, recoverSignals, signal, takeForFlow, TWICE, waitQueued } from './signal.js';

const TALLY = slot.fields.tally.at;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const PARAMETER = slot.fields.kind.bits.parameter.bit;
/** Of the tally of an event: that it has become set once more. */
const ONE_SET = 2;

/** Whether a slot is an event or a latch. */
export function isGate(words: SharedWords, slotAddress: number): boolean {
  const primitive = words.load(slotAddress + KIND) & PRIMITIVE;
  return primitive === primitives.event || primitive === primitives.latch;
}

/** Which of the two. */
export function isLatch(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.latch;
}

function isAuto(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.event && words.load(slotAddress + KIND) >>> PARAMETER !== 0;
}

/** What is still to be counted down. */
export function leftOf({ words }: Segment, slotAddress: number): number {
  return (words.load(slotAddress + KIND) >>> PARAMETER) - words.load(slotAddress + TALLY);
}

/** #1 → #1, #1 → #2. `false`: it is more than there is left, and nothing was changed. */
export function countDown(segment: Segment, slotAddress: number, amount: number): boolean {
  const { words } = segment;
  for (;;) {
    const tally = words.load(slotAddress + TALLY);
    const left = (words.load(slotAddress + KIND) >>> PARAMETER) - tally;
    if (amount > left) return false;
    if (words.compareExchange(slotAddress + TALLY, tally, tally + amount) !== tally) continue;
    if (amount === left) wakeAll(segment, slotAddress);
    return true;
  }
}

export function isSet({ words }: Segment, slotAddress: number): boolean {
  return (words.load(slotAddress + TALLY) & SET) !== 0;
}

/** What one who is about to wait must read first, as its wish. */
export function wishOf({ words }: Segment, slotAddress: number): number {
  return words.load(slotAddress + TALLY);
}

/** #3 → #4. */
export function set(segment: Segment, slotAddress: number): void {
  const { words } = segment;
  if (isAuto(words, slotAddress)) return setAuto(segment, slotAddress);
  for (;;) {
    const tally = words.load(slotAddress + TALLY);
    if (tally & SET) return;
    if (words.compareExchange(slotAddress + TALLY, tally, ((tally + ONE_SET) | SET) | 0) !== tally) continue;
    wakeAll(segment, slotAddress);
    return;
  }
}

function setAuto(segment: Segment, slotAddress: number): void {
  const { words } = segment;
  for (;;) {
    if (signal(segment, slotAddress, 1) > 0) return;
    if (words.compareExchange(slotAddress + TALLY, 0, SET) !== 0) return;
    // One who has come meanwhile may have looked before it was set.
    if (!isUnsignalled(segment, slotAddress) || !takeSet(segment, slotAddress)) return;
  }
}

/** #4 → #3. */
export function reset({ words }: Segment, slotAddress: number): void {
  for (;;) {
    const tally = words.load(slotAddress + TALLY);
    if (!(tally & SET) || words.compareExchange(slotAddress + TALLY, tally, tally & ~SET) === tally) return;
  }
}

/** #4 → #3 of an event that resets itself. */
function takeSet({ words }: Segment, slotAddress: number): boolean {
  return words.compareExchange(slotAddress + TALLY, SET, 0) === SET;
}

/** Whether one passes that began to wait when the word was `wish`. DONE, BUSY or SHUT. */
export function attempt(segment: Segment, slotAddress: number, wish: number): number {
  if (segment.words.load(slotAddress) & CLOSED) return SHUT;
  return look(segment, slotAddress, wish);
}

function look(segment: Segment, slotAddress: number, wish: number): number {
  const { words } = segment;
  if (isLatch(words, slotAddress)) return leftOf(segment, slotAddress) === 0 ? DONE : BUSY;
  if (isAuto(words, slotAddress)) return takeSet(segment, slotAddress) ? DONE : BUSY;
  const tally = words.load(slotAddress + TALLY);
  return tally & SET || (tally & ~SET) !== (wish & ~SET) ? DONE : BUSY;
}

/** Waits as those do who wait for a signal. DONE, TIMED_OUT, INTERRUPTED or SHUT. */
export function waitOpen(
  segment: Segment,
  slotAddress: number,
  self: number,
  wish: number,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  publishRow(segment, slotAddress, self, sinceMs);
  const result = waitQueued(segment, slotAddress, self, look, wish, deadline, interrupt);
  if (result !== TWICE) return result;
  setAuto(segment, slotAddress);
  return DONE;
}

/** One look on behalf of a flow of the calling agent, which began to wait when the word was `wish`. */
export function attemptForFlow(segment: Segment, slotAddress: number, self: number, wish: number): number {
  const { words } = segment;
  if (!isAuto(words, slotAddress)) {
    const result = look(segment, slotAddress, wish);
    return result === BUSY && words.load(slotAddress) & CLOSED ? SHUT : result;
  }
  const result = takeForFlow(segment, slotAddress, self);
  if (result !== BUSY || !takeSet(segment, slotAddress)) return result;
  // It waits no more; if it had been signalled as well, that is for another.
  if (!leaveFlow(segment, slotAddress, self)) setAuto(segment, slotAddress);
  return DONE;
}

/** A flow of the calling agent begins to wait. */
export function joinForFlow(segment: Segment, slotAddress: number, self: number): void {
  if (isAuto(segment.words, slotAddress)) joinFlow(segment, slotAddress, self);
}

/** A flow of the calling agent gives up. `false`: it has been signalled. */
export function leaveForFlow(segment: Segment, slotAddress: number, self: number): boolean {
  return !isAuto(segment.words, slotAddress) || leaveFlow(segment, slotAddress, self);
}

/** After the death of an agent that had a signal of the slot, and did not take it. */
export function passSignalOn(segment: Segment, slotAddress: number): void {
  if (isAuto(segment.words, slotAddress)) setAuto(segment, slotAddress);
}

/** After the death of an agent whose flows may wait. */
export function recover(segment: Segment, slotAddress: number, dead: number): void {
  if (!isAuto(segment.words, slotAddress)) return;
  const signals = recoverSignals(segment, slotAddress, dead);
  for (let i = 0; i < signals; i++) setAuto(segment, slotAddress);
  if (signals > 0) forgetSignals(segment, slotAddress, dead);
}
