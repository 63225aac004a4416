/** All that the agents share. The main thread allocates it; every thread opens it, and finds its locks by their names. */
import { isMainThread, threadId } from 'node:worker_threads';
import { getLockManager } from 'holdfast';
import { allocateClaims, Claims } from './claims.js';
import { allocateControl, Control } from './control.js';
import { type GuardedMemory, GuardedWords, type OpenLock } from './guarded-words.js';
import type { InputFile } from './input.js';
import type { Mending } from './journal.js';
import { allocateTermTable, TermTable, type TermTableMemory } from './term-table.js';
import { allocateTotals, Totals } from './totals.js';

const SHARDS = 16;
const LEAST_CAPACITY = 8_192;
/** There is about one new term in 40 bytes of many files, and one in 15 of a few. */
const BYTES_PER_ENTRY = 8;

/** What the main thread sends to the agents. */
export interface SharedMemory {
  readonly files: readonly InputFile[];
  readonly agents: number;
  /** `'none'`: terms and totals are merged without locks. */
  readonly locks: 'all' | 'none';
  readonly claims: GuardedMemory;
  readonly totals: GuardedMemory;
  readonly terms: readonly TermTableMemory[];
  readonly control: SharedArrayBuffer;
}

/** Told when this thread has repaired what a dead owner left. */
export interface Repair extends Mending {
  readonly lock: string;
  /** Thread that died. */
  readonly dead: number;
  /** Thread that repaired. */
  readonly by: number;
  readonly us: number;
}

export interface SharedState {
  readonly claims: Claims;
  readonly totals: Totals;
  readonly terms: readonly TermTable[];
  readonly control: Control;
}

export function allocate(files: readonly InputFile[], agents: number, locks: SharedMemory['locks']): SharedMemory {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let capacity = LEAST_CAPACITY;
  while (capacity * SHARDS * BYTES_PER_ENTRY < bytes) capacity *= 2;
  return {
    files,
    agents,
    locks,
    claims: allocateClaims(files.length),
    totals: allocateTotals(agents, files.length),
    terms: Array.from({ length: SHARDS }, (_, i) => allocateTermTable(`terms[${i}]`, capacity, files.length)),
    control: allocateControl(agents),
  };
}

export function open(memory: SharedMemory, onRepair: (repair: Repair) => void): SharedState {
  const manager = getLockManager();
  const control = new Control(memory.control);
  const openLock: OpenLock = (name, mend) =>
    manager.mutex(name, {
      repair: (_, death) => {
        const startMs = performance.now();
        const mending = mend();
        onRepair({ ...mending, lock: name, dead: death.threadId, by: threadId, us: (performance.now() - startMs) * 1_000 });
      },
    });
  const guarded = (part: GuardedMemory, open: OpenLock | undefined): GuardedWords =>
    // Only agents are killed: the main thread, which gives back the files of the dead, is not to wait for its own end.
    new GuardedWords(part, open, isMainThread ? undefined : (place) => control.reach(part.name, place, threadId));
  // Also without locks each file is claimed by one agent, so that all that is missing at the end is a lost update.
  const merging = memory.locks === 'all' ? openLock : undefined;
  return {
    claims: new Claims(guarded(memory.claims, openLock), memory.files.length),
    totals: new Totals(guarded(memory.totals, merging)),
    terms: memory.terms.map((part) => new TermTable(part, guarded(part, merging))),
    control,
  };
}
