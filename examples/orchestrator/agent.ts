/** An agent: a worker of the pool that takes file after file from the shared list until there are none left. */
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { readInput } from './lib/input.js';
import { open, type Repair, type SharedMemory } from './lib/shared-state.js';
import { countTerms, deal } from './lib/terms.js';

export interface Task {
  readonly agent: number;
}

/** What agents tell the main thread while they work. */
export type News = { readonly repaired: Repair } | { readonly redone: Redone };

/** A file that an agent has done again because another one had died with it. */
export interface Redone {
  readonly name: string;
  readonly by: number;
  /** How many of its merges the dead agent had done; they were not done again. */
  readonly before: number;
  readonly merges: number;
}

const memory = workerData as SharedMemory;
const state = open(memory, (repaired) => tell({ repaired }));

export default function work({ agent }: Task): void {
  state.control.enter(agent, threadId);
  for (;;) {
    const claim = state.claims.next(threadId, state.control.stopped ? 'failed' : 'any');
    if (claim === undefined) return;
    const merged = merge(agent, claim.file);
    state.claims.finish(claim.file);
    if (claim.failures > 0) {
      const merges = state.terms.length + 1;
      tell({ redone: { name: memory.files[claim.file]!.name, by: threadId, before: merges - merged, merges } });
    }
  }
}

/** Adds one file to the shared state. Returns how many of its parts had not been added before. */
function merge(agent: number, file: number): number {
  const input = memory.files[file]!;
  const counts = countTerms(readInput(input));
  const hands = deal(counts, state.terms.length);
  let merged = 0;
  for (let i = 0; i < hands.length; i++) {
    // Each file begins with another table, so that agents that come at once do not queue for all of them.
    const shard = (file + i) % hands.length;
    if (state.terms[shard]!.merge(file, hands[shard]!)) merged++;
  }
  if (state.totals.add(file, agent, { bytes: input.bytes, tokens: counts.tokens })) merged++;
  return merged;
}

function tell(news: News): void {
  parentPort!.postMessage(news);
}
