import { cell, header, ONE_TAKEN, READS, shared, slot } from '../../native-layout/index.js';
import { FIRST_BUCKET_MS, WAIT_BUCKETS } from '../locks/waits.js';
import { countOf, POP, PUSH, ringOf, roomOf, slotOf } from '../raw/ring.js';
import type { SlotKind } from '../registry/kinds.js';
import { kindOf } from '../registry/registry.js';
import { cellAt, type Segment, sharedAt, slotAt, slotNumber as numberOf } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';

const word = slot.fields;
const shares = shared.fields;

/**
 * Counts since the lock was made. `totalAcquisitions` is exact, whichever threads acquired and whether they live; a thread that dies
 * between acquiring and counting is missing in the others, and one that dies while it looks whether it may read is counted as if it had.
 */
export interface ModeStatistics {
  readonly totalAcquisitions: number;
  /** Those of them that found the lock taken, or its owner dead. */
  readonly contendedAcquisitions: number;
  /** Those of them that had to sleep for it; wait times are theirs. */
  readonly totalWaits: number;
  readonly totalTimeouts: number;
  readonly totalAborts: number;
  readonly totalWaitTimeMs: number;
  readonly avgWaitTimeMs: number;
  readonly maxWaitTimeMs: number;
  /** Upper bound of the histogram's bucket in which that share of the waits ends, ms. */
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
  /**
   * Of a mutex, a sample of its holds: those that had to sleep for it and have been released. The others are not timed, so that they look
   * at no clock. Both times are of these alone.
   */
  readonly sampledHolds: number;
  readonly avgSampledHoldTimeMs: number;
  readonly maxSampledHoldTimeMs: number;
}

/** What a lock has seen since it was made. */
export interface LockStatistics {
  readonly kind: string;
  /**
   * By mode: `exclusive` of a mutex; `permit` of a semaphore, where it counts acquisitions and not permits; `read` (upgradable ones too) and
   * `write` (upgrades too) of an rwlock; `wait` of a condition, an event, a latch and a
   * barrier, where it counts those who had to wait and passed; `push` and `pop` of a queue, where it counts items. All 0 where the kind has no such mode.
   */
  readonly locks: { readonly exclusive: ModeStatistics; readonly permit: ModeStatistics; readonly read: ModeStatistics; readonly write: ModeStatistics; readonly wait: ModeStatistics; readonly push: ModeStatistics; readonly pop: ModeStatistics };
  /** Acquisitions refused because the wait would have closed a cycle. */
  readonly deadlocks: number;
  readonly ownerDeaths: number;
}

const none: ModeStatistics = {
  totalAcquisitions: 0,
  contendedAcquisitions: 0,
  totalWaits: 0,
  totalTimeouts: 0,
  totalAborts: 0,
  totalWaitTimeMs: 0,
  avgWaitTimeMs: 0,
  maxWaitTimeMs: 0,
  waitP50Ms: 0,
  waitP99Ms: 0,
  sampledHolds: 0,
  avgSampledHoldTimeMs: 0,
  maxSampledHoldTimeMs: 0,
};

/** The modes of a kind; first the one as which the acquisitions count that the slot itself counts. */
export const modesOf = {
  mutex: ['exclusive'],
  once: ['exclusive'],
  semaphore: ['permit'],
  rwlock: ['write', 'read'],
  condition: ['wait'],
  event: ['wait'],
  latch: ['wait'],
  barrier: ['wait'],
  queue: ['pop', 'push'],
  room: ['push'],
} as const satisfies Record<SlotKind['kind'], readonly (keyof LockStatistics['locks'])[]>;

/** Reads the statistics of a slot. */
export function readStatistics(segment: Segment, slotNumber: number): LockStatistics {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const { kind } = kindOf(segment, slotNumber);
  const counts = { [modesOf[kind][0]]: readCounts(segment, slotNumber), ...(kind === 'rwlock' && { read: readReads(segment, slotNumber) }), ...(kind === 'queue' && readSides(segment, at)) };
  const locks = { exclusive: none, permit: none, read: none, write: none, wait: none, push: none, pop: none, ...counts };
  return { kind, locks, deadlocks: words.load(at + word.deadlocks.at), ownerDeaths: words.load(at + word.ownerDeaths.at) };
}

