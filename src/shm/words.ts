/**
 * The only way to touch shared memory. Addresses are byte offsets; words are signed 32-bit and every access to them is
 * sequentially consistent. `atomics.ts` implements this twice, and the model checker a third time, so the algorithms above
 * are checked as they run.
 */
export interface SharedWords {
  load(at: number): number;
  store(at: number, value: number): void;
  /** Adds and returns the value before. */
  add(at: number, value: number): number;
  /** Writes `next` if the word is `expected`; returns the value before. */
  compareExchange(at: number, expected: number, next: number): number;
  /**
   * Acquires: `compareExchange(at, expected, next)` on a lock word and, if it took place, one more in the count eight bytes
   * after it, which the winner alone may now write. Returns that count, the fencing token, or 0 if the word was another.
   */
  claim(at: number, expected: number, next: number): number;
  /**
   * Looks at a lock word until the bits `busy` are 0, and then claims it by adding the bits `next`, and counts one more contended
   * acquisition. Looks at most `rounds` times. Returns the fencing token, or 0.
   */
  claimSpinning(at: number, busy: number, next: number, rounds: number): number;
  /**
   * Adds 1 to the word `at`, and afterwards reads the lock word `lockAt`, which it returns. If the sum is 0, it has wrapped: that is counted
   * in `readWraps` of the slot.
   */
  stepThenLoad(at: number, lockAt: number): number;
  /** Sleeps while the word is `expected`, at most `timeoutMs` (`Infinity`: no limit). */
  wait(at: number, expected: number, timeoutMs: number): 'ok' | 'not-equal' | 'timed-out';
  /** The same for the event loop; `undefined` if the word is another already. Never has a limit, can not be taken back. */
  waitAsync(at: number, expected: number): Promise<unknown> | undefined;
  /** Wakes all that sleep on the word. */
  notify(at: number): void;
  /** Plain data, for the one who may read or write it under a lock. */
  loadNumber(at: number): number;
  storeNumber(at: number, value: number): void;
  /** Copies bytes to an address that is a multiple of four; plain data too. */
  writeBytes(at: number, bytes: Uint8Array): void;
  /** A copy of its own. */
  readBytes(at: number, length: number): Uint8Array;
}
