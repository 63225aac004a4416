import { CLOSED, DIED, DRAINING, OWNER, UPGRADABLE } from '../../native-layout/index.js';
import { type AcquireAsyncOptions, type AcquireOptions, type Lock, lockOrder, type LockMode, type OwnerDeath } from '../contract/lock.js';
import * as codes from '../raw/mutex.js';
import { HELD_SHARED } from '../raw/rwlock.js';
import type { RwlockKind } from '../registry/kinds.js';
import type { SegmentOptions } from '../shm/header.js';
import { refuseThenable } from './body.js';
import { refuse } from './contended.js';
import type { FlowQueue } from './flows.js';
import { choiceOf, functionOf, optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import { RwlockCore, type RwlockRepair, type RwlockSites } from './rwlock-core.js';
import type { Form, RwlockGuard, RwlockHold } from './rwlock-guard.js';
import { OwnProtocol, readProtocol } from './rwlock-protocol.js';
import { orderOf, type Site } from './site.js';

/** What a read-write lock is. All threads that open a name must agree on `ownerDeath`. */
export interface RwlockOptions {
  /** What becomes of the lock when a writer dies; see {@link Rwlock}. Default: that of the manager. */
  readonly ownerDeath?: 'poison' | 'release' | undefined;
  /**
   * Mends the data after the death of a writer, under the write lock, in the next thread that acquires by this handle, in whichever
   * mode. Must not be asynchronous.
   */
  readonly repair?: RwlockRepair | undefined;
  /** Default time-out of this handle in all modes, ms. Omitted: those of the manager for shared and exclusive acquisitions. */
  readonly timeoutMs?: number | undefined;
}

/** Runs of an optimistic function before it is run with a read hold; arbitrary. */
const OPTIMISTIC_TRIES = 3;

/** @internal What `manager.rwlock` has decided. */
export interface RwlockDecision {
  readonly kind: RwlockKind;
  readonly repair: RwlockRepair | undefined;
  /** Of the handle; `undefined`: those of the manager. */
  readonly timeoutMs: number | undefined;
  readonly sharedMs: number;
  readonly exclusiveMs: number;
  /** Of a writer, as in {@link Site}. */
  readonly inconsistent: number;
}

/** @internal Checks the options. */
export function readRwlockOptions(options: RwlockOptions | undefined, defaults: SegmentOptions): RwlockDecision {
  const { ownerDeath, repair, timeoutMs } = optionsOf(options, 'options');
  if (repair !== undefined) functionOf(repair, 'repair');
  const kind: RwlockKind = { kind: 'rwlock', ownerDeath: choiceOf(ownerDeath, ['poison', 'release'], defaults.ownerDeath, 'ownerDeath') };
  const inconsistent = kind.ownerDeath === 'release' || repair !== undefined ? codes.TAKE_INCONSISTENT : codes.REFUSE_INCONSISTENT;
  return { kind, repair, timeoutMs, sharedMs: timeoutOf(timeoutMs, defaults.sharedMs), exclusiveMs: timeoutOf(timeoutMs, defaults.exclusiveMs), inconsistent };
}

/** @internal The sites of all modes. */
export function rwlockSitesOf(write: Site, { repair, sharedMs, inconsistent }: RwlockDecision): RwlockSites {
  // Readers can not mend: they leave it to a writer.
  const shared = { mode: 'shared', inconsistent: repair === undefined ? inconsistent : codes.REFUSE_INCONSISTENT, timeoutMs: sharedMs } as const;
  return { read: { ...write, ...shared, protocol: readProtocol }, upgradable: { ...write, ...shared, protocol: new OwnProtocol(UPGRADABLE) }, write };
}

/** A read-write lock in one of its modes: {@link Rwlock.read}, {@link Rwlock.write} or {@link Rwlock.upgradableRead}. */
export class RwlockView implements Lock {
  readonly name: string;
  readonly kind = 'rwlock';
  readonly mode: LockMode;
  readonly #core: RwlockCore;
  readonly #hold: RwlockHold;
  readonly #site: Site;

  /** @internal */
  constructor(core: RwlockCore, hold: RwlockHold) {
    this.#core = core;
    this.#hold = hold;
    this.#site = this.#core.sites[hold];
    this.name = this.#core.name;
    this.mode = hold === 'write' ? 'exclusive' : 'shared';
  }

  /** @internal */
  get [lockOrder](): string {
    return orderOf(this.#site);
  }

  acquire(options?: AcquireOptions): RwlockGuard {
    if (options !== undefined) this.#core.check(this.#site, options, this.acquire);
    try {
      return this.#take(options);
    } catch (error) {
      if (this.#hold === 'write' || !this.#core.shallRepair(error)) throw error;
    }
    this.#core.locks.write.acquire(options).release();
    return this.#take(options);
  }

  tryAcquire(): RwlockGuard | undefined {
    const site = this.#site;
    const result = site.protocol.attempt(site, site.inconsistent);
    if (result > 0) return this.#guard(result, 'blocking');
    if (result === codes.INCONSISTENT && this.#hold !== 'write' && this.#core.repair !== undefined) {
      const writer = this.#core.locks.write.tryAcquire();
      writer?.release();
      return writer && this.tryAcquire();
    }
    if (result === codes.INCONSISTENT || result === codes.SHUT) throw refuse(site, result, 0, 0, undefined, this.tryAcquire);
    return undefined;
  }

  async acquireAsync(options?: AcquireAsyncOptions): Promise<RwlockGuard> {
    try {
      return await this.#takeAsync(options);
    } catch (error) {
      if (this.#hold === 'write' || !this.#core.shallRepair(error)) throw error;
    }
    (await this.#core.locks.write.acquireAsync(options)).release();
    return this.#takeAsync(options);
  }

  run<T>(fn: (guard: RwlockGuard) => T, options?: AcquireOptions): T {
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
    if (typeof result === 'object' && result !== null) this.#refuseThenable(result);
    return result;
  }

  async runAsync<T>(fn: (guard: RwlockGuard) => T | Promise<T>, options?: AcquireAsyncOptions): Promise<T> {
    functionOf(fn, 'fn');
    const guard = await this.acquireAsync(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /**
   * To write also if a writer died while it held: the guard's `ownerDied` tells, and after `guard.markConsistent()` others may
   * acquire. Released without that, the lock stays inconsistent. Of another mode it is what `write.acquireInconsistent` is.
   */
  acquireInconsistent(options?: AcquireOptions): RwlockGuard {
    const { site } = this.#core;
    if (options !== undefined) this.#core.check(site, options, this.acquireInconsistent);
    return this.#core.guard('write', 'blocking', this.#core.take(site, options, codes.TAKE_INCONSISTENT, this.acquireInconsistent));
  }

  #take(options: AcquireOptions | undefined): RwlockGuard {
    return this.#guard(this.#core.take(this.#site, options, this.#site.inconsistent, this.acquire), 'blocking');
  }

  async #takeAsync(options: AcquireAsyncOptions | undefined): Promise<RwlockGuard> {
    const site = this.#site;
    const { timeoutMs, signal } = optionsOf(options, 'options');
    const limit = timeoutOf(timeoutMs, site.timeoutMs);
    const aborts = signalOf(signal);
    // A flow can wait for those of its thread that read, but not for the thread.
    if (this.#hold !== 'read' && this.#core.isReadByThread) throw refuse(site, HELD_SHARED, 0, limit, undefined, this.acquireAsync);
    return this.#guard(await this.#core.flows.acquire(limit, aborts, site.inconsistent, this.acquireAsync, site), 'flow');
  }

  #guard(token: number, form: Form): RwlockGuard {
    const guard = this.#core.guard(this.#hold, form, token);
    return this.#hold === 'write' ? this.#core.mended(guard, this.acquire) : guard;
  }

  /** Apart, since a function that makes a closure costs whoever calls it, also where it does not come to that. */
  #refuseThenable(result: unknown): void {
    refuseThenable(result, () => refusals.asyncBody(this.#site, 'run()', this.run));
  }
}

/** A read-write lock for those who only read: {@link Rwlock.read}. */
export class RwlockReadView extends RwlockView {
  readonly #core: RwlockCore;

  /** @internal */
  constructor(core: RwlockCore) {
    super(core, 'read');
    this.#core = core;
  }

  override acquire(options?: AcquireOptions): RwlockGuard {
    if (options !== undefined || !this.#core.readAtOnce()) return super.acquire(options);
    return this.#core.guardOf('read', 'blocking', this.#core.token, undefined);
  }

  /**
   * Reads without a guard, for hot loops; undone by {@link unlock}. As {@link acquire} in all else.
   *
   * @returns the death of a writer, where {@link RwlockGuard.ownerDied} would tell of it.
   */
  lock(options?: AcquireOptions): OwnerDeath | undefined {
    // The guard, if there is one, is dropped; its hold is that of the pair.
    const death = options === undefined && this.#core.readAtOnce() ? undefined : super.acquire(options).ownerDied;
    this.#core.site.hold.pairs++;
    return death;
  }

  /**
   * Undoes one {@link lock} of the calling thread.
   *
   * @throws LockError `ERR_LOCK_NOT_HELD`, with nothing changed, if the thread has no `lock()` to undo.
   */
  unlock(): void {
    const { hold } = this.#core.site;
    if (hold.pairs === 0) throw refusals.notHeld(this.#core.sites.read, 'unlock()', 'was not locked by this thread with lock()', this.unlock);
    hold.pairs--;
    this.#core.endRead('blocking');
  }
}

/**
 * A lock that many readers have at a time, or one writer.
 *
 * When to use: for data that is read much more often than it is changed. Readers write no memory that another thread reads but when
 * it wants to write, so they do not slow each other down. Where every second access changes something, a `Mutex` is quicker.
 *
 * Guarantees: a writer is alone; readers are together. A writer waits only for those who read already when it comes to the word, and
 * for those blocked before it; a blocked reader only for those blocked before it: neither starves. `upgradableRead` is held by one at a
 * time, beside the readers, and can become the writer. If a thread ends in any way while it reads, its hold is given back; while it
 * writes, the lock becomes inconsistent, as a {@link Mutex} does, for readers too. A thread may read several times at once; flows of one
 * event loop that overlap wait for a writer between them, so a flow that reads must not wait for a second read hold.
 *
 * Blocking: `acquire`, `run` and `read.lock` block the calling thread; on the main thread they are refused if they would have to wait,
 * unless the manager was created with `blockingOnMain: 'allow'`. All other forms may be used on every thread.
 *
 * Throws: see {@link Lock}; `ERR_LOCK_UPGRADE` at once where a thread wants to write, in whichever form, that itself reads by a blocking
 * one, or wants to by a blocking one while any of its flows reads: it would wait for itself.
 *
 * @example
 * const table = manager.rwlock('table');
 * table.write.run(() => { balance[0] -= 10; balance[1] += 10; });
 * const total = table.read.run(() => balance[0] + balance[1]);
 */
export class Rwlock {
  readonly name: string;
  readonly kind = 'rwlock';
  readonly read: RwlockReadView;
  readonly write: RwlockView;
  /** One at a time, beside readers: its guard can be upgraded. */
  readonly upgradableRead: RwlockView;
  readonly #core: RwlockCore;

  /** @internal Locks come from `manager.rwlock`. */
  constructor(sites: RwlockSites, flows: FlowQueue, repair: RwlockRepair | undefined) {
    const core = new RwlockCore(sites, flows, repair);
    this.name = core.name;
    this.#core = core;
    this.read = new RwlockReadView(core);
    this.write = new RwlockView(core, 'write');
    this.upgradableRead = new RwlockView(core, 'upgradable');
    core.locks = { read: this.read, write: this.write, upgradable: this.upgradableRead };
  }

  /**
   * Runs `fn` without a hold, and again if a writer was there meanwhile; after a few tries with a read hold. What it reads may change
   * under its hands, so it must read shared words with `Atomics`, change nothing, and bear what does not fit together; what it
   * throws counts only if no writer was there.
   */
  optimistic<T>(fn: () => T, options?: AcquireOptions): T {
    functionOf(fn, 'fn');
    for (let tries = 0; tries < OPTIMISTIC_TRIES; tries++) {
      const before = this.#version();
      if (before === undefined) break;
      let outcome: { readonly value: T } | { readonly error: unknown };
      try {
        outcome = { value: fn() };
      } catch (error) {
        outcome = { error };
      }
      if (this.#version() !== before) continue;
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    }
    return this.read.run(fn, options);
  }

  /** @internal The thread has left the segment: `slot` is a closed one. */
  detach(slot: number): void {
    this.#core.detach(slot);
  }

  /**
   * Number of acquisitions to write so far; `undefined` while somebody writes or the data is not to be read. A writer writes the word,
   * counts, and writes the word again when it releases; so whoever reads the word between two looks at the count misses none.
   */
  #version(): number | undefined {
    const { words, slot } = this.#core.site;
    const early = this.#core.token;
    const word = words.load(slot);
    const isWritten = (word & OWNER) !== 0 && !(word & (DRAINING | UPGRADABLE));
    if (isWritten || word & (DIED | CLOSED)) return undefined;
    return this.#core.token === early ? early : undefined;
  }
}
