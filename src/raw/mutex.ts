/**
 * The mutex.
 *
 * Word. `slot.word`: OWNER (16 bits), WAITERS, HANDED, STARVED, DIED, CLOSED; see native-layout/LAYOUT.md.
 *
 * States. #1 free: 0. #2 held: owner. #3 held, waited for: owner + WAITERS (+ STARVED). #4 handed: owner + HANDED + WAITERS (+ STARVED).
 * #5 inconsistent, free: DIED. #6 inconsistent, held: owner + DIED (+ WAITERS + STARVED). #7 closed: CLOSED (+ any of #1–#3, #5, #6).
 *
 * Transitions.
 *   #1 → #2 `tryAcquire`, `trySpinning`, `attempt`: a newcomer takes the lock, also past those who wait (barging).
 *   #1 → #3, #5 → #6 `attempt` by a queued waiter, which can not know whether it was the last.
 *   #2 → #3 `ask`: a waiter has the releaser look for it.
 *   #2 → #1 `tryRelease`. #3 → #1 `release`: frees the word, then wakes the next, who competes.
 *   #3 → #4 `release`: hands over, if the slot is fifo or a waiter is STARVED. #4 → #3 `attempt`, `leave`: the chosen one accepts.
 *   #4 → #3 `release`: takes back from a chosen one that has withdrawn. #4 → #3 `passOver`: from one that does not come.
 *   #6 → #5 `release`: the data is still not declared good; everybody who waits must look.
 *   #2, #3, #6 → #5 `recover`: the owner is dead. #4 → #1 `recover`: the chosen one is dead, or has withdrawn and its releaser is dead.
 *   #6 → #3 `declareConsistent`. any → #7 `close`.
 *
 * Invariants. INV-owner: the operation that acquires is the one that writes OWNER, so the word alone tells who held when a
 * thread died. INV-baton: while a waiter sleeps, either the word has WAITERS or HANDED, or an agent that was woken has yet to look
 * at the word; that agent leaves only after it has passed this on (`leave`), and if it dies, the sweep after its recovery
 * wakes everybody. INV-one: of accepting, taking back, passing over and passing on a handed lock exactly one happens: all are a
 * compare-exchange of the same word. INV-told: DIED is set by recovery and cleared only by an owner.
 *
 * Order. Waiter: publish the row, then read the word. Releaser: free the word, then read the rows. Chosen one that gives up: clear
 * the row, then read the word. Releaser that hands over: name the chosen one in the word, then read its row.
 */
import { CLOSED, DIED, HANDED, mask, OWNER, slot, STARVED, WAITERS } from '../../native-layout/index.js';
import { park, unpark, wakesOf } from '../park/park.js';
import { now } from '../contract/clock.js';
import type { Segment } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { clearCell, clearRow, firstBlocked, flowIsBefore, isAwaited, isBlocked, isBlockedOn, publishRow, wakeAll, wakeNext } from './queue.js';

/** What an acquisition comes to when it is no fencing token (those are positive). */
export const BUSY = 0;
export const TIMED_OUT = -1;
export const INTERRUPTED = -2;
/** The calling agent itself holds. */
export const HELD_BY_SELF = -3;
/** An owner died, and the caller does not take inconsistent data. */
export const INCONSISTENT = -4;
export const SHUT = -5;

/** What a caller does with a lock whose owner died: nothing, or take it over, data and all. */
export const REFUSE_INCONSISTENT = 0;
export const TAKE_INCONSISTENT = DIED;

/** Something that may end a wait from outside; whoever requests it wakes the waiter afterwards. */
export interface Interrupt {
  requested(): boolean;
}

const KIND = slot.fields.kind.at;
const CONTENDED = slot.fields.contended.at;
const FIFO = mask(slot.fields.kind.bits.fifo);
/** Where one of these is set, nobody takes the lock in passing. */
const TAKEN = OWNER | DIED | CLOSED;
/** Looks at the word in about a microsecond. */
const LOOKS = 30;

/** #1 → #2. The fencing token, or 0. */
export function tryAcquire(words: SharedWords, slotAddress: number, self: number): number {
  return words.claim(slotAddress, 0, self);
}

/** #2 → #1. `false`: it is in another state, and `release` must be called. */
export function tryRelease(words: SharedWords, slotAddress: number, self: number): boolean {
  return words.compareExchange(slotAddress, self, 0) === self;
}

/** Takes the lock if it is to be had now; `flags` go into the word with the owner. */
export function attempt(words: SharedWords, slotAddress: number, self: number, inconsistent: number, flags: number): number {
  for (;;) {
    const word = words.load(slotAddress);
    if (word & CLOSED) return SHUT;
    const owner = word & OWNER;
    if (owner === self && !(word & HANDED)) return HELD_BY_SELF;
    if (owner !== 0 && owner !== self) return BUSY;
    if (word & DIED & ~inconsistent) return INCONSISTENT;
    // #4 → #3: the releaser leaves it to this agent, or takes it back by a compare-exchange of its own.
    const next = owner === self ? word & ~HANDED : self | flags | (word & DIED);
    const token = claimContended(words, slotAddress, word, next);
    if (token !== 0) return token;
  }
}

