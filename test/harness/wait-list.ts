/**
 * V8's list of waiters: first in, first out, per address, blocking and asynchronous waiters mixed. Each thread has an entry for
 * its sleep and some for its registrations. The entry of a thread that was killed stays, and takes wakes, until it is removed.
 */
import type { Rows } from './rows.js';

const ENTRY_SIZE = 3;
/** Address + 1, 0 = the entry is unused. */
const ADDRESS = 0;
/** Place in the list of the address, from 1 on; 0 = no longer in it. */
const RANK = 1;
const NOTIFIED = 2;

export class WaitList {
  readonly size: number;
  readonly #rows: Rows;
  readonly #at: number;
  readonly #perThread: number;
  readonly #entries: number;

  /** `at`: where in a row the list lies. */
  constructor(rows: Rows, at: number, threads: number, asyncWaits: number) {
    this.#rows = rows;
    this.#at = at;
    this.#perThread = 1 + asyncWaits;
    this.#entries = threads * this.#perThread;
    this.size = WaitList.sizeFor(threads, asyncWaits);
  }

  static sizeFor(threads: number, asyncWaits: number): number {
    return threads * (1 + asyncWaits) * ENTRY_SIZE;
  }

  /** The entry of a thread's sleep (0) or of one of its registrations (1, 2, …). */
  entry(thread: number, registration: number): number {
    return thread * this.#perThread + registration;
  }

  /** A registration of the thread that is not in use, 0 = none. */
  unusedRegistration(row: number, thread: number): number {
    for (let i = 1; i < this.#perThread; i++) if (this.#get(row, this.entry(thread, i), ADDRESS) === 0) return i;
    return 0;
  }

  add(row: number, entry: number, at: number): void {
    let rank = 1;
    for (let other = 0; other < this.#entries; other++) if (this.#isQueued(row, other, at)) rank++;
    this.#set(row, entry, ADDRESS, at + 1);
    this.#set(row, entry, RANK, rank);
  }

  isNotified(row: number, entry: number): boolean {
    return this.#get(row, entry, NOTIFIED) === 1;
  }

  /** Takes the entry out of use. */
  remove(row: number, entry: number): void {
    if (this.#get(row, entry, ADDRESS) === 0) return;
    this.#leave(row, entry);
    this.#set(row, entry, ADDRESS, 0);
    this.#set(row, entry, NOTIFIED, 0);
  }

  removeThread(row: number, thread: number): void {
    for (let i = 0; i < this.#perThread; i++) this.remove(row, this.entry(thread, i));
  }

  /** Notifies the first `count` in the list of the address. */
  notify(row: number, at: number, count: number): number {
    let notified = 0;
    while (notified < count) {
      const first = this.#first(row, at);
      if (first < 0) break;
      this.#leave(row, first);
      this.#set(row, first, NOTIFIED, 1);
      notified++;
    }
    return notified;
  }

  #first(row: number, at: number): number {
    for (let entry = 0; entry < this.#entries; entry++) {
      if (this.#isQueued(row, entry, at) && this.#get(row, entry, RANK) === 1) return entry;
    }
    return -1;
  }

  /** The entry leaves the list of its address; those behind it move up. */
  #leave(row: number, entry: number): void {
    const rank = this.#get(row, entry, RANK);
    if (rank === 0) return;
    const at = this.#get(row, entry, ADDRESS) - 1;
    this.#set(row, entry, RANK, 0);
    for (let other = 0; other < this.#entries; other++) {
      if (!this.#isQueued(row, other, at)) continue;
      const behind = this.#get(row, other, RANK);
      if (behind > rank) this.#set(row, other, RANK, behind - 1);
    }
  }

  #isQueued(row: number, entry: number, at: number): boolean {
    return this.#get(row, entry, ADDRESS) === at + 1 && this.#get(row, entry, RANK) !== 0;
  }

  #get(row: number, entry: number, field: number): number {
    return this.#rows.get(row, this.#at + entry * ENTRY_SIZE + field);
  }

  #set(row: number, entry: number, field: number, value: number): void {
    this.#rows.set(row, this.#at + entry * ENTRY_SIZE + field, value);
  }
}
