/** What was done so far: files, bytes and tokens, in total and by agent. */
import { allocateGuarded, type GuardedMemory, type GuardedWords } from './guarded-words.js';

const COLUMNS = ['files', 'bytes', 'tokens'] as const;

export type Sums = Readonly<Record<(typeof COLUMNS)[number], number>>;

export function allocateTotals(agents: number, files: number): GuardedMemory {
  return allocateGuarded('totals', (1 + agents) * COLUMNS.length, files, 2 * COLUMNS.length);
}

export class Totals {
  readonly #guarded: GuardedWords;

  constructor(guarded: GuardedWords) {
    this.#guarded = guarded;
  }

  /** Adds a file that is merged, once. */
  add(file: number, agent: number, sums: Omit<Sums, 'files'>): boolean {
    const added: Sums = { files: 1, ...sums };
    return this.#guarded.updateOnce(file, (journal) => {
      COLUMNS.forEach((column, i) => {
        for (const row of [0, 1 + agent]) {
          const index = row * COLUMNS.length + i;
          journal.put(index, this.#guarded.words[index]! + added[column]);
        }
      });
    });
  }

  /** Number of files done, read without the lock: good enough for a progress bar. */
  glance(): number {
    return Atomics.load(this.#guarded.words, 0);
  }

  read(): Promise<Sums> {
    return this.#row(0);
  }

  ofAgent(agent: number): Promise<Sums> {
    return this.#row(1 + agent);
  }

  #row(row: number): Promise<Sums> {
    const at = row * COLUMNS.length;
    return this.#guarded.read(() => {
      const [files = 0, bytes = 0, tokens = 0] = this.#guarded.words.subarray(at, at + COLUMNS.length);
      return { files, bytes, tokens };
    });
  }
}
