import { slot } from '../../native-layout/index.js';
import { FIRST_BUCKET_MS, WAIT_BUCKETS } from '../locks/waits.js';
import { countOf, POP, PUSH, ringOf, roomOf, slotOf } from '../raw/ring.js';
import { kindOf } from '../registry/registry.js';
import { type Segment, slotAt } from '../shm/segment.js';

const word = slot.fields;

/**
 * Counts since the lock was made. `totalAcquisitions` is exact, whichever threads acquired and whether they live; a thread that dies
 * between acquiring and counting is missing in the others.
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
   * By mode: `exclusive` of a mutex; `permit` of a semaphore, where it counts acquisitions and not permits; `push` and `pop` of a queue, where
   * it counts items. All 0 where the kind has no such mode.
   */
  readonly locks: { readonly exclusive: ModeStatistics; readonly permit: ModeStatistics; readonly push: ModeStatistics; readonly pop: ModeStatistics };
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

/** Reads the statistics of a slot. */
export function readStatistics(segment: Segment, slotNumber: number): LockStatistics {
  const at = slotAt(segment, slotNumber);
  const { kind } = kindOf(segment, slotNumber);
  const ownerDeaths = segment.words.load(at + word.ownerDeaths.at);
  const locks = { exclusive: none, permit: none, push: none, pop: none };
  if (kind === 'queue') return { kind, locks: { ...locks, ...readSides(segment, at) }, ownerDeaths };
  return { kind, locks: { ...locks, [kind === 'semaphore' ? 'permit' : 'exclusive']: readMode(segment, at) }, ownerDeaths };
}

/** Those who push have a slot of their own. */
function readSides(segment: Segment, at: number): Partial<LockStatistics['locks']> {
  const { words } = segment;
  const ring = ringOf(words, at);
  if (ring === 0) return {};
  const queue = { items: at, room: roomOf(segment, ring), ring };
  const read = (side: number): ModeStatistics => ({ ...readMode(segment, slotOf(queue, side)), totalAcquisitions: countOf(words, queue, side) });
  return { push: read(PUSH), pop: read(POP) };
}

function readMode(segment: Segment, at: number): ModeStatistics {
  const { words } = segment;
  const buckets = Array.from({ length: WAIT_BUCKETS }, (_, i) => words.load(at + word.waits.at + i * Int32Array.BYTES_PER_ELEMENT));
  const totalWaits = buckets.reduce((sum, count) => sum + count, 0);
  const sum = words.loadNumber(at + word.waitMsSum.at);
  const maxWaitTimeMs = words.loadNumber(at + word.waitMsMax.at);
  const sampledHolds = words.load(at + word.holdSamples.at);
  return {
    totalAcquisitions: words.loadNumber(at + word.token.at),
    contendedAcquisitions: words.loadNumber(at + word.contended.at),
    totalWaits,
    totalTimeouts: words.load(at + word.timeouts.at),
    totalAborts: words.load(at + word.aborts.at),
    totalWaitTimeMs: sum,
    avgWaitTimeMs: totalWaits === 0 ? 0 : sum / totalWaits,
    maxWaitTimeMs,
    waitP50Ms: percentile(buckets, totalWaits, 0.5, maxWaitTimeMs),
    waitP99Ms: percentile(buckets, totalWaits, 0.99, maxWaitTimeMs),
    sampledHolds,
    avgSampledHoldTimeMs: sampledHolds === 0 ? 0 : words.loadNumber(at + word.holdMsSum.at) / sampledHolds,
    maxSampledHoldTimeMs: words.loadNumber(at + word.holdMsMax.at),
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
