import { slot } from '../../native-layout/index.js';
import type { OwnerDeath } from '../contract/lock.js';
import { type Segment, slotAt } from '../shm/segment.js';

const { deathThread, deathAt } = slot.fields;

/** The last owner of a slot that died. Stable while the word says so. */
export function readDeath(segment: Segment, slotNumber: number): OwnerDeath {
  const at = slotAt(segment, slotNumber);
  return { threadId: segment.words.load(at + deathThread.at) - 1, at: segment.words.loadNumber(at + deathAt.at) };
}
