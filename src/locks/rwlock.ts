import { CLOSED, DIED, DRAINING, OWNER, slot as slotRecord, UPGRADABLE } from '../../native-layout/index.js';
import { isLockError } from '../contract/errors.js';
import type { AcquireAsyncOptions, AcquireOptions, Lock, LockMode, OwnerDeath } from '../contract/lock.js';
import * as codes from '../raw/mutex.js';
import * as raw from '../raw/rwlock.js';
import { acquireContended, checkOptions, refuse, refuseThenable } from './contended.js';
import { readDeath } from './deaths.js';
import type { FlowQueue } from './flows.js';
import { functionOf, optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import { type Form, type Keeper, RwlockGuard, type RwlockHold } from './rw-guards.js';
import { UpgradeWait } from './rw-upgrade.js';
import { OwnWay, ReadWay, UpgradeWay } from './rw-ways.js';
import { leaveSite, type Site } from './site.js';

/** Mends the data that a dead writer may have left half-written. Runs while the guard writes. */
export type RwlockRepair = (guard: RwlockGuard, death: OwnerDeath) => void;

/** The sites of one lock in one thread, by what is held. */
export interface RwlockSites {
  readonly read: Site;
  readonly upgradable: Site;
  readonly write: Site;
}

type Within = (...args: never[]) => unknown;

const TOKEN = slotRecord.fields.token.at;
/** Runs of an optimistic function before it is run with a read hold; arbitrary. */
const OPTIMISTIC_TRIES = 3;

/** What the modes of one lock have in common in one thread. */
class Core implements Keeper {
  readonly name: string;
  readonly ways: { readonly read: ReadWay; readonly upgradable: OwnWay; readonly write: OwnWay };
  readonly flows: FlowQueue;
  readonly repair: RwlockRepair | undefined;
  locks!: { readonly [Hold in RwlockHold]: RwlockView };
  #upgrade: UpgradeWait | undefined;

  constructor({ read, upgradable, write }: RwlockSites, flows: FlowQueue, repair: RwlockRepair | undefined) {
    this.name = write.name;
    this.ways = { read: new ReadWay(read), upgradable: new OwnWay(upgradable, UPGRADABLE), write: new OwnWay(write, DRAINING) };
    this.flows = flows;
    this.repair = repair;
  }

  lockOf(hold: RwlockHold): Lock {
    return this.locks[hold];
  }

  end(hold: RwlockHold, form: Form): void {
    const { segment, slot, cell, self, hold: held } = this.ways.write.site;
    if (form === 'flow') held.flows--;
    if (hold !== 'read') {
      this.#abandonUpgrade();
      raw.release(segment, slot, self);
    } else if (--held.guards === 0) raw.releaseRead(segment, slot, cell);
    this.flows.lookSoon();
  }

  downgrade(): void {
    const { segment, slot, cell, self, hold } = this.ways.write.site;
    this.#abandonUpgrade();
    if (hold.guards++ === 0) raw.downgrade(segment, slot, cell, self);
    else {
      raw.countRead(segment.words, cell);
      raw.release(segment, slot, self);
    }
    this.flows.lookSoon();
  }

  upgrade(options: AcquireOptions | undefined, within: Within): number {
    const { site } = this.ways.write;
    if (options !== undefined) checkOptions(site, options, within);
    return acquireContended(new UpgradeWay(site), options, codes.TAKE_INCONSISTENT, within);
  }

  async upgradeAsync(options: AcquireAsyncOptions | undefined): Promise<number> {
    const { timeoutMs, signal } = optionsOf(options, 'options');
    const { write } = this.ways;
    this.#upgrade = new UpgradeWait(write, timeoutOf(timeoutMs, write.site.timeoutMs), signalOf(signal));
    try {
      return await this.#upgrade.token;
    } finally {
      this.#upgrade = undefined;
    }
  }

  close(): void {
    this.#upgrade?.close();
  }

  #abandonUpgrade(): void {
    this.#upgrade?.abandon();
  }

  declareConsistent(): void {
    const { words, slot, self } = this.ways.write.site;
    codes.declareConsistent(words, slot, self);
  }

  /** The guard of a hold that has just been acquired. */
  guard(hold: RwlockHold, form: Form, token: number): RwlockGuard {
    const { words, slot, hold: held } = this.ways.write.site;
    // Those of flows were counted when they were granted.
    if (hold === 'read' && form === 'blocking') held.guards++;
    return new RwlockGuard(this, hold, form, hold === 'write' ? token : words.loadNumber(slot + TOKEN), this.#death());
  }

  /** Of a writer: the data is mended if that is how the lock was opened, and the next one is told no more. */
  mended(guard: RwlockGuard, within: Within): RwlockGuard {
    const { ownerDied } = guard;
    if (ownerDied === undefined) return guard;
    try {
      const result: unknown = this.repair?.(guard, ownerDied);
      if (typeof result === 'object' && result !== null) refuseThenable(this.ways.write.site, 'repair', result, within);
      if (!guard.held || guard.lock !== this.locks.write) throw refusals.notHeld(this.ways.write.site, 'repair', 'was released by its repair function', within);
    } catch (error) {
      guard.release();
      throw error;
    }
    this.declareConsistent();
    return guard;
  }

  /** Whether an acquisition that was refused because a writer had died shall have the data mended, and be tried again. */
  shallRepair(error: unknown): boolean {
    return this.repair !== undefined && isLockError(error, 'ERR_LOCK_OWNER_DIED');
  }

  #death(): OwnerDeath | undefined {
    const { words, segment, slot, slotNumber } = this.ways.write.site;
    return words.load(slot) & DIED ? readDeath(segment, slotNumber) : undefined;
  }
}