/** A claim by one that has found the lock taken before. */
function claimContended(words: SharedWords, slotAddress: number, expected: number, next: number): number {
  const token = words.claim(slotAddress, expected, next);
  if (token !== 0) words.storeNumber(slotAddress + CONTENDED, words.loadNumber(slotAddress + CONTENDED) + 1);
  return token;
}

/** #1 → #2 within about a microsecond. The fencing token, or 0. Not for a fifo lock: it would be out of turn. */
export function trySpinning(words: SharedWords, slotAddress: number, self: number): number {
  return words.claimSpinning(slotAddress, TAKEN, self, LOOKS);
}

/** `attempt` again and again for a few microseconds, unless the holder does not run. Not for a fifo lock. */
export function attemptSpinning(segment: Segment, slotAddress: number, self: number, inconsistent: number, flags: number): number {
  const { words } = segment;
  for (let untilMs = 0; ; ) {
    const result = attempt(words, slotAddress, self, inconsistent, flags);
    if (result !== BUSY) return result;
    const token = words.claimSpinning(slotAddress, TAKEN, self | flags, LOOKS);
    if (token !== 0) return token;
    const holder = words.load(slotAddress) & OWNER;
    if (holder !== 0 && holder !== self && isBlocked(segment, holder)) return BUSY;
    const nowMs = performance.now();
    if (untilMs === 0) untilMs = nowMs + segment.spinMs;
    if (nowMs >= untilMs) return BUSY;
  }
}

function isFifo(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & FIFO) !== 0;
}

/**
 * Queues, sleeps and competes until the lock is this agent's, or until `deadline`, or until `interrupt` is requested. `sinceMs` and
 * `deadline` are on the shared clock.
 */
export function acquireQueued(
  segment: Segment,
  slotAddress: number,
  self: number,
  inconsistent: number,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  const { words } = segment;
  // In a fifo lock nobody competes who is queued: it is out of turn, or handed the lock.
  const competes = !isFifo(words, slotAddress);
  let flags = WAITERS;
  let wasWoken = false;
  let expired = false;
  let lastHeir = 0;
  publishRow(segment, slotAddress, self, sinceMs);
  for (;;) {
    const seen = wakesOf(segment, self);
    let result: number;
    if (wasWoken && competes) {
      if (now() - sinceMs >= segment.patienceMs) flags |= STARVED;
      // Before it looks for a while: who releases meanwhile hands over to one that runs.
      if (flags & STARVED) ask(words, slotAddress, self, flags);
      result = attemptSpinning(segment, slotAddress, self, inconsistent, WAITERS);
    } else result = attempt(words, slotAddress, self, inconsistent, WAITERS);
    if (result > 0) {
      clearRow(segment, self);
      return result;
    }
    if (result === BUSY) {
      const owner = ask(words, slotAddress, self, flags);
      if (owner === 0) continue;
      if (expired) result = TIMED_OUT;
      else if (interrupt?.requested()) result = INTERRUPTED;
      else {
        const end = park(segment, self, seen, deadline, owner);
        if (end === 'timed-out') expired = true;
        else wasWoken = true;
        if (end !== 'patrolled') continue;
        const heir = heirIn(words.load(slotAddress));
        const token = heir !== 0 && heir === lastHeir ? passOver(words, slotAddress, heir, self) : 0;
        lastHeir = heir;
        if (token === 0) continue;
        clearRow(segment, self);
        return token;
      }
    }
    clearRow(segment, self);
    const handed = leave(segment, slotAddress, self);
    return handed > 0 ? handed : result;
  }
}

/** To whom a word hands the lock, 0 = nobody. */
function heirIn(word: number): number {
  return word & HANDED ? word & OWNER : 0;
}

/**
 * #4 → #3. Takes a lock that was handed over one patrol ago or more, and not accepted: a thread whose wait was ended from outside, by
 * the inspector or a time-out of `vm`, keeps its row and does not come. If the chosen one was only slow, it loses its turn. The
 * fencing token, or 0.
 */
function passOver(words: SharedWords, slotAddress: number, heir: number, self: number): number {
  const word = words.load(slotAddress);
  return heirIn(word) === heir ? claimContended(words, slotAddress, word, (word & ~(OWNER | HANDED)) | self) : 0;
}

/** #2 → #3. The owner that will see `flags` when it releases, or 0: the word has become free or this agent's, so look again. */
function ask(words: SharedWords, slotAddress: number, self: number, flags: number): number {
  for (;;) {
    const word = words.load(slotAddress);
    const owner = word & OWNER;
    if (owner === 0 || word & CLOSED || (owner === self && word & HANDED)) return 0;
    if ((word & flags) === flags || words.compareExchange(slotAddress, word, word | flags) === word) return owner;
  }
}

/**
 * What an agent owes when it has cleared its row or cell without the lock: it may have been chosen, or woken in place of another.
 * The fencing token if it was chosen, and so holds the lock after all; else 0.
 */
