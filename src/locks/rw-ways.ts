/** How the modes of a read-write lock are acquired and given back. */
import { DRAINING, OWNER, slot as slotRecord, UPGRADABLE } from '../../native-layout/index.js';
import type { Interrupt } from '../raw/mutex.js';
import { SHUT } from '../raw/mutex.js';
import { NEWCOMER, OUT_OF_TURN } from '../raw/queue.js';
import * as raw from '../raw/rwlock.js';
import { sharedAt } from '../shm/segment.js';
import { HELD_SHARED } from './contended.js';
import type { Site } from './site.js';
import { noteSharedWait, noteWait } from './waits.js';
import type { Way } from './ways.js';

const CONTENDED = slotRecord.fields.contended.at;

/** To read, as one of many. */
export class ReadWay implements Way {
  readonly site: Site;

  constructor(site: Site) {
    this.site = site;
  }

  /** The thread's first hold sets its cell; the others are counted here. */
  attempt(inconsistent: number): number {
    const { segment, words, slot, self, cell, hold } = this.site;
    if (hold.guards === 0) return raw.tryRead(segment, slot, cell) ? raw.TAKEN : raw.attemptRead(segment, slot, cell, self, inconsistent);
    // Whoever waits for this thread's first hold would wait for ever if the second had to.
    if (raw.attemptJoin(words, slot, self) === SHUT) return SHUT;
    raw.countRead(words, cell);
    return raw.TAKEN;
  }

  spin(inconsistent: number): number {
    return this.attempt(inconsistent);
  }

  queue(inconsistent: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    const { segment, slot, cell, self } = this.site;
    return raw.acquireReadQueued(segment, slot, cell, self, inconsistent, sinceMs, deadline, interrupt);
  }

  /** Flows of one event loop overlap for ever, so each looks whether a writer is there. */
  begin(inconsistent: number): number {
    const { words, slot, self, hold } = this.site;
    const joined = hold.guards === 0 ? raw.TAKEN : raw.attemptJoin(words, slot, self);
    return joined === raw.TAKEN ? this.attempt(inconsistent) : joined;
  }

  look(inconsistent: number): number {
    const { segment, words, slot, cell, self, hold } = this.site;
    const result = raw.attemptReadForFlow(segment, slot, cell, self, inconsistent);
    if (result === raw.TAKEN && hold.guards > 0) raw.countRead(words, cell);
    return result;
  }

  stepDown(): void {}

  withdraw(): void {
    const { segment, slot, self } = this.site;
    raw.withdrawFlows(segment, slot, self);
  }

  blocker(): number {
    return this.site.words.load(this.site.slot) & OWNER;
  }

  noteWait(waitedMs: number): void {
    const { words, segment, slotNumber } = this.site;
    noteSharedWait(words, sharedAt(segment, slotNumber), waitedMs);
  }

  countFlow(): void {
    this.site.hold.guards++;
    this.site.hold.flows++;
  }
}

/** To own the word: to write (`purpose` DRAINING), or to read with the right to write later (UPGRADABLE). */
export class OwnWay implements Way {
  readonly site: Site;
  readonly #purpose: typeof DRAINING | typeof UPGRADABLE;
  #isPatrolled = false;

  constructor(site: Site, purpose: typeof DRAINING | typeof UPGRADABLE) {
    this.site = site;
    this.#purpose = purpose;
  }

  /** A thread that reads would wait for itself; one of its flows only for its others. */
  attempt(inconsistent: number): number {
    return this.site.hold.guards > 0 ? HELD_SHARED : this.begin(inconsistent);
  }

  spin(inconsistent: number): number {
    return this.attempt(inconsistent);
  }

  queue(inconsistent: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    const { segment, slot, self } = this.site;
    return this.#counted(raw.acquireExclusiveQueued(segment, slot, self, this.#purpose, inconsistent, sinceMs, deadline, interrupt));
  }

  begin(inconsistent: number): number {
    const { segment, slot, self } = this.site;
    if (this.#purpose === DRAINING) return raw.attemptWrite(segment, slot, self, inconsistent);
    return this.#counted(raw.claim(segment, slot, self, UPGRADABLE, inconsistent, NEWCOMER, 0));
  }

  look(inconsistent: number, ticket: number): number {
    const { segment, slot, self, hold } = this.site;
    if (!hold.drains) {
      const claimed = raw.claimForFlow(segment, slot, self, this.#purpose, inconsistent, this.#isPatrolled ? OUT_OF_TURN : ticket);
      this.#isPatrolled = false;
      if (claimed !== raw.TAKEN || this.#purpose === UPGRADABLE) return this.#counted(claimed);
      hold.drains = true;
    }
    const result = raw.drain(segment, slot);
    if (result > 0) hold.drains = false;
    return result;
  }

  stepDown(): void {
    const { segment, slot, self, hold } = this.site;
    if (!hold.drains) return;
    hold.drains = false;
    raw.release(segment, slot, self);
  }

  withdraw(): void {
    const { segment, slot, self } = this.site;
    this.stepDown();
    raw.withdrawFlows(segment, slot, self);
  }

  blocker(): number {
    this.#isPatrolled = true;
    const { segment, words, slot, hold } = this.site;
    return hold.drains ? raw.firstReader(segment, slot) : words.load(slot) & OWNER;
  }

  noteWait(waitedMs: number, nowMs: number, token: number): void {
    const { words, segment, slot, slotNumber } = this.site;
    if (this.#purpose === UPGRADABLE) return noteSharedWait(words, sharedAt(segment, slotNumber), waitedMs);
    words.storeNumber(slot + CONTENDED, words.loadNumber(slot + CONTENDED) + 1);
    noteWait(words, slot, waitedMs, nowMs, token);
  }

  countFlow(): void {
    this.site.hold.flows++;
  }

  /** An upgradable hold is one to read. */
  #counted(result: number): number {
    if (result === raw.TAKEN && this.#purpose === UPGRADABLE) raw.countRead(this.site.words, this.site.cell);
    return result;
  }
}

/** To write, for a thread that has the upgradable hold. */
export class UpgradeWay extends OwnWay {
  constructor(site: Site) {
    super(site, DRAINING);
  }

  override attempt(): number {
    const { segment, slot, hold } = this.site;
    return hold.guards > 0 ? HELD_SHARED : raw.attemptUpgrade(segment, slot);
  }

  override queue(_: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    const { segment, slot, self } = this.site;
    return raw.upgradeQueued(segment, slot, self, sinceMs, deadline, interrupt);
  }
}
