import { cell, header, mask, shared, slot } from '../../native-layout/index.js';
import { FIRST_BUCKET_MS, WAIT_BUCKETS } from '../locks/waits.js';
import { kindOf } from '../registry/registry.js';
import { cellAt, type Segment, sharedAt, slotAt } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';

const word = slot.fields;
const shares = shared.fields;

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
}

/** What a lock has seen since it was made. */
export interface LockStatistics {
  readonly kind: string;
  /** By mode: `read` and `write` of an rwlock, `exclusive` of all others. What a lock has not is not there. */
  readonly locks: { readonly exclusive: ModeStatistics; readonly read: ModeStatistics; readonly write: ModeStatistics };
  readonly ownerDeaths: number;
}

/** Reads the statistics of a slot. */
export function readStatistics(segment: Segment, slotNumber: number): LockStatistics {
  const { kind } = kindOf(segment, slotNumber);
  const exclusive = readExclusive(segment, slotNumber);
  const locks = kind === 'rwlock' ? { read: readShared(segment, slotNumber), write: exclusive } : { exclusive };
  return { kind, locks: locks as LockStatistics['locks'], ownerDeaths: segment.words.load(slotAt(segment, slotNumber) + word.ownerDeaths.at) };
}

function readExclusive(segment: Segment, slotNumber: number): ModeStatistics {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  return {
    totalAcquisitions: words.loadNumber(at + word.token.at),
    contendedAcquisitions: words.loadNumber(at + word.contended.at),
    totalTimeouts: words.load(at + word.timeouts.at),
    totalAborts: words.load(at + word.aborts.at),
    ...summarise(words, at + word.waits.at, words.loadNumber(at + word.waitMsSum.at), words.loadNumber(at + word.waitMsMax.at)),
  };
}

/** Readers count in their own cells; those of all who ever used a record are in its cell together. */
function readShared(segment: Segment, slotNumber: number): ModeStatistics {
  const { words } = segment;
  const at = sharedAt(segment, slotNumber);
  const high = words.load(segment.header + header.fields.agentHigh.at);
  let totalAcquisitions = 0;
  for (let id = 1; id <= high; id++) totalAcquisitions += readsOf(words, cellAt(segment, id, slotNumber));
  const waitUs = (words.load(at + shares.waitUsHigh.at) >>> 0) * 2 ** 32 + (words.load(at + shares.waitUsLow.at) >>> 0);
  return {
    totalAcquisitions,
    contendedAcquisitions: words.load(at + shares.contended.at),
    totalTimeouts: words.load(at + shares.timeouts.at),
    totalAborts: words.load(at + shares.aborts.at),
    ...summarise(words, at + shares.waits.at, waitUs / 1_000, words.load(at + shares.waitUsMax.at) / 1_000),
  };
}

/** A hold that has not ended counts too. */
function readsOf(words: SharedWords, cellAddress: number): number {
  const { hold, holdWraps } = cell.fields;
  const value = words.load(cellAddress + hold.at);
  return words.load(cellAddress + holdWraps.at) * 2 ** hold.bits.taken.width + (value >>> hold.bits.taken.bit) + (value & mask(hold.bits.reads));
}

function summarise(words: SharedWords, waitsAt: number, sumMs: number, maxMs: number) {
  const buckets = Array.from({ length: WAIT_BUCKETS }, (_, i) => words.load(waitsAt + i * Int32Array.BYTES_PER_ELEMENT));
  const totalWaits = buckets.reduce((sum, count) => sum + count, 0);
  return {
    totalWaits,
    totalWaitTimeMs: sumMs,
    avgWaitTimeMs: totalWaits === 0 ? 0 : sumMs / totalWaits,
    maxWaitTimeMs: maxMs,
    waitP50Ms: percentile(buckets, totalWaits, 0.5, maxMs),
    waitP99Ms: percentile(buckets, totalWaits, 0.99, maxMs),
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
