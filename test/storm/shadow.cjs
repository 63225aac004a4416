/**
 * What the storm knows by itself, in memory of its own: who is in which critical section, and what every thread has done. The
 * library is checked against it.
 *
 * A thread's row is written by that thread alone, so it says at its death exactly how far it had come. `told` is the exception.
 */
const { threadId } = require('node:worker_threads');
const { locks, semaphores } = require('./locks.cjs');

const TEXTS = 64;
const TEXT_BYTES = 1024;
const HEADER_WORDS = 32;
const LOCK_WORDS = 32;
const ROW_WORDS = 8;
const CALL_WORDS = 10;
const STRIDE = ROW_WORDS + (locks.length + semaphores.length) * CALL_WORDS;
const FIRST_ROW = HEADER_WORDS + locks.length * LOCK_WORDS;

const STOP = 0;
const FOUND = 1;
const HIGHEST = 2;

const lockWord = { mark: 0, left: 1, right: 2, completed: 3, entries: 4, gap: 5 };
const rowWord = { progress: 0, running: 1, fated: 2, parent: 3 };
const callWord = { pending: 0, section: 1, leaving: 2, acquired: 3, done: 4, timeouts: 5, aborts: 6, told: 7, held: 8, deadlocks: 9 };

/** `held` of a semaphore: permits; whether they are written off, since the thread has ended; how often that has changed. */
const PERMITS = 0x7f;
const OFF = 0x80;
const CHANGE = 0x100;
/** Threads that may be alive, counted back from the youngest; more than there ever are. */
const RECENT = 1_000;

class Shadow {
  #words;
  #texts;
  #self;

