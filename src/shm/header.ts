import { CLOSED, fingerprint, header, LAYOUT_VERSION, MAGIC, mask, slot } from '../../native-layout/index.js';
import { placeRegions, type Segment, shutSlot } from './segment.js';
import type { SharedWords } from './words.js';

const at = header.fields;
const RELEASE = mask(at.options.bits.ownerDeathRelease);
const BLOCKING = mask(at.options.bits.blockingOnMain);
const DEADLOCK = at.options.bits.deadlock.bit;

/** What becomes of a wait that would close a cycle; the number of each stands in the header. */
export const deadlockPolicies = ['throw', 'report', 'off'] as const;

/** What the creator of a segment decides for all who attach. */
export interface SegmentOptions {
  readonly agentLimit: number;
  readonly slotLimit: number;
  readonly heapBytes: number;
  readonly sharedMs: number;
  readonly exclusiveMs: number;
  readonly distributedMs: number;
  readonly ownerDeath: 'poison' | 'release';
  readonly blockingOnMain: 'refuse' | 'allow';
  readonly deadlock: (typeof deadlockPolicies)[number];
}

/** Writes the header of a new segment into zeroed memory. */
export function writeHeader(words: SharedWords, start: number, options: SegmentOptions): void {
  const { size, indexLimit } = placeRegions(start, options);
  words.store(start + at.version.at, LAYOUT_VERSION);
  words.store(start + at.fingerprint.at, fingerprint());
  words.store(start + at.size.at, size);
  words.store(start + at.agentLimit.at, options.agentLimit);
  words.store(start + at.slotLimit.at, options.slotLimit);
  words.store(start + at.indexLimit.at, indexLimit);
  words.store(start + at.heapBytes.at, options.heapBytes);
  const bits = (options.ownerDeath === 'release' ? RELEASE : 0) | (options.blockingOnMain === 'allow' ? BLOCKING : 0) | (deadlockPolicies.indexOf(options.deadlock) << DEADLOCK);
  words.store(start + at.options.at, bits);
  words.storeNumber(start + at.sharedMs.at, options.sharedMs);
  words.storeNumber(start + at.exclusiveMs.at, options.exclusiveMs);
  words.storeNumber(start + at.distributedMs.at, options.distributedMs);
  words.store(shutSlot(placeRegions(start, options)) + slot.fields.word.at, CLOSED);
  words.store(start + at.magic.at, MAGIC);
}

/** Reads back what `writeHeader` wrote. Only after `checkHeader`. */
export function readOptions(words: SharedWords, start: number): SegmentOptions {
  const bits = words.load(start + at.options.at);
  return {
    agentLimit: words.load(start + at.agentLimit.at),
    slotLimit: words.load(start + at.slotLimit.at),
    heapBytes: words.load(start + at.heapBytes.at),
    sharedMs: words.loadNumber(start + at.sharedMs.at),
    exclusiveMs: words.loadNumber(start + at.exclusiveMs.at),
    distributedMs: words.loadNumber(start + at.distributedMs.at),
    ownerDeath: bits & RELEASE ? 'release' : 'poison',
    blockingOnMain: bits & BLOCKING ? 'allow' : 'refuse',
    deadlock: deadlockPolicies[(bits & mask(at.options.bits.deadlock)) >>> DEADLOCK]!,
  };
}

/** Two layouts that are not the same, in the form in which messages name them. */
export interface LayoutMismatch {
  readonly found: string;
  readonly own: string;
}

/** `undefined` if a fingerprint is that of this build. */
export function compareLayout(found: number): LayoutMismatch | undefined {
  return found === fingerprint() ? undefined : { found: hex(found), own: hex(fingerprint()) };
}

/** Why the memory at `start` is no segment of this build, or `undefined` if it is one. */
export function checkHeader(words: SharedWords, start: number): LayoutMismatch | 'no segment' | undefined {
  return words.load(start + at.magic.at) === MAGIC ? compareLayout(words.load(start + at.fingerprint.at)) : 'no segment';
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** Whether the manager was closed for everybody. */
export function isClosed({ words, header: start }: Pick<Segment, 'words' | 'header'>): boolean {
  return words.load(start + at.closed.at) !== 0;
}

/** Closes the segment: nobody attaches or opens a name from now on. */
export function setClosed({ words, header: start }: Pick<Segment, 'words' | 'header'>): void {
  words.store(start + at.closed.at, 1);
}
