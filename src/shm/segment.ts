import { agent, cell, header, index, name, nameTail, shared, slot } from '../../native-layout/index.js';
import type { SharedWords } from './words.js';

/** Where the regions of a segment lie, and how to touch them. Plain numbers, fixed once the segment exists. */
export interface Segment {
  readonly words: SharedWords;
  /** Address of the header, which is the start of the segment. */
  readonly header: number;
  /** Addresses of the first record of each region. */
  readonly agents: number;
  readonly cells: number;
  readonly slots: number;
  readonly names: number;
  readonly nameTails: number;
  readonly index: number;
  readonly shares: number;
  /** From where queues take their storage; its size stands in the header. */
  readonly heap: number;
  readonly size: number;
  readonly agentLimit: number;
  readonly slotLimit: number;
  readonly indexLimit: number;
  /** How long a contended acquire looks at the word before it queues. */
  readonly spinMs: number;
  /** So many sleeps of a moment one who wants to enter a section takes at most, before it says that it could not. */
  readonly entryTries: number;
  /** A queued waiter that is woken in vain after that time asks for the lock to be handed over. */
  readonly patienceMs: number;
  /** A blocked thread wakes this often to see whether the owner still lives; `Infinity`: never. */
  readonly patrolMs: number;
  /** Called then, with the owner's agent id. May run a recovery. */
  readonly patrol: (owner: number) => void;
}

export interface Capacity {
  readonly agentLimit: number;
  readonly slotLimit: number;
  /** Bytes; none unless told. Changes where nothing lies but the end. */
  readonly heapBytes?: number;
}

type Regions = Pick<Segment, 'agents' | 'cells' | 'slots' | 'names' | 'nameTails' | 'index' | 'shares' | 'heap' | 'size' | 'indexLimit'>;

/** Lays the regions of a segment of that capacity out, from the address `start`. */
export function placeRegions(start: number, { agentLimit, slotLimit, heapBytes = 0 }: Capacity): Regions {
  let indexLimit = 2;
  while (indexLimit < slotLimit + slotLimit / 2) indexLimit *= 2;
  const agents = start + header.size;
  const slots = agents + (agentLimit + 1) * agent.size;
  const names = slots + slotLimit * slot.size;
  const nameTails = names + slotLimit * name.size;
  const indexAt = nameTails + slotLimit * nameTail.size;
  const cells = roundUp(indexAt + indexLimit * index.size, 64);
  const shares = roundUp(cells + (agentLimit + 1) * cellsPerAgent(slotLimit), 64);
  const heap = shares + slotLimit * shared.size;
  const size = roundUp(heap + heapBytes, 64) - start;
  return { agents, cells, slots, names, nameTails, index: indexAt, shares, heap, size, indexLimit };
}

/** Bytes of the cells of one agent: whole cache lines, so that no two agents share one. */
function cellsPerAgent(slotLimit: number): number {
  return roundUp(slotLimit * cell.size, 64);
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Address of the record of an agent. */
export function agentAt(segment: Segment, id: number): number {
  return segment.agents + id * agent.size;
}

/** Address of a slot by its number. */
export function slotAt(segment: Segment, number: number): number {
  return segment.slots + number * slot.size;
}

/** A slot that is closed for ever: where the handles of a thread look that has left the segment. */
export function shutSlot(segment: Pick<Segment, 'agents'>): number {
  return segment.agents;
}

/** Number of the slot at an address. */
export function slotNumber(segment: Segment, at: number): number {
  return (at - segment.slots) / slot.size;
}

/** Address of the cell of an agent for a slot number. */
export function cellAt(segment: Segment, id: number, number: number): number {
  return segment.cells + id * cellsPerAgent(segment.slotLimit) + number * cell.size;
}

/** Address of what the shared acquisitions of a slot leave behind. */
export function sharedAt(segment: Segment, number: number): number {
  return segment.shares + number * shared.size;
}

/** Makes a word that only grows at least `value`. */
export function raise(words: SharedWords, at: number, value: number): void {
  for (;;) {
    const high = words.load(at);
    if (high >= value || words.compareExchange(at, high, value) === high) return;
  }
}
