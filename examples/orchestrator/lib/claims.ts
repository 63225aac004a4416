/**
 * Who works on which file. An agent claims the next free file, and finishes it when all of it is merged. When an agent dies, its
 * claim is given back, so that another one does the file again; what was merged already is not merged twice (see `updateOnce`).
 */
import { allocateGuarded, type GuardedMemory, type GuardedWords } from './guarded-words.js';

/** Word 0: all files before it are claimed or finished. Then the state of each file, then how often it failed. */
const CURSOR = 0;

/** States of a file; any other is the id of the thread that works on it. */
const FREE = 0;
const FINISHED = -1;

export interface Claim {
  readonly file: number;
  /** How many claimed it before and died. */
  readonly failures: number;
}

export function allocateClaims(files: number): GuardedMemory {
  return allocateGuarded('claims', 1 + files * 2, 0, 1 + files);
}

export class Claims {
  readonly #guarded: GuardedWords;
  readonly #words: Int32Array;
  readonly #files: number;

  constructor(guarded: GuardedWords, files: number) {
    this.#guarded = guarded;
    this.#words = guarded.words;
    this.#files = files;
  }

  /**
   * The next file that nobody has claimed, for the thread with that id. `'failed'`: only one that another thread has begun, so
   * that no file stays half merged when the work is ended early.
   */
  next(threadId: number, which: 'any' | 'failed'): Claim | undefined {
    let claim: Claim | undefined;
    this.#guarded.update((journal) => {
      let file = this.#words[CURSOR]!;
      while (file < this.#files && this.#stateOf(file) !== FREE) file++;
      journal.put(CURSOR, file);
      if (file === this.#files) return;
      const failures = this.#words[this.#failures(file)]!;
      // Files that failed come before all that were never begun.
      if (which === 'failed' && failures === 0) return;
      journal.put(this.#state(file), threadId);
      claim = { file, failures };
    });
    return claim;
  }

  finish(file: number): void {
    this.#guarded.update((journal) => journal.put(this.#state(file), FINISHED));
  }

  /** Gives back what a thread that has ended had claimed. Returns those files. */
  async giveBack(threadId: number): Promise<number[]> {
    const files: number[] = [];
    await this.#guarded.updateAsync((journal) => {
      for (let file = 0; file < this.#files; file++) if (this.#stateOf(file) === threadId) files.push(file);
      for (const file of files) {
        journal.put(this.#state(file), FREE);
        journal.put(this.#failures(file), this.#words[this.#failures(file)]! + 1);
      }
      const [first] = files;
      if (first !== undefined && first < this.#words[CURSOR]!) journal.put(CURSOR, first);
    });
    return files;
  }

  async finished(): Promise<number[]> {
    const all = Array.from({ length: this.#files }, (_, file) => file);
    return this.#guarded.read(() => all.filter((file) => this.#stateOf(file) === FINISHED));
  }

  #stateOf(file: number): number {
    return this.#words[this.#state(file)]!;
  }

  #state(file: number): number {
    return 1 + file;
  }

  #failures(file: number): number {
    return 1 + this.#files + file;
  }
}