  /** On `buffer`, or on a new one with room for `threads` threads. */
  constructor({ buffer, threads }) {
    const texts = TEXTS * TEXT_BYTES;
    this.buffer = buffer ?? new SharedArrayBuffer(texts + (FIRST_ROW + threads * STRIDE) * 4);
    this.#words = new Int32Array(this.buffer, texts);
    this.#texts = new Uint8Array(this.buffer, 0, texts);
    this.#self = threadId;
    if (threadId >= this.threads) throw new Error(`the storm has rows for ${this.threads} threads only`);
    for (let seen; (seen = Atomics.load(this.#words, HIGHEST)) < threadId; ) Atomics.compareExchange(this.#words, HIGHEST, seen, threadId);
  }

  get threads() {
    return (this.#words.length - FIRST_ROW) / STRIDE;
  }

  get stopped() {
    return Atomics.load(this.#words, STOP) === 1;
  }

  stop() {
    Atomics.store(this.#words, STOP, 1);
  }

  /** Notes a violation, so that it outlives the thread that found it. */
  violation(text) {
    const n = Atomics.add(this.#words, FOUND, 1);
    if (n >= TEXTS) return;
    const bytes = new TextEncoder().encode(`thread ${this.#self}: ${text}`).subarray(0, TEXT_BYTES - 1);
    this.#texts.set(bytes, n * TEXT_BYTES + 1);
    Atomics.store(this.#texts, n * TEXT_BYTES, 1);
  }

  get violationCount() {
    return Atomics.load(this.#words, FOUND);
  }

  violations() {
    const texts = [];
    for (let n = 0; n < Math.min(this.violationCount, TEXTS); n++) {
      const bytes = this.#texts.slice(n * TEXT_BYTES + 1, (n + 1) * TEXT_BYTES);
      texts.push(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
    }
    return texts;
  }

  #lock(lock, word) {
    return HEADER_WORDS + lock * LOCK_WORDS + lockWord[word];
  }

  #row(thread, word) {
    return FIRST_ROW + thread * STRIDE + rowWord[word];
  }

  #call(thread, lock, word) {
    return FIRST_ROW + thread * STRIDE + ROW_WORDS + lock * CALL_WORDS + callWord[word];
  }

  ofLock(lock, word) {
    return Atomics.load(this.#words, this.#lock(lock, word));
  }

  ofRow(thread, word) {
    return Atomics.load(this.#words, this.#row(thread, word));
  }

  ofCall(thread, lock, word) {
    return Atomics.load(this.#words, this.#call(thread, lock, word));
  }

  setRow(word, value) {
    Atomics.store(this.#words, this.#row(this.#self, word), value);
  }

  progress() {
    Atomics.add(this.#words, this.#row(this.#self, 'progress'), 1);
  }

  /** This thread is about to call something that acquires. */
  calling(lock) {
    Atomics.add(this.#words, this.#call(this.#self, lock, 'pending'), 1);
  }

  /** The call has ended without the lock; `why` is the count that goes up, if any. */
  refused(lock, why) {
    if (why !== undefined) Atomics.add(this.#words, this.#call(this.#self, lock, why), 1);
    Atomics.add(this.#words, this.#call(this.#self, lock, 'pending'), -1);
    this.progress();
  }

  /** The call has ended with the lock: the critical section begins. `token`: the fencing token where the call gave one. */
  enter(lock, token) {
    const words = this.#words;
    const name = locks[lock].name;
    const seen = Atomics.exchange(words, this.#lock(lock, 'mark'), this.#self + 1);
    if (seen !== 0) this.violation(`${name}: entered while thread ${seen - 1} was inside; two holders, or a death that was not told`);
    Atomics.add(words, this.#call(this.#self, lock, 'acquired'), 1);
    Atomics.store(words, this.#call(this.#self, lock, 'section'), 1);
    Atomics.add(words, this.#call(this.#self, lock, 'pending'), -1);
    // Plain reads and writes from here on: a second holder would tear them.
    const entries = (words[this.#lock(lock, 'entries')] += 1);
    if (token !== undefined) {
      // Acquisitions of those who died before they got here, so far.
      const gap = Number(token) - entries;
      if (gap < words[this.#lock(lock, 'gap')]) this.violation(`${name}: fencing token ${token} is too low: ${entries} entries, ${words[this.#lock(lock, 'gap')]} unseen before`);
      words[this.#lock(lock, 'gap')] = gap;
    }
    if (words[this.#lock(lock, 'left')] !== words[this.#lock(lock, 'right')]) this.violation(`${name}: entered with torn data`);
    words[this.#lock(lock, 'left')] += 1;
  }

  /** The critical section ends; the release follows, and then `left`. */
  leave(lock) {
    const words = this.#words;
    words[this.#lock(lock, 'right')] += 1;
    if (words[this.#lock(lock, 'left')] !== words[this.#lock(lock, 'right')]) this.violation(`${locks[lock].name}: data torn by a second holder`);
    words[this.#lock(lock, 'completed')] += 1;
    Atomics.add(words, this.#call(this.#self, lock, 'done'), 1);
    Atomics.store(words, this.#call(this.#self, lock, 'leaving'), 1);
    Atomics.store(words, this.#call(this.#self, lock, 'section'), 0);
    const mark = Atomics.exchange(words, this.#lock(lock, 'mark'), 0);
    if (mark !== this.#self + 1) this.violation(`${locks[lock].name}: thread ${mark - 1} came in before this one had left`);
  }

  left(lock) {
    Atomics.store(this.#words, this.#call(this.#self, lock, 'leaving'), 0);
    this.progress();
  }

  /** The call has ended with permits. */
  hold(semaphore, permits) {
    const words = this.#words;
    Atomics.add(words, this.#call(this.#self, semaphore, 'acquired'), 1);
    Atomics.add(words, this.#call(this.#self, semaphore, 'held'), CHANGE + permits);
    Atomics.add(words, this.#call(this.#self, semaphore, 'pending'), -1);
  }

  /** The release follows, and then `gaveBack`. */
  givingBack(semaphore, permits) {
    Atomics.add(this.#words, this.#call(this.#self, semaphore, 'leaving'), 1);
    Atomics.add(this.#words, this.#call(this.#self, semaphore, 'held'), CHANGE - permits);
  }

  gaveBack(semaphore) {
    Atomics.sub(this.#words, this.#call(this.#self, semaphore, 'leaving'), 1);
    this.progress();
  }

  /** Permits that a thread held when it ended, or holds. */
  heldBy(thread, semaphore) {
    return this.ofCall(thread, semaphore, 'held') & PERMITS;
  }

  /** That thread has ended. */
  writeOff(thread) {
    for (let i = locks.length; i < locks.length + semaphores.length; i++) {
      if (this.heldBy(thread, i) > 0) Atomics.or(this.#words, this.#call(thread, i, 'held'), OFF);
    }
  }

  /** What was held of a semaphore at one moment, by the living and by those who have ended shortly before. */
  holdsOf(semaphore) {
    const highest = Atomics.load(this.#words, HIGHEST);
    const holds = [];
    for (let thread = 0; thread <= highest; thread = Math.max(thread + 1, highest - RECENT)) {
      const held = this.ofCall(thread, semaphore, 'held');
      if (held & PERMITS && !(held & OFF)) holds.push({ thread, held, permits: held & PERMITS });
    }
    // The moment lies between the two looks.
    return holds.filter(({ thread, held }) => this.ofCall(thread, semaphore, 'held') === held);
  }

  /** Whether the thread of one of `holdsOf` has done something since, so that it lived and held at that moment. */
  hasGoneOn(semaphore, { thread, held }) {
    return (this.ofCall(thread, semaphore, 'held') & ~OFF) !== held;
  }

  hasEnded(semaphore, { thread }) {
    return (this.ofCall(thread, semaphore, 'held') & OFF) !== 0;
  }

  /**
   * This thread, which holds, is told that the owner `dead` died. Mends the data. A mark inside that is not of the one told of is of
   * one that died before: whoever was told of that one died before it had mended.
   */
  tell(lock, dead) {
    const words = this.#words;
    const name = locks[lock].name;
    const inside = words[this.#lock(lock, 'mark')] - 1;
    if (inside === -1 && words[this.#lock(lock, 'left')] !== words[this.#lock(lock, 'right')]) this.violation(`${name}: torn by nobody`);
    words[this.#lock(lock, 'right')] = words[this.#lock(lock, 'left')];
    if (dead !== inside) {
      const before = Atomics.exchange(words, this.#call(dead, lock, 'told'), this.#self + 1);
      if (before !== 0) this.violation(`${name}: death of thread ${dead} told twice, first to ${before - 1}`);
    }
    if (inside === -1) return;
    Atomics.store(words, this.#call(inside, lock, 'told'), this.#self + 1);
    // From here on a second telling of the same death is seen above.
    const mark = Atomics.exchange(words, this.#lock(lock, 'mark'), 0);
    if (mark !== inside + 1) this.violation(`${name}: thread ${mark - 1} came in during the repair after ${inside}`);
  }
}

module.exports = { Shadow };
