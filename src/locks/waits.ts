/** What contended acquisitions leave in a slot's statistics. Only the owner writes, so plain numbers are exact. */
import { HANDED, OWNER, slot } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import type { SharedWords } from '../shm/words.js';

const { word, token: tokenField, waitMsSum, waitMsMax, waits, since, sinceToken, holdSamples, holdMsSum, holdMsMax } = slot.fields;

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

/**
 * The hold of a mutex is about to end on the contended path. It is timed if it began with a sleep, since then it is known when: the word of
 * such a one has WAITERS, so its release always comes by here.
 */
export function noteHold(words: SharedWords, slotAddress: number, self: number): void {
  const value = words.load(slotAddress + word.at);
  if ((value & OWNER) !== self || value & HANDED) return;
  if (words.loadNumber(slotAddress + sinceToken.at) !== words.loadNumber(slotAddress + tokenField.at)) return;
  const heldMs = Math.max(0, now() - words.loadNumber(slotAddress + since.at));
  words.store(slotAddress + holdSamples.at, words.load(slotAddress + holdSamples.at) + 1);
  words.storeNumber(slotAddress + holdMsSum.at, words.loadNumber(slotAddress + holdMsSum.at) + heldMs);
  if (heldMs > words.loadNumber(slotAddress + holdMsMax.at)) words.storeNumber(slotAddress + holdMsMax.at, heldMs);
}

function bucketOf(ms: number): number {
  let bucket = 0;
  for (let bound = FIRST_BUCKET_MS; ms >= bound && bucket < WAIT_BUCKETS - 1; bound *= 4) bucket++;
  return bucket;
}