/** A read-write lock in one of its modes: {@link Rwlock.read}, {@link Rwlock.write} or {@link Rwlock.upgradableRead}. */
export class RwlockView implements Lock {
  readonly name: string;
  readonly kind = 'rwlock';
  readonly mode: LockMode;
  readonly #core: Core;
  readonly #hold: RwlockHold;

  /** @internal */
  constructor(core: object, hold: RwlockHold) {
    this.#core = core as Core;
    this.#hold = hold;
    this.name = this.#core.name;
    this.mode = hold === 'write' ? 'exclusive' : 'shared';
  }

  get #way(): ReadWay | OwnWay {
    return this.#core.ways[this.#hold];
  }

  acquire(options?: AcquireOptions): RwlockGuard {
    if (options !== undefined) checkOptions(this.#way.site, options, this.acquire);
    try {
      return this.#guard(this.#take(options, this.acquire), 'blocking');
    } catch (error) {
      if (this.#hold === 'write' || !this.#core.shallRepair(error)) throw error;
    }
    this.#core.locks.write.acquire(options).release();
    return this.#guard(this.#take(options, this.acquire), 'blocking');
  }

  tryAcquire(): RwlockGuard | undefined {
    const { site } = this.#way;
    const result = this.#way.attempt(site.inconsistent);
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
      return this.#guard(await this.#takeAsync(options), 'flow');
    } catch (error) {
      if (this.#hold === 'write' || !this.#core.shallRepair(error)) throw error;
    }
    (await this.#core.locks.write.acquireAsync(options)).release();
    return this.#guard(await this.#takeAsync(options), 'flow');
  }

  run<T>(fn: (guard: RwlockGuard) => T, options?: AcquireOptions): T {
    functionOf(fn, 'fn');
    const guard = this.acquire(options);
    let result: T;
    try {
      result = fn(guard);
    } finally {
      guard.release();
    }
    if (typeof result === 'object' && result !== null) refuseThenable(this.#way.site, 'run()', result, this.run);
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
    const { write } = this.#core.ways;
    if (options !== undefined) checkOptions(write.site, options, this.acquireInconsistent);
    return this.#core.guard('write', 'blocking', acquireContended(write, options, codes.TAKE_INCONSISTENT, this.acquireInconsistent));
  }

  #take(options: AcquireOptions | undefined, within: Within): number {
    const way = this.#way;
    return acquireContended(way, options, way.site.inconsistent, within);
  }

  #takeAsync(options: AcquireAsyncOptions | undefined): Promise<number> {
    const way = this.#way;
    const { timeoutMs, signal } = optionsOf(options, 'options');
    return this.#core.flows.acquire(way, timeoutOf(timeoutMs, way.site.timeoutMs), signalOf(signal), way.site.inconsistent, this.acquireAsync);
  }

  #guard(token: number, form: Form): RwlockGuard {
    const guard = this.#core.guard(this.#hold, form, token);
    return this.#hold === 'write' ? this.#core.mended(guard, this.acquire) : guard;
  }
}

/**
 * A lock that many readers have at a time, or one writer.
 *
 * When to use: for data that is read much more often than it is changed, where a read takes longer than a few microseconds. Readers
 * write no memory that another thread reads but when it wants to write, so they do not slow each other down.
 *
 * Guarantees: a writer is alone; readers are together. A writer waits only for those who read already when it comes to the word, and
 * for those blocked before it; a blocked reader only for those blocked before it: neither starves. `upgradableRead` is held by one at a
 * time, beside the readers, and can become the writer. If a thread ends in any way while it reads, its hold is given back; while it
 * writes, the lock becomes inconsistent, as a {@link Mutex} does, for readers too. A thread may read several times at once; flows of one
 * event loop that overlap wait for a writer between them, so a flow that reads must not wait for a second read hold.
 *
 * Blocking: as a {@link Mutex}.
 *
 * Throws: see {@link Lock}; `ERR_LOCK_UPGRADE` where a thread that reads wants to write by blocking.
 *
 * @example
 * const table = manager.rwlock('table');
 * table.read.run(() => lookUp(key));
 * table.write.run(() => insert(key, value));
 */
export class Rwlock {
  readonly name: string;
  readonly kind = 'rwlock';
  readonly read: RwlockView;
  readonly write: RwlockView;
  /** One at a time, beside readers: its guard can be upgraded. */
  readonly upgradableRead: RwlockView;
  readonly #core: Core;

  /** @internal Locks come from `manager.rwlock`. */
  constructor(sites: RwlockSites, flows: FlowQueue, repair: RwlockRepair | undefined) {
    const core = new Core(sites, flows, repair);
    this.name = core.name;
    this.#core = core;
    this.read = new RwlockView(core, 'read');
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
    this.#core.close();
    const { read, upgradable, write } = this.#core.ways;
    for (const { site } of [read, upgradable, write]) leaveSite(site, slot);
  }

  /**
   * Number of acquisitions to write so far; `undefined` while somebody writes or the data is not to be read. A writer writes the word,
   * counts, and writes the word again when it releases; so whoever reads the word between two looks at the count misses none.
   */
  #version(): number | undefined {
    const { words, slot } = this.#core.ways.write.site;
    const early = words.loadNumber(slot + TOKEN);
    const word = words.load(slot);
    const isWritten = (word & OWNER) !== 0 && !(word & (DRAINING | UPGRADABLE));
    if (isWritten || word & (DIED | CLOSED)) return undefined;
    return words.loadNumber(slot + TOKEN) === early ? early : undefined;
  }
}
