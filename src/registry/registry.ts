import { slot } from '../../native-layout/index.js';
import { LockError } from '../contract/errors.js';
import { pause } from '../park/park.js';
import { findSlot, FULL, FULL_FOR_NOW, isPublished, openSlot, UNKNOWN } from '../raw/names.js';
import * as ring from '../raw/ring.js';
import { isClosed } from '../shm/header.js';
import { type Segment, slotAt } from '../shm/segment.js';
import { decodeKind, describeKind, encodeKind, type QueueKind, type SlotKind } from './kinds.js';
import { nameOf, packName, packPart } from './names.js';

/** A claimant that takes so many pauses (ms) is dead, or stopped. */
const CLAIMANT_TRIES = 1_000;

/** Who opens a name. */
export interface Opener {
  readonly segment: Segment;
  readonly id: number;
  /** Recovers after threads that have ended. */
  lookForDead(): void;
}

/** The slot of that name; made if there is none. Throws if it is of another kind or with other parameters. */
export function openNamed(opener: Opener, name: string, kind: SlotKind): number {
  const { segment, id } = opener;
  const packed = kind.kind === 'room' ? packPart(name) : packName(name);
  if (isClosed(segment)) throw closedManager(name);
  const word = encodeKind(kind);
  let number = openSlot(segment, id, packed, word);
  // Another thread is about to publish or give back the last slot; that takes microseconds, unless it has died.
  for (let tries = 0; number === FULL_FOR_NOW && tries < CLAIMANT_TRIES; tries++) {
    pause(segment, id);
    opener.lookForDead();
    number = openSlot(segment, id, packed, word);
  }
  if (number === FULL || number === FULL_FOR_NOW) throw registryFull(segment, name);
  // Claimed after the closer had looked how many slots there are, so nobody else would close this one.
  if (isClosed(segment)) throw closedManager(name);
  const found = segment.words.load(slotAt(segment, number) + slot.fields.kind.at);
  if (found !== word) throw kindMismatch(segment, name, decodeKind(found), kind);
  return number;
}

/** The parameters of a queue. */
export type QueueParameters = Required<Omit<QueueKind, 'kind'>>;

/** Somebody who has been in the section for so many tries is stopped, or has died and nobody can hear of it. */
const SECTION_TRIES = 10;

/** The slots of the queue of that name, with its storage; made if there is none. Throws if it was made with other parameters. */
export function openQueue(opener: Opener, name: string, wanted: QueueParameters): { readonly items: number; readonly room: number } {
  const { segment, id } = opener;
  const { words } = segment;
  const { capacity, maxItemBytes } = wanted;
  const needed = ring.storageOf(capacity, maxItemBytes);
  // Looked at before the name is made; another may take the rest meanwhile, and then the name is that of a queue without storage.
  if (needed > ring.heapLeft(segment) && findNamed(segment, name) === undefined) throw storageFull(segment, name, needed);
  const items = openNamed(opener, name, { kind: 'queue' });
  const room = openNamed(opener, name, { kind: 'room' });
  const at = slotAt(segment, items);
  for (let tries = 0; ring.ringOf(words, at) === 0; tries++) {
    const result = ring.reserve(segment, at, id, capacity, maxItemBytes, room);
    if (result === ring.SHUT) throw closedManager(name);
    if (result === ring.NO_STORAGE) throw storageFull(segment, name, needed);
    if (tries === SECTION_TRIES) throw new LockError('ERR_LOCK_TIMEOUT', `"${name}" not made: another thread is making it, and does not come to an end`, { lock: name });
    if (result === ring.BUSY) opener.lookForDead();
  }
  return { items, room };
}

/** Throws if a queue was made with other parameters. */
export function checkParameters(segment: Segment, name: string, { capacity, maxItemBytes }: QueueParameters, wanted: QueueParameters): void {
  if (capacity === wanted.capacity && maxItemBytes === wanted.maxItemBytes) return;
  throw kindMismatch(segment, name, { kind: 'queue', capacity, maxItemBytes }, { kind: 'queue', ...wanted });
}

/** The slot of that name, if there is one. */
export function findNamed(segment: Segment, name: string): number | undefined {
  const number = findSlot(segment, packName(name));
  return number === UNKNOWN ? undefined : number;
}

/** All named locks there are: slot, name and kind. */
export function* namedSlots(segment: Segment): Generator<{ readonly slotNumber: number; readonly name: string; readonly kind: SlotKind }> {
  for (let slotNumber = 0; slotNumber < segment.slotLimit; slotNumber++) {
    if (!isPublished(segment, slotNumber)) continue;
    const kind = kindOf(segment, slotNumber);
    if (kind.kind !== 'room') yield { slotNumber, name: nameOf(segment, slotNumber), kind };
  }
}

export function kindOf(segment: Segment, slotNumber: number): SlotKind {
  return decodeKind(segment.words.load(slotAt(segment, slotNumber) + slot.fields.kind.at));
}

export function closedManager(name: string): LockError {
  return new LockError('ERR_LOCK_CLOSED', `"${name}" not opened: its manager was closed`, { lock: name });
}

function kindMismatch(segment: Segment, name: string, found: SlotKind, wanted: SlotKind): LockError {
  const hint = 'every thread that opens a name must give the same kind and parameters; what is left out counts as its default';
  return new LockError(
    'ERR_LOCK_KIND_MISMATCH',
    `"${name}" is already a ${describe(segment, found)}, not a ${describe(segment, wanted)}\n  hint: ${hint}`,
    { lock: name, found, wanted, hint },
  );
}

/** With the name of the mutex of a condition, not the number of its slot. */
function describe(segment: Segment, kind: SlotKind): string {
  return describeKind(kind, kind.kind === 'condition' ? { mutex: nameOf(segment, kind.mutex) } : {});
}

function registryFull(segment: Segment, name: string): LockError {
  const { slotLimit } = segment;
  const hint = `LockManager.create({ capacity: { locks: ${slotLimit * 2} } }); names that hold an id per item fill any registry: lock a bucket of them instead`;
  return new LockError('ERR_LOCK_REGISTRY_FULL', `"${name}" not made: all ${slotLimit} locks are in use\n  hint: ${hint}`, { lock: name, locks: slotLimit, hint });
}

function storageFull(segment: Segment, name: string, needed: number): LockError {
  const left = ring.heapLeft(segment);
  const enough = ring.heapBytesOf(segment) + needed - left;
  const hint = `LockManager.create({ capacity: { queueBytes: ${enough} } }); or a smaller capacity or maxItemBytes: a queue takes about their product, for good`;
  return new LockError(
    'ERR_LOCK_REGISTRY_FULL',
    `"${name}" not made: it takes ${needed} bytes, and ${left} are left for queues\n  hint: ${hint}`,
    { lock: name, neededBytes: needed, leftBytes: left, hint },
  );
}