function leave(segment: Segment, slotAddress: number, self: number): number {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) === self && word & HANDED) {
      const token = claimContended(words, slotAddress, word, word & ~HANDED);
      if (token !== 0) return token;
      continue;
    }
    if (word & (WAITERS | CLOSED) || !isAwaited(segment, slotAddress)) return 0;
    if ((word & OWNER) === 0) {
      wakeNext(segment, slotAddress);
      return 0;
    }
    // A newcomer has taken the word without WAITERS, past those whom this agent was woken for.
    if (words.compareExchange(slotAddress, word, word | WAITERS) === word) return 0;
  }
}

/** One look on behalf of the calling agent's flows, whose cell is published. BUSY: the releaser will ring. */
export function attemptForFlow(segment: Segment, slotAddress: number, self: number, inconsistent: number): number {
  const { words } = segment;
  for (;;) {
    const result = attempt(words, slotAddress, self, inconsistent, WAITERS);
    if (result !== BUSY && result !== HELD_BY_SELF) return result;
    if (ask(words, slotAddress, self, WAITERS) !== 0) return BUSY;
  }
}

/** Withdraws the interest of the calling agent's flows. The fencing token if the lock came to them meanwhile, else 0. */
export function withdrawFlows(segment: Segment, slotAddress: number, self: number): number {
  clearCell(segment, slotAddress, self);
  return leave(segment, slotAddress, self);
}

/** Releases in any state. `false`: the calling agent does not hold. */
export function release(segment: Segment, slotAddress: number, self: number): boolean {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== self || word & HANDED) return false;
    if (word & (DIED | CLOSED)) {
      // #6 → #5: some of those who wait may take it, the others are to be refused.
      if (words.compareExchange(slotAddress, word, word & (DIED | CLOSED)) !== word) continue;
      wakeAll(segment, slotAddress);
      return true;
    }
    const heir = word & WAITERS ? heirOf(segment, slotAddress, word) : 0;
    if (heir === 0) {
      if (words.compareExchange(slotAddress, word, 0) !== word) continue;
      // Only now: a row that is published after this look belongs to a waiter that will find the word free.
      if (word & WAITERS) wakeNext(segment, slotAddress);
      return true;
    }
    if (words.compareExchange(slotAddress, word, heir | HANDED | WAITERS) !== word) continue;
    if (isBlockedOn(segment, slotAddress, heir)) {
      unpark(segment, heir);
      return true;
    }
    // The heir has withdrawn. If it saw the word before it left, it holds the lock now; else it is taken back here.
    if (!takeBack(words, slotAddress, heir, self)) return true;
  }
}

/** #4 → #3 by the releaser. `false`: the heir has accepted, or a recovery has passed the lock on. */
function takeBack(words: SharedWords, slotAddress: number, heir: number, self: number): boolean {
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== heir || !(word & HANDED)) return false;
    // Waiters may have added flags meanwhile: they are to stay.
    if (words.compareExchange(slotAddress, word, (word & ~(OWNER | HANDED)) | self) === word) return true;
  }
}

/** Whom a releaser names: the first in the queue if it is that one's turn by right, else nobody. */
function heirOf(segment: Segment, slotAddress: number, word: number): number {
  const fifo = isFifo(segment.words, slotAddress);
  if (!fifo && !(word & STARVED)) return 0;
  const first = firstBlocked(segment, slotAddress);
  return first !== 0 && fifo && flowIsBefore(segment, slotAddress, first) ? 0 : first;
}

/** #6 → #3: the owner declares the data good. `false`: the caller does not hold, or nothing was wrong. */
export function declareConsistent(words: SharedWords, slotAddress: number, self: number): boolean {
  for (;;) {
    const word = words.load(slotAddress);
    if ((word & OWNER) !== self || word & HANDED || !(word & DIED)) return false;
    if (words.compareExchange(slotAddress, word, word & ~DIED) === word) return true;
  }
}

/** any → #7. */
export function close(segment: Segment, slotAddress: number): void {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    // A handed lock is nobody's yet.
    const next = (word & HANDED ? 0 : word) | CLOSED;
    if (words.compareExchange(slotAddress, word, next) === word) break;
  }
  wakeAll(segment, slotAddress);
}

/**
 * Repairs the word after the death of an agent whose row and cell are cleared. Whether it died as the owner. The caller
 * wakes everybody afterwards, since the dead one may have swallowed a wake or owed one.
 */
export function recover(segment: Segment, slotAddress: number, dead: number): boolean {
  const { words } = segment;
  for (;;) {
    const word = words.load(slotAddress);
    const owner = word & OWNER;
    if (word & HANDED) {
      // #4 → #1. A living chosen one that has withdrawn: whoever named it looks at its row next, unless that was the dead one.
      if (owner !== dead && isBlockedOn(segment, slotAddress, owner)) return false;
      if (words.compareExchange(slotAddress, word, 0) === word) return false;
    } else {
      if (owner !== dead) return false;
      // #2, #3, #6 → #5.
      if (words.compareExchange(slotAddress, word, (word & CLOSED) | DIED) === word) return true;
    }
  }
}
