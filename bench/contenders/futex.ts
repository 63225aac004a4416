/** Mutexes as a JavaScript programmer would write them by hand, on one word of shared memory. */

const FREE = 0;
const HELD = 1;
const WAITED_FOR = 2;

/** Nothing but the two operations that any mutex needs. Who finds it taken sleeps, and every release notifies. */
export class RawMutex {
  readonly #word: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  lock(): void {
    while (Atomics.compareExchange(this.#word, 0, FREE, HELD) !== FREE) Atomics.wait(this.#word, 0, HELD);
  }

  async lockAsync(): Promise<void> {
    while (Atomics.compareExchange(this.#word, 0, FREE, HELD) !== FREE) {
      const wait = Atomics.waitAsync(this.#word, 0, HELD);
      if (wait.async) await wait.value;
    }
  }

  unlock(): void {
    Atomics.exchange(this.#word, 0, FREE);
    Atomics.notify(this.#word, 0, 1);
  }
}

/** The textbook's three states (Drepper, "Futexes are tricky", mutex 2): no fairness, no owner, no recovery. */
export class FutexMutex {
  readonly #word: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  lock(): void {
    if (Atomics.compareExchange(this.#word, 0, FREE, HELD) !== FREE) this.#lockContended();
  }

  unlock(): void {
    if (Atomics.exchange(this.#word, 0, FREE) === WAITED_FOR) Atomics.notify(this.#word, 0, 1);
  }

  #lockContended(): void {
    while (Atomics.exchange(this.#word, 0, WAITED_FOR) !== FREE) Atomics.wait(this.#word, 0, WAITED_FOR);
  }
}

/** The same, but it looks for about as long as a sleep would cost before it sleeps. What pure barging can do. */
export class SpinningFutexMutex {
  static readonly #spinMs = 0.01;
  readonly #word: Int32Array;
  readonly #looks: number;

  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
    this.#looks = SpinningFutexMutex.#calibrate();
  }

  lock(): void {
    if (Atomics.compareExchange(this.#word, 0, FREE, HELD) !== FREE) this.#lockContended();
  }

  unlock(): void {
    if (Atomics.exchange(this.#word, 0, FREE) === WAITED_FOR) Atomics.notify(this.#word, 0, 1);
  }

  #lockContended(): void {
    for (let look = 0; look < this.#looks; look++) {
      if (Atomics.load(this.#word, 0) === FREE && Atomics.compareExchange(this.#word, 0, FREE, HELD) === FREE) return;
    }
    while (Atomics.exchange(this.#word, 0, WAITED_FOR) !== FREE) Atomics.wait(this.#word, 0, WAITED_FOR);
  }

  static #calibrate(): number {
    const word = new Int32Array(new SharedArrayBuffer(4));
    const sample = 100_000;
    const startMs = performance.now();
    for (let look = 0; look < sample; look++) if (Atomics.load(word, 0) !== FREE) break;
    return Math.max(100, Math.round((sample * SpinningFutexMutex.#spinMs) / (performance.now() - startMs)));
  }
}

/** First come, first served: each waiter sleeps on a word of its own, and a release wakes the next in turn. */
export class FutexTicketLock {
  /** More than there are threads, so that no two sleep on the same word. */
  static readonly #turns = 64;
  static readonly #line = 16;
  static readonly #serving = FutexTicketLock.#line;
  static readonly bytes = (FutexTicketLock.#turns + 2) * FutexTicketLock.#line * Int32Array.BYTES_PER_ELEMENT;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  lock(): void {
    const ticket = Atomics.add(this.#words, 0, 1);
    const at = FutexTicketLock.#turnOf(ticket);
    for (;;) {
      const seen = Atomics.load(this.#words, at);
      if (Atomics.load(this.#words, FutexTicketLock.#serving) === ticket) return;
      Atomics.wait(this.#words, at, seen);
    }
  }

  unlock(): void {
    const next = (Atomics.load(this.#words, FutexTicketLock.#serving) + 1) | 0;
    Atomics.store(this.#words, FutexTicketLock.#serving, next);
    Atomics.add(this.#words, FutexTicketLock.#turnOf(next), 1);
    Atomics.notify(this.#words, FutexTicketLock.#turnOf(next), 1);
  }

  static #turnOf(ticket: number): number {
    return (2 + (ticket & (FutexTicketLock.#turns - 1))) * FutexTicketLock.#line;
  }
}