/** Those who push have a slot of their own. */
function readSides(segment: Segment, at: number): Partial<LockStatistics['locks']> {
  const { words } = segment;
  const ring = ringOf(words, at);
  if (ring === 0) return {};
  const queue = { items: at, room: roomOf(segment, ring), ring };
  const read = (side: number): ModeStatistics => ({ ...readCounts(segment, numberOf(segment, slotOf(queue, side))), totalAcquisitions: countOf(words, queue, side) });
  return { push: read(PUSH), pop: read(POP) };
}

function readCounts(segment: Segment, slotNumber: number): ModeStatistics {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const sampledHolds = words.load(at + word.holdSamples.at);
  return {
    totalAcquisitions: words.loadNumber(at + word.token.at),
    contendedAcquisitions: words.loadNumber(at + word.contended.at),
    totalTimeouts: words.load(at + word.timeouts.at),
    totalAborts: words.load(at + word.aborts.at),
    ...summarise(words, at + word.waits.at, words.loadNumber(at + word.waitMsSum.at), words.loadNumber(at + word.waitMsMax.at)),
    sampledHolds,
    avgSampledHoldTimeMs: sampledHolds === 0 ? 0 : words.loadNumber(at + word.holdMsSum.at) / sampledHolds,
    maxSampledHoldTimeMs: words.loadNumber(at + word.holdMsMax.at),
  };
}

/** Readers count in their own cells; those of all who ever used a record are in its cell together. */
function readReads(segment: Segment, slotNumber: number): ModeStatistics {
  const { words } = segment;
  const at = sharedAt(segment, slotNumber);
  const high = words.load(segment.header + header.fields.agentHigh.at);
  let totalAcquisitions = words.load(slotAt(segment, slotNumber) + word.readWraps.at) * (2 ** 32 / ONE_TAKEN);
  for (let id = 1; id <= high; id++) {
    const hold = words.load(cellAt(segment, id, slotNumber) + cell.fields.hold.at) >>> 0;
    // A hold that has not ended counts too.
    totalAcquisitions += Math.floor(hold / ONE_TAKEN) + (hold & READS);
  }
  const waitUs = (words.load(at + shares.waitUsHigh.at) >>> 0) * 2 ** 32 + (words.load(at + shares.waitUsLow.at) >>> 0);
  return {
    ...none,
    totalAcquisitions,
    contendedAcquisitions: words.load(at + shares.contended.at),
    totalTimeouts: words.load(at + shares.timeouts.at),
    totalAborts: words.load(at + shares.aborts.at),
    ...summarise(words, at + shares.waits.at, waitUs / 1_000, words.load(at + shares.waitUsMax.at) / 1_000),
    sampledHolds: 0,
    avgSampledHoldTimeMs: 0,
    maxSampledHoldTimeMs: 0,
  };
}

function summarise(words: SharedWords, waitsAt: number, totalWaitTimeMs: number, maxWaitTimeMs: number) {
  const buckets = Array.from({ length: WAIT_BUCKETS }, (_, i) => words.load(waitsAt + i * Int32Array.BYTES_PER_ELEMENT));
  const totalWaits = buckets.reduce((sum, count) => sum + count, 0);
  return {
    totalWaits,
    totalWaitTimeMs,
    avgWaitTimeMs: totalWaits === 0 ? 0 : totalWaitTimeMs / totalWaits,
    maxWaitTimeMs,
    waitP50Ms: percentile(buckets, totalWaits, 0.5, maxWaitTimeMs),
    waitP99Ms: percentile(buckets, totalWaits, 0.99, maxWaitTimeMs),
  };
}

function percentile(buckets: readonly number[], total: number, share: number, max: number): number {
  let left = total * share;
  let bound = FIRST_BUCKET_MS;
  for (const count of buckets) {
    left -= count;
    if (left <= 0) return Math.min(bound, max);
    bound *= 4;
  }
  return max;
}
