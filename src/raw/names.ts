/**
 * Names to slots.
 *
 * Word. `index.slot`: number + 1. `slot.state`: claimant (16 bits), `published`.
 *
 * States. slot: #1 unused: 0. #2 being filled in: claimant. #3 published. index cell: #4 empty. #5 names a slot, for good.
 *
 * Transitions. #1 → #2 `claimSlot`. #4 → #5 `openSlot`: the moment at which the name exists. #2 → #3 `openSlot`, after it.
 * #2 → #1 `openSlot`: another was first with that name. #2 → #3 or #1 `recoverClaim`: the claimant is dead; the index decides which.
 *
 * Invariants. INV-once: cells are only ever filled, and all look for a name from the same cell on, so two agents with the same new
 * name meet at the same empty cell, and one compare-exchange decides. INV-whole: a slot is filled in before the index names it.
 *
 * Order. Claimant: fill the slot in, then compare-exchange the cell. Reader: read the cell, then the slot.
 */
import { header, index, mask, name, nameTail, slot } from '../../native-layout/index.js';
import { raise, type Segment, slotAt } from '../shm/segment.js';

const INDEX_SLOT = index.fields.slot.at;
const SLOT_HIGH = header.fields.slotHigh.at;
const STATE = slot.fields.state.at;
const HASH = slot.fields.hash.at;
const KIND = slot.fields.kind.at;
const NAME_LENGTH = slot.fields.nameLength.at;
const PUBLISHED = mask(slot.fields.state.bits.published);

/** No slot is left. */
export const FULL = -1;
/** No slot is left now, but a claimant may yet give one back. */
export const FULL_FOR_NOW = -2;
/** No slot has that name. */
export const UNKNOWN = -3;

/** A name in the form in which it lies in shared memory: UTF-8, packed into words, the last one filled with zeros. */
export interface PackedName {
  readonly hash: number;
  /** Bytes. */
  readonly length: number;
  readonly packed: Int32Array;
}

/** The number of the slot of that name, or UNKNOWN. */
export function findSlot(segment: Segment, wanted: PackedName): number {
  const { words, indexLimit } = segment;
  for (let i = 0; i < indexLimit; i++) {
    const number = words.load(indexCell(segment, wanted.hash + i)) - 1;
    if (number < 0) return UNKNOWN;
    if (isNamed(segment, number, wanted)) return number;
  }
  return UNKNOWN;
}

/** The number of the slot of that name, which is made if there is none; or FULL or FULL_FOR_NOW. */
export function openSlot(segment: Segment, self: number, wanted: PackedName, kind: number): number {
  const { words } = segment;
  const found = findSlot(segment, wanted);
  if (found !== UNKNOWN) return found;
  const mine = claimSlot(segment, self);
  if (mine < 0) {
    const late = findSlot(segment, wanted);
    return late === UNKNOWN ? mine : late;
  }
  const slotAddress = slotAt(segment, mine);
  words.store(slotAddress + HASH, wanted.hash);
  words.store(slotAddress + KIND, kind);
  words.store(slotAddress + NAME_LENGTH, wanted.length);
  for (let i = 0; i < wanted.packed.length; i++) words.store(nameWord(segment, mine, i), wanted.packed[i]!);
  // There are more cells than slots, so one is empty.
  for (let i = 0; ; i++) {
    const at = indexCell(segment, wanted.hash + i);
    const number = words.compareExchange(at, 0, mine + 1) - 1;
    if (number < 0) {
      words.store(slotAddress + STATE, PUBLISHED);
      return mine;
    }
    if (!isNamed(segment, number, wanted)) continue;
    words.store(slotAddress + STATE, 0);
    return number;
  }
}

/** #1 → #2. */
function claimSlot(segment: Segment, self: number): number {
  const { words, slotLimit } = segment;
  // Slots are given back rarely, so the first unused one is nearly always the one after the highest.
  const high = words.load(segment.header + SLOT_HIGH);
  let pending = false;
  for (let i = 0; i < slotLimit; i++) {
    const number = (high + i) % slotLimit;
    const state = words.load(slotAt(segment, number) + STATE);
    if (state === 0) {
      raise(words, segment.header + SLOT_HIGH, number + 1);
      if (words.compareExchange(slotAt(segment, number) + STATE, 0, self) === 0) return number;
      pending = true;
    } else if (!(state & PUBLISHED)) pending = true;
  }
  return pending ? FULL_FOR_NOW : FULL;
}

/** #2 → #3 or #1, if the dead agent was filling this slot in. */
export function recoverClaim(segment: Segment, number: number, dead: number): void {
  const { words } = segment;
  const at = slotAt(segment, number) + STATE;
  if (words.load(at) === dead) words.compareExchange(at, dead, isIndexed(segment, number) ? PUBLISHED : 0);
}

function isIndexed(segment: Segment, number: number): boolean {
  for (let i = 0; i < segment.indexLimit; i++) if (segment.words.load(indexCell(segment, i)) === number + 1) return true;
  return false;
}

function indexCell(segment: Segment, position: number): number {
  return segment.index + (position & (segment.indexLimit - 1)) * index.size + INDEX_SLOT;
}

/** Address of a word of a name: the first ones lie together, the others apart. */
export function nameWord(segment: Segment, number: number, i: number): number {
  const at = i * Int32Array.BYTES_PER_ELEMENT;
  return at < name.size
    ? segment.names + number * name.size + at
    : segment.nameTails + number * nameTail.size + at - name.size;
}

function isNamed(segment: Segment, number: number, { hash, length, packed }: PackedName): boolean {
  const { words } = segment;
  const slotAddress = slotAt(segment, number);
  if (words.load(slotAddress + HASH) !== hash || words.load(slotAddress + NAME_LENGTH) !== length) return false;
  for (let i = 0; i < packed.length; i++) if (words.load(nameWord(segment, number, i)) !== packed[i]) return false;
  return true;
}

/** Whether the slot is in the index, or about to be noted so. */
export function isPublished(segment: Segment, number: number): boolean {
  return (segment.words.load(slotAt(segment, number) + STATE) & PUBLISHED) !== 0;
}
