import { LockError } from '../contract/errors.js';
import type { AcquireAsyncOptions, AcquireOptions, Guard, Lock, OwnerDeath } from '../contract/lock.js';

/** What a guard of a read-write lock holds. */
export type RwlockHold = 'read' | 'upgradable' | 'write';

/** Whether a thread acquired by blocking, or one of its flows. */
export type Form = 'blocking' | 'flow';

type Within = (...args: never[]) => unknown;

/** What guards do with their lock, and nobody else may. */
export interface Keeper {
  readonly name: string;
  lockOf(hold: RwlockHold): Lock;
  end(hold: RwlockHold, form: Form): void;
  /** From writing or upgradable to reading. */
  downgrade(form: Form): void;
  /** From upgradable to writing. The fencing token. */
  upgrade(options: AcquireOptions | undefined, within: Within): number;
  upgradeAsync(options: AcquireAsyncOptions | undefined): Promise<number>;
  declareConsistent(): void;
}

/** One hold of an {@link Rwlock}. Upgraded or downgraded it stays the same guard. */
export class RwlockGuard implements Guard {
  readonly #keeper: Keeper;
  readonly #form: Form;
  readonly #death: OwnerDeath | undefined;
  #hold: RwlockHold;
  #token: number;
  #held = true;

  /** @internal Guards come from acquiring. */
  constructor(keeper: Keeper, hold: RwlockHold, form: Form, token: number, death: OwnerDeath | undefined) {
    this.#keeper = keeper;
    this.#hold = hold;
    this.#form = form;
    this.#token = token;
    this.#death = death;
  }

  /** The lock in the mode in which it is held now, or was last. */
  get lock(): Lock {
    return this.#keeper.lockOf(this.#hold);
  }

  get held(): boolean {
    return this.#held;
  }

  /** Of a reader: that of the last writer before it. */
  get fencingToken(): bigint {
    return BigInt(this.#token);
  }

  /** A writer died while it held, and nobody has declared the data good. */
  get ownerDied(): OwnerDeath | undefined {
    return this.#death;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#keeper.end(this.#hold, this.#form);
  }

  /**
   * Goes on reading, without a moment in which another could write. Does nothing if this guard only reads.
   *
   * @throws LockError `ERR_LOCK_NOT_HELD` after the release.
   */
  downgrade(): this {
    this.#check('downgrade()', this.downgrade);
    if (this.#hold === 'read') return this;
    this.#keeper.downgrade(this.#form);
    this.#hold = 'read';
    return this;
  }

  /**
   * Of an upgradable guard: waits for the readers to go, and then writes. Nobody else writes in between. If it is refused, the guard
   * goes on reading.
   *
   * @throws LockError `ERR_LOCK_UPGRADE` if this is a plain read guard, or if the thread has one besides; `ERR_LOCK_NOT_HELD` after the
   * release; and as `acquire` does.
   */
  upgrade(options?: AcquireOptions): this {
    this.#check('upgrade()', this.upgrade);
    if (this.#hold === 'write') return this;
    this.#refuseReader(this.upgrade);
    this.#token = this.#keeper.upgrade(options, this.upgrade);
    this.#hold = 'write';
    return this;
  }

  /** As {@link upgrade}, without blocking the thread. Released or downgraded meanwhile, it rejects with `ERR_LOCK_NOT_HELD`. */
  async upgradeAsync(options?: AcquireAsyncOptions): Promise<this> {
    this.#check('upgradeAsync()', this.upgradeAsync);
    if (this.#hold === 'write') return this;
    this.#refuseReader(this.upgradeAsync);
    const token = await this.#keeper.upgradeAsync(options);
    this.#check('upgradeAsync()', this.upgradeAsync);
    // Granted, and given back before this could go on.
    if (this.#hold === 'read') throw new LockError('ERR_LOCK_NOT_HELD', `upgradeAsync(): this guard of "${this.#keeper.name}" was downgraded before it went on`, {}, this.upgradeAsync);
    this.#token = token;
    this.#hold = 'write';
    return this;
  }

  /**
   * Of a write guard: declares the data good that a dead writer may have left half-written. Does nothing if none had died.
   *
   * @throws LockError `ERR_LOCK_NOT_HELD` after the release, or if this guard does not write.
   */
  markConsistent(): void {
    this.#check('markConsistent()', this.markConsistent);
    if (this.#hold !== 'write') throw new LockError('ERR_LOCK_NOT_HELD', `markConsistent(): this guard of "${this.#keeper.name}" does not write`, {}, this.markConsistent);
    this.#keeper.declareConsistent();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  #check(action: string, within: Within): void {
    if (!this.#held) throw new LockError('ERR_LOCK_NOT_HELD', `${action}: this guard of "${this.#keeper.name}" was released already`, {}, within);
  }

  #refuseReader(within: Within): void {
    if (this.#hold !== 'read') return;
    const hint = 'read by upgradableRead, whose guard can be upgraded: of those there is one at a time';
    throw new LockError('ERR_LOCK_UPGRADE', `"${this.#keeper.name}" not upgraded: two readers that both wait to write would wait for each other\n  hint: ${hint}`, { lock: this.#keeper.name, hint }, within);
  }
}
