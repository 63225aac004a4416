/**
 * All or nothing in shared memory: a set of words changes completely or not at all, though the thread that changes them may be
 * terminated between any two of its instructions. A redo journal; whoever uses it holds the lock of the words.
 *
 * 1. `put` only notes which word gets which value. A death here has changed nothing.
 * 2. `commit` stores COMMITTED: from this one store on the change counts as made.
 * 3. It writes the values, then empties the journal. After a death here the next owner finds COMMITTED and writes them all
 *    again, which does no harm, since they are values and not differences.
 *
 * Every step is an `Atomics.store`, because the compiler may put plain stores into another order.
 */
const STATE = 0;
const LENGTH = 1;
const FIRST_ROW = 2;
const ROW_WORDS = 2;

const OPEN = 0;
const COMMITTED = 1;

/** What a repair found: no change under way, one that was dropped, or one that was completed. */
export interface Mending {
  readonly outcome: 'nothing to mend' | 'dropped' | 'completed';
  readonly changes: number;
}

export class Journal {
  readonly #rows: Int32Array;
  readonly #words: Int32Array;

  /** `memory`: of {@link Journal.bytesFor} bytes, zeroed at first. `words`: what it changes. */
  constructor(memory: SharedArrayBuffer, words: Int32Array) {
    this.#rows = new Int32Array(memory);
    this.#words = words;
  }

  /** Size of a journal for at most `limit` changes at once. */
  static bytesFor(limit: number): number {
    return (FIRST_ROW + limit * ROW_WORDS) * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Forgets what was noted and not committed. */
  begin(): void {
    Atomics.store(this.#rows, LENGTH, 0);
  }

  /** Notes that the word at `index` shall get `value`; each word once per commit, since reading it still gives the old value. */
  put(index: number, value: number): void {
    const length = this.#rows[LENGTH]!;
    const row = FIRST_ROW + length * ROW_WORDS;
    if (row + ROW_WORDS > this.#rows.length) throw new RangeError('the journal is full');
    Atomics.store(this.#rows, row, index);
    Atomics.store(this.#rows, row + 1, value);
    Atomics.store(this.#rows, LENGTH, length + 1);
  }

  /** Makes the noted changes. `halfway` is called in the middle of them. */
  commit(halfway?: () => void): void {
    Atomics.store(this.#rows, STATE, COMMITTED);
    const length = this.#rows[LENGTH]!;
    this.#write(0, length >> 1);
    halfway?.();
    this.#write(length >> 1, length);
    this.#clear();
  }

  /** Brings the words into order after the death of an owner. May itself be cut short by a death and run again. */
  repair(): Mending {
    const length = this.#rows[LENGTH]!;
    const committed = this.#rows[STATE] === COMMITTED;
    if (committed) this.#write(0, length);
    this.#clear();
    return { outcome: committed ? 'completed' : length > 0 ? 'dropped' : 'nothing to mend', changes: length };
  }

  #write(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const row = FIRST_ROW + i * ROW_WORDS;
      Atomics.store(this.#words, this.#rows[row]!, this.#rows[row + 1]!);
    }
  }

  /** In this order: in the other one, a death in between would make a completed change look like a dropped one. */
  #clear(): void {
    Atomics.store(this.#rows, LENGTH, 0);
    Atomics.store(this.#rows, STATE, OPEN);
  }
}
