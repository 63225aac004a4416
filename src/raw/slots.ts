/**
 * What becomes of a slot, of whichever kind, when a thread has died or the manager is closed.
 *
 * Word. None of its own: the lock word and the cell of the dead one; `slot.deathThread`, `slot.deathAt`, `slot.ownerDeaths`.
 *
 * States. Those of the kind.
 *
 * Transitions. `recoverSlot`, `closeSlot`: those that the kind has for it.
 *
 * Invariants. INV-again: each step may run again, by this recoverer or by one that takes over from it. INV-told: who died is written
 * before the word says that somebody did.
 *
 * Order. Caller: recover the row of the dead one, recover all slots, wake everybody.
 */
import { agent, DRAINING, mask, OWNER, slot, UPGRADABLE } from '../../native-layout/index.js';
import { agentAt, type Segment } from '../shm/segment.js';
import * as mutex from './mutex.js';
import * as barrier from './barrier.js';
import * as gate from './gate.js';
import { clearCell, clearRow, hasFlows } from './queue.js';
import { isQueue } from './ring.js';
import * as rwlock from './rwlock.js';
import * as semaphore from './semaphore.js';
import { isCondition, recoverCondition, slotOfRow, withdrawDead } from './signal.js';

const { ownerDeaths, deathThread, deathAt } = slot.fields;
const CLAIM = agent.fields.claim.at;
const THREAD = mask(agent.fields.claim.bits.thread);

/** Clears the row of a dead agent. A signal that it had and did not take goes to another. */
export function recoverRow(segment: Segment, dead: number): void {
  // Before the row is touched: who takes over from this recoverer must find it.
  const waiting = slotOfRow(segment, dead);
  if (waiting !== 0 && barrier.isBarrier(segment.words, waiting)) barrier.recoverWaiter(segment, waiting, dead);
  const signalled = withdrawDead(segment, dead);
  if (signalled !== 0) gate.passSignalOn(segment, signalled);
  clearRow(segment, dead);
}

/** Takes back what a dead agent held of the slot and withdraws its flows. Whether it died as the owner. */
export function recoverSlot(segment: Segment, slotAddress: number, dead: number, nowMs: number): boolean {
  const { words } = segment;
  // Read first: most cells have never been touched, and need not become resident.
  if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);
  if (isQueue(words, slotAddress)) {
    // Its ring is as before or as after, so nobody is told.
    semaphore.leaveFor(words, slotAddress, dead);
    return false;
  }
  const condition = isCondition(words, slotAddress);
  const isMeeting = barrier.isBarrier(words, slotAddress);
  if (condition || isMeeting || gate.isGate(words, slotAddress)) {
    // In whose section there is nothing but statistics, so nobody is told.
    semaphore.leaveFor(words, slotAddress, dead);
    if (condition) recoverCondition(segment, slotAddress, dead);
    else if (isMeeting) barrier.recover(segment, slotAddress, dead);
    else gate.recover(segment, slotAddress, dead);
    return false;
  }
  const held = semaphore.isSemaphore(words, slotAddress) ? semaphore.recover(segment, slotAddress, dead) : recoverOwner(segment, slotAddress, dead, nowMs);
  if (!held) return false;
  words.add(slotAddress + ownerDeaths.at, 1);
  return true;
}

/** Whether the dead one was the owner. Who that was is for the next one to read. */
function recoverOwner(segment: Segment, slotAddress: number, dead: number, nowMs: number): boolean {
  const { words } = segment;
  const word = words.load(slotAddress);
  // Of an rwlock: one that could write.
  if ((word & OWNER) === dead && !(word & (DRAINING | UPGRADABLE))) {
    words.store(slotAddress + deathThread.at, words.load(agentAt(segment, dead) + CLAIM) & THREAD);
    words.storeNumber(slotAddress + deathAt.at, nowMs);
  }
  if (rwlock.isRwlock(words, slotAddress)) return rwlock.recover(segment, slotAddress, dead);
  return mutex.recover(segment, slotAddress, dead);
}

/** Nobody acquires any more, and every wait ends. The words of all kinds have the same bits for that. */
export function closeSlot(segment: Segment, slotAddress: number): void {
  mutex.close(segment, slotAddress);
}
