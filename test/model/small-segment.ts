/** A segment as small as a scenario needs it, on the model's words. */
import { header, slot } from '../../native-layout/index.js';
import { placeRegions, type Segment, slotAt } from '../../src/shm/segment.js';
import type { SharedWords } from '../../src/shm/words.js';

export interface Size {
  readonly agents: number;
  readonly slots?: number;
  readonly patienceMs?: number;
  readonly heapBytes?: number;
}

/** The same addresses for all words, so it may be made anew in each body. */
export function smallSegment(words: SharedWords, { agents, slots = 1, patienceMs = 0, heapBytes = 0 }: Size): Segment {
  const limits = { agentLimit: agents, slotLimit: slots };
  return {
    words,
    header: 0,
    ...limits,
    ...placeRegions(0, { ...limits, heapBytes }),
    spinMs: 0,
    entryTries: Infinity,
    patienceMs,
    patrolMs: Infinity,
    patrol: () => {},
  };
}

/** Agents 1 … n are attached, and slot 0 is in use. */
export function attachAll(words: SharedWords, size: Size): Segment {
  const segment = smallSegment(words, size);
  words.store(header.fields.agentHigh.at, size.agents);
  words.store(header.fields.slotHigh.at, 1);
  return segment;
}

export const KIND_AT = slot.fields.kind.at;

export function firstSlot(segment: Segment): number {
  return slotAt(segment, 0);
}
