/** What contended acquisitions leave in a slot's statistics. Only the owner writes, so plain numbers are exact. */
import { slot } from '../../native-layout/index.js';
import { beginSection, endSection } from '../raw/semaphore.js';
import type { SharedWords } from '../shm/words.js';
import type { Site } from './site.js';

const { token: tokens, contended, waitMsSum, waitMsMax, waits, since, sinceToken } = slot.fields;

export const WAIT_BUCKETS = waits.length / Int32Array.BYTES_PER_ELEMENT;
/** Upper bound of the first bucket of the histogram; each next one is four times as wide. */
export const FIRST_BUCKET_MS = 0.016;

/** The owner slept for the lock and got it at `nowMs`, with that token. */
export function noteWait(words: SharedWords, slotAddress: number, waitedMs: number, nowMs: number, token: number): void {
  words.storeNumber(slotAddress + since.at, nowMs);
  words.storeNumber(slotAddress + sinceToken.at, token);
  words.storeNumber(slotAddress + waitMsSum.at, words.loadNumber(slotAddress + waitMsSum.at) + waitedMs);
  if (waitedMs > words.loadNumber(slotAddress + waitMsMax.at)) words.storeNumber(slotAddress + waitMsMax.at, waitedMs);
  const bucket = slotAddress + waits.at + bucketOf(waitedMs) * Int32Array.BYTES_PER_ELEMENT;
  words.store(bucket, words.load(bucket) + 1);
}

/** Of a slot that nobody owns: a wait has come to a good end. In the section, so that it is counted exactly. */
export function noteSignalled({ segment, words, slot: at, self }: Site, waitedMs: number, nowMs: number): void {
  if (!beginSection(segment, at, self)) return;
  const token = words.loadNumber(at + tokens.at) + 1;
  words.storeNumber(at + tokens.at, token);
  words.storeNumber(at + contended.at, token);
  noteWait(words, at, waitedMs, nowMs, token);
  endSection(segment, at, self);
}

function bucketOf(ms: number): number {
  let bucket = 0;
  for (let bound = FIRST_BUCKET_MS; ms >= bound && bucket < WAIT_BUCKETS - 1; bound *= 4) bucket++;
  return bucket;
}
