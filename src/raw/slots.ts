/** What becomes of a slot, of whichever kind, when a thread has died or the manager is closed. */
import { agent, DRAINING, mask, OWNER, primitives, slot, UPGRADABLE } from '../../native-layout/index.js';
import { agentAt, type Segment } from '../shm/segment.js';
import * as mutex from './mutex.js';
import { clearCell, hasFlows } from './queue.js';
import * as rwlock from './rwlock.js';

const { ownerDeaths, deathThread, deathAt } = slot.fields;
const CLAIM = agent.fields.claim.at;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const THREAD = mask(agent.fields.claim.bits.thread);

/** Takes back what a dead agent held of the slot and withdraws its flows; whoever calls has cleared its row, and wakes everybody afterwards. */
export function recoverSlot(segment: Segment, slotAddress: number, dead: number, nowMs: number): void {
  const { words } = segment;
  // Read first: most cells have never been touched, and need not become resident.
  if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);
  const word = words.load(slotAddress);
  if ((word & OWNER) === dead && !(word & (DRAINING | UPGRADABLE))) {
    words.store(slotAddress + deathThread.at, words.load(agentAt(segment, dead) + CLAIM) & THREAD);
    words.storeNumber(slotAddress + deathAt.at, nowMs);
  }
  if (recoverWord(segment, slotAddress, dead)) words.add(slotAddress + ownerDeaths.at, 1);
}

/** Whether the dead one was an owner whose data may be half-written. */
function recoverWord(segment: Segment, slotAddress: number, dead: number): boolean {
  const primitive = segment.words.load(slotAddress + KIND) & PRIMITIVE;
  return primitive === primitives.rwlock ? rwlock.recover(segment, slotAddress, dead) : mutex.recover(segment, slotAddress, dead);
}

/** Nobody acquires any more, and every wait ends. */
export function closeSlot(segment: Segment, slotAddress: number): void {
  mutex.close(segment, slotAddress);
}
