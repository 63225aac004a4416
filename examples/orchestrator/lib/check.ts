/** The same count by one thread without shared memory, and the comparison of the two. */
import { setImmediate } from 'node:timers/promises';
import { type InputFile, readInput } from './input.js';
import type { TermTable } from './term-table.js';
import { countTerms } from './terms.js';
import type { Sums } from './totals.js';

export interface Reference {
  readonly sums: Sums;
  readonly terms: Map<string, { count: number; files: number }>;
}

export interface Difference {
  /** Terms that both have with the same counts. */
  readonly equal: number;
  /** Terms that have other counts, or that only one has. */
  readonly different: number;
  /** Occurrences that the agents' tables lack. */
  readonly missing: number;
  /** Occurrences that they have and should not. */
  readonly surplus: number;
  /** The first few, to be shown. */
  readonly samples: readonly { readonly term: string; readonly found: Occurrences; readonly expected: Occurrences }[];
}

export interface Occurrences {
  readonly count: number;
  readonly files: number;
}

const SAMPLES = 5;
const NOWHERE: Occurrences = { count: 0, files: 0 };

/** `undefined` if `signal` was aborted meanwhile. */
export async function countAlone(
  files: readonly InputFile[],
  signal: AbortSignal,
  onProgress: (files: number) => void,
): Promise<Reference | undefined> {
  const terms: Reference['terms'] = new Map();
  let bytes = 0;
  let tokens = 0;
  for (const [i, file] of files.entries()) {
    if (signal.aborted) break;
    const counts = countTerms(readInput(file));
    for (const [term, count] of counts.terms) {
      const known = terms.get(term);
      if (known === undefined) terms.set(term, { count, files: 1 });
      else {
        known.count += count;
        known.files++;
      }
    }
    bytes += file.bytes;
    tokens += counts.tokens;
    onProgress(i + 1);
    // A turn of the event loop, so that signals are heard.
    await setImmediate();
  }
  return signal.aborted ? undefined : { sums: { files: files.length, bytes, tokens }, terms };
}

/** Compares every term of the tables with the reference, which is used up by that. */
export async function compare(tables: readonly TermTable[], { terms }: Reference): Promise<Difference> {
  let equal = 0;
  let different = 0;
  let missing = 0;
  let surplus = 0;
  const samples: Difference['samples'][number][] = [];
  const note = (term: string, found: Occurrences, expected: Occurrences): void => {
    different++;
    missing += Math.max(0, expected.count - found.count);
    surplus += Math.max(0, found.count - expected.count);
    if (samples.length < SAMPLES) samples.push({ term, found, expected });
  };
  for (const table of tables) {
    await table.visit(({ term, count, files }) => {
      const expected = terms.get(term) ?? NOWHERE;
      if (count === expected.count && files === expected.files) equal++;
      else note(term, { count, files }, expected);
      terms.delete(term);
    });
  }
  for (const [term, expected] of terms) note(term, NOWHERE, expected);
  return { equal, different, missing, surplus, samples };
}
