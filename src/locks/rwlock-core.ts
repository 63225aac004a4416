import { DIED, slot as slotRecord } from '../../native-layout/index.js';
import { isLockError } from '../contract/errors.js';
import type { AcquireAsyncOptions, AcquireOptions, Lock, OwnerDeath } from '../contract/lock.js';
import * as codes from '../raw/mutex.js';
import * as raw from '../raw/rwlock.js';
import { refuseThenable } from './body.js';
import { CancelInterrupt } from './cancel-token.js';
import { acquireContended, refuseCancelled } from './contended.js';
import { readDeath } from './deaths.js';
import type { FlowQueue } from './flows.js';
import { optionsOf, signalOf, timeoutOf } from './options.js';
import * as refusals from './refusals.js';
import { type Form, type Keeper, RwlockGuard, type RwlockHold } from './rwlock-guard.js';
import { UpgradeProtocol } from './rwlock-protocol.js';
import { UpgradeWait } from './rwlock-upgrade.js';
import { leaveSite, type Site } from './site.js';

/** Mends the data that a dead writer may have left half-written. Runs while the guard writes. */
export type RwlockRepair = (guard: RwlockGuard, death: OwnerDeath) => void;

/** @internal The sites of one lock in one thread, by what is held. */
export type RwlockSites = { readonly [Hold in RwlockHold]: Site };

type Within = (...args: never[]) => unknown;

const TOKEN = slotRecord.fields.token.at;

/** @internal What the modes of one lock have in common in one thread. */
export class RwlockCore implements Keeper {
  readonly name: string;
  readonly sites: RwlockSites;
  readonly flows: FlowQueue;
  readonly repair: RwlockRepair | undefined;
  /** That of writing, for what is the same in all modes. */
  readonly site: Site;
  /** Set by the lock, once it has its views. */
  locks!: { readonly [Hold in RwlockHold]: Lock };
  readonly #upgradeSite: Site;
  #upgrade: UpgradeWait | undefined;
  #isDetached = false;

  constructor(sites: RwlockSites, flows: FlowQueue, repair: RwlockRepair | undefined) {
    this.name = sites.write.name;
    this.sites = sites;
    this.site = sites.write;
    this.#upgradeSite = { ...sites.write, protocol: new UpgradeProtocol() };
    this.flows = flows;
    this.repair = repair;
  }

  lockOf(hold: RwlockHold): Lock {
    return this.locks[hold];
  }

  /** Reads if this thread does not yet and nothing at all is in the way: then nobody has died either. */
  readAtOnce(): boolean {
    const { segment, slot, cell, hold } = this.site;
    if (hold.guards !== 0 || !raw.tryRead(segment, slot, cell)) return false;
    hold.guards = 1;
    return true;
  }

  /** Whether the thread itself reads, by a blocking form, and not only its flows. */
  get isReadByThread(): boolean {
    return this.site.hold.guards > this.site.hold.flows;
  }

  end(hold: RwlockHold, form: Form): void {
    if (hold === 'read') return this.endRead(form);
    // What this thread held was given back when it left.
    if (this.#isDetached) return;
    const { segment, slot, self, hold: held } = this.site;
    this.#upgrade?.abandon();
    if (form === 'flow') held.flow = 'none';
    raw.release(segment, slot, self);
    this.flows.lookSoon();
  }

  endRead(form: Form): void {
    const { segment, slot, cell, hold } = this.site;
    if (this.#isDetached) return;
    if (form === 'flow') hold.flows--;
    if (--hold.guards !== 0) return;
    if (raw.releaseRead(segment, slot, cell)) this.flows.lookSoon();
  }

  downgrade(form: Form): void {
    const { segment, words, slot, cell, self, hold } = this.site;
    if (this.#isDetached) return;
    this.#upgrade?.abandon();
    if (form === 'flow') {
      hold.flow = 'none';
      hold.flows++;
    }
    if (hold.guards++ === 0) raw.downgrade(segment, slot, cell, self);
    else {
      raw.countRead(words, slot, cell);
      raw.release(segment, slot, self);
    }
    this.flows.lookSoon();
  }

  upgrade(options: AcquireOptions | undefined, within: Within): number {
    if (options !== undefined) this.check(this.#upgradeSite, options, within);
    return this.take(this.#upgradeSite, options, codes.TAKE_INCONSISTENT, within);
  }

  async upgradeAsync(options: AcquireAsyncOptions | undefined): Promise<number> {
    const { timeoutMs, signal } = optionsOf(options, 'options');
    const limit = timeoutOf(timeoutMs, this.site.timeoutMs);
    const begun = (this.#upgrade ??= new UpgradeWait(this.site, limit, signalOf(signal)));
    try {
      return await begun.token;
    } finally {
      this.#upgrade = undefined;
    }
  }

  declareConsistent(): void {
    const { words, slot, self } = this.site;
    codes.declareConsistent(words, slot, self);
  }

  /** Also when the lock is free: what is wrong is refused, and what is cancelled already is not begun. */
  check(site: Site, options: AcquireOptions, within: Within): void {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    timeoutOf(timeoutMs, 0);
    refuseCancelled(site, cancel, within);
  }

  take(site: Site, options: AcquireOptions | undefined, inconsistent: number, within: Within): number {
    const { timeoutMs, cancel } = optionsOf(options, 'options');
    const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
    return acquireContended(site, timeoutOf(timeoutMs, site.timeoutMs), interrupt, inconsistent, within);
  }

  /** The guard of a hold that was not to be had at once: a writer may have died. */
  guard(hold: RwlockHold, form: Form, token: number): RwlockGuard {
    // Those of flows were counted when they were granted.
    if (hold === 'read' && form === 'blocking') this.site.hold.guards++;
    return this.guardOf(hold, form, hold === 'write' ? token : this.token, this.#death());
  }

  guardOf(hold: RwlockHold, form: Form, token: number, death: OwnerDeath | undefined): RwlockGuard {
    return new RwlockGuard(this, hold, form, token, death);
  }

  /** That of the last writer. */
  get token(): number {
    return this.site.words.loadNumber(this.site.slot + TOKEN);
  }

  /** Of a writer: the data is mended if that is how the lock was opened, and the next one is told no more. */
  mended(guard: RwlockGuard, within: Within): RwlockGuard {
    const { ownerDied } = guard;
    if (ownerDied === undefined) return guard;
    try {
      refuseThenable(this.repair?.(guard, ownerDied), () => refusals.asyncBody(this.site, 'repair', within));
      if (!guard.held || guard.lock !== this.locks.write) throw refusals.notHeld(this.site, 'repair', 'was released by its repair function', within);
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

  detach(slot: number): void {
    this.#upgrade?.close();
    for (const site of [...Object.values(this.sites), this.#upgradeSite]) leaveSite(site, slot);
    this.#isDetached = true;
  }

  #death(): OwnerDeath | undefined {
    const { words, segment, slot, slotNumber } = this.site;
    return words.load(slot) & DIED ? readDeath(segment, slotNumber) : undefined;
  }
}
