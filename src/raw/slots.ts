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
 * Order. Caller: clear the row of the dead one, recover all slots, wake everybody.
 */
import { agent, mask, OWNER, slot } from '../../native-layout/index.js';
import { agentAt, type Segment } from '../shm/segment.js';
import * as mutex from './mutex.js';
import { clearCell, hasFlows } from './queue.js';
import { isQueue } from './ring.js';
import * as semaphore from './semaphore.js';

const { ownerDeaths, deathThread, deathAt } = slot.fields;
const CLAIM = agent.fields.claim.at;
const THREAD = mask(agent.fields.claim.bits.thread);

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
  if (semaphore.isSemaphore(words, slotAddress)) {
    if (!semaphore.recover(segment, slotAddress, dead)) return false;
    words.add(slotAddress + ownerDeaths.at, 1);
    return true;
  }
  if ((words.load(slotAddress) & OWNER) === dead) {
    words.store(slotAddress + deathThread.at, words.load(agentAt(segment, dead) + CLAIM) & THREAD);
    words.storeNumber(slotAddress + deathAt.at, nowMs);
  }
  if (!mutex.recover(segment, slotAddress, dead)) return false;
  words.add(slotAddress + ownerDeaths.at, 1);
  return true;
}

/** Nobody acquires any more, and every wait ends. Of a semaphore the word has the same bits for that. */
export function closeSlot(segment: Segment, slotAddress: number): void {
  mutex.close(segment, slotAddress);
}
