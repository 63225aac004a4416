import { CLOSED, DIED, HANDED, OWNER, slot } from '../../native-layout/index.js';
import type { Hold } from '../agent/agent.js';
import { LockError } from '../contract/errors.js';
import { type AcquireAsyncOptions, type AcquireOptions, type Guard, type Lock, lockOrder, type OwnerDeath } from '../contract/lock.js';
import * as raw from '../raw/mutex.js';
import type { SharedWords } from '../shm/words.js';
import { refuseThenable } from './body.js';
import { CancelInterrupt } from './cancel-token.js';
import { acquireContended, refuse, refuseCancelled } from './contended.js';
import { readDeath } from './deaths.js';
import type { FlowQueue } from './flows.js';
import { functionOf, optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import type { Protocol } from './protocol.js';
import { orderOf, type Site } from './site.js';
import { noteHold, noteWait } from './waits.js';

/** @internal What `acquireContended` and `FlowQueue` do with a mutex. */
export const mutexProtocol: Protocol = {
  attempt: ({ words, slot: at, self }, inconsistent) => raw.tryAcquire(words, at, self) || raw.attempt(words, at, self, inconsistent, 0),
  attemptSpinning: ({ segment, slot: at, self }, inconsistent) => raw.attemptSpinning(segment, at, self, inconsistent, 0),
  acquireQueued: ({ segment, slot: at, self }, inconsistent, sinceMs, deadline, interrupt) => raw.acquireQueued(segment, at, self, inconsistent, sinceMs, deadline, interrupt),
  attemptForFlow: ({ segment, slot: at, self }, inconsistent) => raw.attemptForFlow(segment, at, self, inconsistent),
  withdrawFlows({ segment, slot: at, self }) {
    // The lock may have been left to this agent meanwhile; nobody here wants it any more.
    if (raw.withdrawFlows(segment, at, self) > 0) raw.release(segment, at, self);
  },
  // Whoever holds owes nothing to those behind, since its release looks for them; whoever has given up was not alone in being woken.
  passOn: () => {},
  countFlow({ hold }) {
    hold.guards++;
    hold.flows++;
  },
  noteWait: ({ words, slot: at }, waitedMs, nowMs, token) => noteWait(words, at, waitedMs, nowMs, token),
  patrol: ({ segment, words, slot: at }) => segment.patrol(words.load(at) & OWNER),
};

/** Mends the data that a dead owner may have left half-written. Runs under the lock. */
export type Repair = (guard: MutexGuard, death: OwnerDeath) => void;

type HoldKind = 'blocking' | 'flow';

type Within = (...args: never[]) => unknown;

// What a guard may do with its lock and nobody else; set by the class below.
let end: (lock: Mutex, kind: HoldKind) => void;
let declare: (lock: Mutex, within: Within) => void;

/** One hold of a {@link Mutex}. */
export class MutexGuard implements Guard {
  readonly lock: Mutex;
  readonly #token: number;
  #hold: HoldKind | 'released';

  /** @internal Guards come from acquiring. */
  constructor(lock: Mutex, token: number, hold: HoldKind) {
    this.lock = lock;
    this.#token = token;
    this.#hold = hold;
  }

  get held(): boolean {
    return this.#hold !== 'released';
  }

  /** The previous owner died while it held; the data may be half-written. */
  get ownerDied(): OwnerDeath | undefined {
    return undefined;
  }

  get fencingToken(): bigint {
    return BigInt(this.#token);
  }

  release(): void {
    const hold = this.#hold;
    if (hold === 'released') return;
    this.#hold = 'released';
    end(this.lock, hold);
  }

  /**
   * Declares the data good that a dead owner may have left half-written: from now on others may acquire. Does nothing if no
   * owner had died.
   *
   * @throws LockError `ERR_LOCK_NOT_HELD` after the release.
   */
  markConsistent(): void {
    if (!this.held) throw new LockError('ERR_LOCK_NOT_HELD', `markConsistent(): this guard of "${this.lock.name}" was released already`, {}, this.markConsistent);
    declare(this.lock, this.markConsistent);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

/** The guard of the first owner after one that died. Apart, so that the others need not carry the death. */
class HeirGuard extends MutexGuard {
  readonly #death: OwnerDeath;

  constructor(lock: Mutex, token: number, hold: HoldKind, death: OwnerDeath) {
    super(lock, token, hold);
    this.#death = death;
  }

  override get ownerDied(): OwnerDeath {
    return this.#death;
  }
}

/**
 * A lock that one holder has at a time, whichever of the threads.
 *
 * When to use: whenever several workers change the same shared data. For many readers and few writers a read-write lock serves
 * better. It does not protect against holders in other processes.
 *
 * Guarantees: mutual exclusion. A blocked thread is not passed over for ever (`fairness`). If a thread ends in any way while it holds, the
 * lock becomes inconsistent: with `repair` the next acquirer mends the data first; without, `'poison'` has every acquisition
 * throw `ERR_LOCK_OWNER_DIED` until somebody takes it by `acquireInconsistent()` and calls `guard.markConsistent()`, and
 * `'release'` tells the next owner by `guard.ownerDied`. Whoever gives up a wait leaves nothing behind.
 *
 * Blocking: `acquire`, `run` and `lock` block the calling thread; on the main thread they are refused if they would have to wait,
 * unless the manager was created with `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: see {@link Lock}.
 *
 * @example
 * const ledger = manager.mutex('ledger');
 * ledger.run(() => { balance[0] -= 10; balance[1] += 10; });
 */
export class Mutex implements Lock {
  readonly name: string;
  readonly kind = 'mutex';
  readonly mode = 'exclusive';
  readonly #site: Site;
  readonly #words: SharedWords;
  readonly #self: number;
  readonly #hold: Hold;
  readonly #reentrant: boolean;
  readonly #repair: Repair | undefined;
  readonly #flows: FlowQueue;
  #slot: number;
  #isDetached = false;

  static {
    end = (lock, kind) => lock.#end(kind);
    declare = (lock) => void raw.declareConsistent(lock.#words, lock.#slot, lock.#self);
  }

  /** @internal Locks come from `manager.mutex`. */
  constructor(site: Site, flows: FlowQueue, { reentrant, repair }: { readonly reentrant: boolean; readonly repair: Repair | undefined }) {
    this.name = site.name;
    this.#site = site;
    this.#words = site.words;
    this.#self = site.self;
    this.#slot = site.slot;
    this.#hold = site.hold;
    this.#reentrant = reentrant;
    this.#repair = repair;
    this.#flows = flows;
  }

  /** @internal */
  get [lockOrder](): string {
    return orderOf(this.#site);
  }

  acquire(options?: AcquireOptions): MutexGuard {
    if (options !== undefined) this.#check(options, this.acquire);
    const token = this.#takeAtOnce() || this.#trySpinning(options);
    if (token === 0) return this.#guard(this.#takeContended(options, this.#site.inconsistent, this.acquire), 'blocking');
    this.#countGuard();
    return new MutexGuard(this, token, 'blocking');
  }

  tryAcquire(): MutexGuard | undefined {
    const token = this.#takeAtOnce();
    if (token === 0) return this.#tryContended();
    this.#countGuard();
    return new MutexGuard(this, token, 'blocking');
  }

  acquireAsync(options?: AcquireAsyncOptions): Promise<MutexGuard> {
    if (options === undefined && this.#flows.isEmpty) {
      const token = raw.tryAcquire(this.#words, this.#slot, this.#self);
      if (token !== 0) {
        this.#hold.guards++;
        this.#hold.flows++;
        return Promise.resolve(new MutexGuard(this, token, 'flow'));
      }
    }
    return this.#acquireFlow(options);
  }

  run<T>(fn: (guard: MutexGuard) => T, options?: AcquireOptions): T {
    if (typeof fn !== 'function') functionOf(fn, 'fn');
    const guard = this.acquire(options);
    let result: T;
    try {
      result = fn(guard);
    } catch (error) {
      guard.release();
      throw error;
    }
    guard.release();
    if (typeof result === 'object' && result !== null) this.#refuseThenable('run()', result, this.run);
    return result;
  }

  async runAsync<T>(fn: (guard: MutexGuard) => T | Promise<T>, options?: AcquireAsyncOptions): Promise<T> {
    functionOf(fn, 'fn');
    const guard = await this.acquireAsync(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /**
   * Acquires without a guard, for hot loops; undone by {@link unlock}. As {@link acquire} in all else.
   *
   * @returns the previous owner's death, where {@link MutexGuard.ownerDied} would tell of it.
   */
  lock(options?: AcquireOptions): OwnerDeath | undefined {
    if (options !== undefined) this.#check(options, this.lock);
    if (this.#reentrant) return this.#lockCounted(options);
    return raw.tryAcquire(this.#words, this.#slot, this.#self) === 0 ? this.#lockContended(options) : undefined;
  }

  /**
   * Undoes one {@link lock} of the calling thread.
   *
   * @throws LockError `ERR_LOCK_NOT_HELD`, with nothing changed, if the thread has no `lock()` to undo: another thread holds, or a guard.
   */
  unlock(): void {
    if (this.#hold.guards !== 0 || this.#reentrant) this.#unlockCounted();
    else if (!raw.tryRelease(this.#words, this.#slot, this.#self)) this.#releaseContended();
  }

  /** @throws LockError `ERR_LOCK_NOT_HELD` unless the calling thread holds the lock. */
  assertHeld(): void {
    const word = this.#words.load(this.#slot);
    if ((word & OWNER) === this.#self && !(word & HANDED)) return;
    throw refusals.notHeld(this.#site, 'assertHeld()', 'is not held by this thread', this.assertHeld);
  }

  /**
   * Acquires also if an owner died while it held: the guard's `ownerDied` tells, and after `guard.markConsistent()` others may
   * acquire. Released without that, the lock stays inconsistent.
   */
  acquireInconsistent(options?: AcquireOptions): MutexGuard {
    if (options !== undefined) this.#check(options, this.acquireInconsistent);
    const token = this.#takeAtOnce() || this.#takeContended(options, raw.TAKE_INCONSISTENT, this.acquireInconsistent);
    return this.#guardOf(token, 'blocking', this.#death());
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#slot = slot;
    this.#site.slot = slot;
    this.#isDetached = true;
  }

  /** One read-modify-write, or none if this thread holds already and may again. The fencing token, or 0. */
  #takeAtOnce(): number {
    if (this.#reentrant && this.#isHeldByThread()) return this.#words.loadNumber(this.#slot + slot.fields.token.at);
    return raw.tryAcquire(this.#words, this.#slot, this.#self);
  }

  /** Of a reentrant lock: whether this thread may take it again. An asynchronous hold is not the thread's. */
  #isHeldByThread(): boolean {
    const { pairs, guards, flows } = this.#hold;
    return pairs + guards > flows && !this.#isDetached;
  }

  /** Also when the lock is free: what is wrong is refused, and what is cancelled already is not begun. */
  #check(options: AcquireOptions, within: Within): void {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    timeoutOf(timeoutMs, 0);
    refuseCancelled(this.#site, cancel, within);
  }

  /** The lock may be free again by the time that anything else is looked at. */
  #trySpinning(options: AcquireOptions | undefined): number {
    return options === undefined && this.#site.spins ? raw.trySpinning(this.#words, this.#slot, this.#self) : 0;
  }

  #takeContended(options: AcquireOptions | undefined, inconsistent: number, within: Within): number {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
    return acquireContended(this.#site, timeoutOf(timeoutMs, this.#site.timeoutMs), interrupt, inconsistent, within);
  }

  #tryContended(): MutexGuard | undefined {
    const site = this.#site;
    const result = raw.attempt(this.#words, this.#slot, this.#self, site.inconsistent, 0);
    if (result === raw.INCONSISTENT || result === raw.SHUT) throw refuse(site, result, 0, 0, undefined, this.tryAcquire);
    return result > 0 ? this.#guard(result, 'blocking') : undefined;
  }

  #lockContended(options: AcquireOptions | undefined): OwnerDeath | undefined {
    if (this.#trySpinning(options) !== 0) return undefined;
    const token = this.#takeContended(options, this.#site.inconsistent, this.lock);
    if (!(this.#words.load(this.#slot) & DIED)) return undefined;
    const guard = this.#guard(token, 'blocking');
    // The guard is dropped; its hold is that of the pair.
    this.#hold.guards--;
    return guard.ownerDied;
  }

  async #acquireFlow(options: AcquireAsyncOptions | undefined): Promise<MutexGuard> {
    const { timeoutMs, signal } = optionsOf(options, 'options');
    const limit = timeoutOf(timeoutMs, this.#site.timeoutMs);
    return this.#guard(await this.#flows.acquire(limit, signalOf(signal), this.#site.inconsistent, this.acquireAsync), 'flow');
  }

  /** The guard of a hold that was hard to get: a previous owner may have died. */
  #guard(token: number, kind: HoldKind): MutexGuard {
    const death = this.#death();
    const guard = this.#guardOf(token, kind, death);
    if (death === undefined) return guard;
    try {
      this.#mend(guard, death);
    } catch (error) {
      guard.release();
      throw error;
    }
    raw.declareConsistent(this.#words, this.#slot, this.#self);
    return guard;
  }

  /** Leaves the lock inconsistent if it throws, or if the repair was not done when it returned. */
  #mend(guard: MutexGuard, death: OwnerDeath): void {
    const result: unknown = this.#repair?.(guard, death);
    if (typeof result === 'object' && result !== null) this.#refuseThenable('repair', result, this.acquire);
    if (!guard.held) throw refusals.notHeld(this.#site, 'repair', 'was released by its repair function', this.acquire);
  }

  /** Apart, since a function that makes a closure costs whoever calls it, also where it does not come to that. */
  #refuseThenable(what: string, result: unknown, within: Within): void {
    refuseThenable(result, () => refusals.asyncBody(this.#site, what, within));
  }

  /** Of a lock that is not reentrant there is never more than one. */
  #countGuard(): void {
    this.#hold.guards = this.#reentrant ? this.#hold.guards + 1 : 1;
  }

  #guardOf(token: number, kind: HoldKind, death: OwnerDeath | undefined): MutexGuard {
    // That of a flow was counted when it was granted.
    if (kind === 'blocking') this.#countGuard();
    return death === undefined ? new MutexGuard(this, token, kind) : new HeirGuard(this, token, kind, death);
  }

  /** The death that the word still tells of. Only for the owner. */
  #death(): OwnerDeath | undefined {
    return this.#words.load(this.#slot) & DIED ? readDeath(this.#site.segment, this.#site.slotNumber) : undefined;
  }

  #end(kind: HoldKind): void {
    const hold = this.#hold;
    if (kind === 'flow') hold.flows--;
    hold.guards = this.#reentrant ? hold.guards - 1 : 0;
    if (hold.guards !== 0 || hold.pairs !== 0) return;
    if (!raw.tryRelease(this.#words, this.#slot, this.#self)) this.#releaseContended();
  }

  #lockCounted(options: AcquireOptions | undefined): OwnerDeath | undefined {
    const isAtOnce = this.#isHeldByThread() || raw.tryAcquire(this.#words, this.#slot, this.#self) !== 0;
    const death = isAtOnce ? undefined : this.#lockContended(options);
    this.#hold.pairs++;
    return death;
  }

  #unlockCounted(): void {
    const hold = this.#hold;
    if (hold.pairs === 0) throw refusals.notHeld(this.#site, 'unlock()', 'was not locked by this thread with lock()', this.unlock);
    if (--hold.pairs + hold.guards === 0 && !raw.tryRelease(this.#words, this.#slot, this.#self)) this.#releaseContended();
  }

  #releaseContended(): void {
    const { segment } = this.#site;
    noteHold(this.#words, this.#slot, this.#self);
    if (raw.release(segment, this.#slot, this.#self)) this.#flows.lookSoon();
    // A manager that was closed has taken the hold back already.
    else if (!(this.#words.load(this.#slot) & CLOSED)) throw refusals.notHeld(this.#site, 'unlock()', 'is not held by this thread', this.unlock);
  }
}
