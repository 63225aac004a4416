/** Words in shared memory, the journal that changes them all or nothing, and the lock that both are used under. */
import type { Lock } from 'holdfast';
import { Journal, type Mending } from './journal.js';

/** What threads are sent, to open the same words. */
export interface GuardedMemory {
  readonly name: string;
  readonly words: SharedArrayBuffer;
  readonly journal: SharedArrayBuffer;
  /** Number of words that are data; the marks of {@link GuardedWords.updateOnce} follow them. */
  readonly size: number;
}

/** Where in a critical section a thread is: all changes noted and none made, or half of them made. */
export type Place = 'noted' | 'half written';

/** Opens a lock that calls `mend` before anything else when its owner has died. */
export type OpenLock = (name: string, mend: () => Mending) => Lock;

/** `markLimit`: how many things can be done once. `changeLimit`: how many words one update can change, marks apart. */
export function allocateGuarded(name: string, size: number, markLimit: number, changeLimit: number): GuardedMemory {
  return {
    name,
    words: new SharedArrayBuffer((size + markLimit) * Int32Array.BYTES_PER_ELEMENT),
    journal: new SharedArrayBuffer(Journal.bytesFor(changeLimit + 1)),
    size,
  };
}

export class GuardedWords {
  readonly name: string;
  /** To be read under the lock, or as a glance that may be out of date. */
  readonly words: Int32Array;
  readonly #journal: Journal;
  readonly #lock: Lock | undefined;
  readonly #firstMark: number;
  readonly #reach: ((place: Place) => void) | undefined;

  /** `openLock`: omitted, there is no lock, and updates get lost. `reach` is told how far an update has come. */
  constructor(memory: GuardedMemory, openLock?: OpenLock, reach?: (place: Place) => void) {
    this.name = memory.name;
    this.words = new Int32Array(memory.words);
    this.#firstMark = memory.size;
    // Without a lock to share the journal under, it is this thread's own.
    const journal = new Journal(openLock ? memory.journal : new SharedArrayBuffer(memory.journal.byteLength), this.words);
    this.#journal = journal;
    this.#lock = openLock?.(memory.name, () => journal.repair());
    this.#reach = reach;
  }

  /** Calls `change` under the lock, which notes its changes in the journal; then they all happen. Blocks the thread. */
  update(change: (journal: Journal) => void): void {
    using _ = this.#lock?.acquire();
    this.#update(change);
  }

  /** The same without blocking, for the main thread. */
  async updateAsync(change: (journal: Journal) => void): Promise<void> {
    using _ = await this.#lock?.acquireAsync();
    this.#update(change);
  }

  /**
   * As `update`, but once per `mark`, whichever threads try: that it was done is one of the changes, so a death leaves
   * either both or neither. Returns whether it was done now.
   */
  updateOnce(mark: number, change: (journal: Journal) => void): boolean {
    using _ = this.#lock?.acquire();
    const index = this.#firstMark + mark;
    if (this.words[index] !== 0) return false;
    this.#update((journal) => {
      change(journal);
      journal.put(index, 1);
    });
    return true;
  }

  /** Reads under the lock, without blocking. */
  async read<T>(read: () => T): Promise<T> {
    using _ = await this.#lock?.acquireAsync();
    return read();
  }

  #update(change: (journal: Journal) => void): void {
    this.#journal.begin();
    change(this.#journal);
    this.#reach?.('noted');
    this.#journal.commit(() => this.#reach?.('half written'));
  }
}
