/**
 * A hash table of terms in shared memory: open addressing, linear probing, nothing is ever taken out. The words of the table are
 * guarded: counts change through the journal. New terms are written at once, with count 0: since a term that counts 0 is no
 * term, a death in the middle of it leaves nothing to mend.
 */
import { allocateGuarded, type GuardedMemory, type GuardedWords } from './guarded-words.js';
import { RunError } from './run-error.js';
import type { Term } from './terms.js';

const USED_CHARS = 0;
const FIRST_ENTRY = 1;

const HASH = 0;
const START = 1;
/** Written last of the three: an entry without a length is free. */
const LENGTH = 2;
const COUNT = 3;
const FILES = 4;
const ENTRY_WORDS = 5;

const CHARS_PER_ENTRY = 16;

export interface TermTableMemory extends GuardedMemory {
  readonly chars: SharedArrayBuffer;
  readonly capacity: number;
}

export interface TermCount {
  readonly term: string;
  readonly count: number;
  /** Number of files that have the term. */
  readonly files: number;
}

/** `capacity`: a power of two. `files`: how many files can be merged. */
export function allocateTermTable(name: string, capacity: number, files: number): TermTableMemory {
  const words = FIRST_ENTRY + capacity * ENTRY_WORDS;
  return {
    ...allocateGuarded(name, words, files, capacity * 2),
    chars: new SharedArrayBuffer(capacity * CHARS_PER_ENTRY * Uint16Array.BYTES_PER_ELEMENT),
    capacity,
  };
}

export class TermTable {
  readonly #guarded: GuardedWords;
  readonly #words: Int32Array;
  readonly #chars: Uint16Array;
  readonly #capacity: number;

  constructor(memory: TermTableMemory, guarded: GuardedWords) {
    this.#guarded = guarded;
    this.#words = guarded.words;
    this.#chars = new Uint16Array(memory.chars);
    this.#capacity = memory.capacity;
  }

  /** Adds the terms of one file, each term once, unless that file was merged before. Returns whether it was merged now. */
  merge(file: number, terms: readonly Term[]): boolean {
    return this.#guarded.updateOnce(file, (journal) => {
      for (const { text, hash, count } of terms) {
        const entry = this.#place(text, hash);
        journal.put(entry + COUNT, this.#words[entry + COUNT]! + count);
        journal.put(entry + FILES, this.#words[entry + FILES]! + 1);
      }
    });
  }

  /** Calls `visit` for each term, under the lock. */
  async visit(visit: (term: TermCount) => void): Promise<void> {
    await this.#guarded.read(() => {
      for (let i = 0; i < this.#capacity; i++) {
        const entry = FIRST_ENTRY + i * ENTRY_WORDS;
        const count = this.#words[entry + COUNT]!;
        if (count !== 0) visit({ term: this.#textOf(entry), count, files: this.#words[entry + FILES]! });
      }
    });
  }

  /** The entry of a term, a new one if there is none. */
  #place(text: string, hash: number): number {
    const mask = this.#capacity - 1;
    for (let i = 0, at = hash & mask; i < this.#capacity; i++, at = (at + 1) & mask) {
      const entry = FIRST_ENTRY + at * ENTRY_WORDS;
      if (this.#words[entry + LENGTH] === 0) {
        this.#insert(entry, text, hash);
        return entry;
      }
      if (this.#words[entry + HASH] === hash && this.#has(entry, text)) return entry;
    }
    throw new RunError(`${this.#guarded.name} is full: it has ${this.#capacity} terms. Take fewer files: --files`);
  }

  #has(entry: number, text: string): boolean {
    if (this.#words[entry + LENGTH] !== text.length) return false;
    const start = this.#words[entry + START]!;
    for (let i = 0; i < text.length; i++) if (this.#chars[start + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  #insert(entry: number, text: string, hash: number): void {
    const start = this.#words[USED_CHARS]!;
    const end = start + text.length;
    if (end > this.#chars.length) throw new RunError(`${this.#guarded.name} is full of text. Take fewer files: --files`);
    for (let i = 0; i < text.length; i++) Atomics.store(this.#chars, start + i, text.charCodeAt(i));
    Atomics.store(this.#words, USED_CHARS, end);
    Atomics.store(this.#words, entry + HASH, hash);
    Atomics.store(this.#words, entry + START, start);
    Atomics.store(this.#words, entry + LENGTH, text.length);
  }

  #textOf(entry: number): string {
    const start = this.#words[entry + START]!;
    return String.fromCharCode(...this.#chars.subarray(start, start + this.#words[entry + LENGTH]!));
  }
}
