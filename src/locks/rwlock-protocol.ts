/** How the modes of a read-write lock are acquired. */
import { DRAINING, OWNER, slot as slotRecord, UPGRADABLE } from '../../native-layout/index.js';
import { type Interrupt, SHUT } from '../raw/mutex.js';
import { NEWCOMER, OUT_OF_TURN, ticketOfFlows } from '../raw/queue.js';
import * as raw from '../raw/rwlock.js';
import { sharedAt } from '../shm/segment.js';
import type { Protocol } from './protocol.js';
import type { Site } from './site.js';
import { noteSharedWait, noteWait } from './waits.js';

const CONTENDED = slotRecord.fields.contended.at;

/** @internal To read, as one of many. */
export const readProtocol: Protocol = {
  /** The thread's first hold sets its cell; the others are counted here. */
  attempt({ segment, words, slot, self, cell, hold }, inconsistent) {
    if (hold.guards === 0) return raw.attemptRead(segment, slot, cell, self, inconsistent);
    // Whoever waits for this thread's first hold would wait for ever if the second had to.
    if (raw.attemptJoin(words, slot, self) === SHUT) return SHUT;
    raw.countRead(words, slot, cell);
    return raw.TAKEN;
  },
  /** Flows of one event loop overlap for ever, so each looks whether a writer is there. */
  attemptAtOnce(site, inconsistent) {
    const joined = site.hold.guards === 0 ? raw.TAKEN : raw.attemptJoin(site.words, site.slot, site.self);
    return joined === raw.TAKEN ? this.attempt(site, inconsistent) : joined;
  },
  attemptSpinning(site, inconsistent) {
    return this.attempt(site, inconsistent);
  },
  acquireQueued: ({ segment, slot, cell, self }, inconsistent, sinceMs, deadline, interrupt) => raw.acquireReadQueued(segment, slot, cell, self, inconsistent, sinceMs, deadline, interrupt),
  attemptForFlow({ segment, words, slot, cell, self, hold }, inconsistent) {
    const result = raw.attemptReadForFlow(segment, slot, cell, self, inconsistent);
    if (result === raw.TAKEN && hold.guards > 0) raw.countRead(words, slot, cell);
    return result;
  },
  withdrawFlows: ({ segment, slot, self }) => raw.withdrawFlows(segment, slot, self),
  passOn: () => {},
  countFlow({ hold }) {
    hold.guards++;
    hold.flows++;
  },
  noteWait: ({ words, segment, slotNumber }, waitedMs) => noteSharedWait(words, sharedAt(segment, slotNumber), waitedMs),
  patrol: ({ segment, words, slot }) => segment.patrol(words.load(slot) & OWNER),
};

/** @internal To own the word: to write (`purpose` DRAINING), or to read with the right to write later (UPGRADABLE). */
export class OwnProtocol implements Protocol {
  readonly #purpose: typeof DRAINING | typeof UPGRADABLE;
  #isOutOfTurn = false;

  constructor(purpose: typeof DRAINING | typeof UPGRADABLE) {
    this.#purpose = purpose;
  }

  /** A thread that reads would wait for itself. */
  attempt(site: Site, inconsistent: number): number {
    return site.hold.guards > 0 ? raw.HELD_SHARED : this.attemptAtOnce(site, inconsistent);
  }

  attemptAtOnce(site: Site, inconsistent: number): number {
    const { segment, slot, self } = site;
    if (this.#purpose === DRAINING) return raw.attemptWrite(segment, slot, self, inconsistent);
    return this.#counted(site, raw.claim(segment, slot, self, UPGRADABLE, inconsistent, NEWCOMER, 0));
  }

  attemptSpinning(site: Site, inconsistent: number): number {
    return this.attempt(site, inconsistent);
  }

  acquireQueued(site: Site, inconsistent: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    const { segment, slot, self } = site;
    return this.#counted(site, raw.acquireExclusiveQueued(segment, slot, self, this.#purpose, inconsistent, sinceMs, deadline, interrupt));
  }

  attemptForFlow(site: Site, inconsistent: number): number {
    const { segment, slot, self, hold } = site;
    if (hold.flow !== 'drains') {
      const ticket = this.#isOutOfTurn ? OUT_OF_TURN : ticketOfFlows(segment, slot, self);
      const claimed = raw.claimForFlow(segment, slot, self, this.#purpose, inconsistent, ticket);
      this.#isOutOfTurn = false;
      if (claimed !== raw.TAKEN || this.#purpose === UPGRADABLE) return this.#counted(site, claimed);
      hold.flow = 'drains';
    }
    const result = raw.drain(segment, slot);
    if (result > 0) hold.flow = 'owns';
    return result;
  }

  withdrawFlows(site: Site): void {
    this.passOn(site);
    raw.withdrawFlows(site.segment, site.slot, site.self);
  }

  /** One that has given up may have claimed the word already. */
  passOn({ segment, slot, self, hold }: Site): void {
    if (hold.flow !== 'drains') return;
    hold.flow = 'none';
    raw.release(segment, slot, self);
  }

  countFlow({ hold }: Site): void {
    hold.flow = 'owns';
  }

  noteWait({ words, segment, slot, slotNumber }: Site, waitedMs: number, nowMs: number, token: number): void {
    if (this.#purpose === UPGRADABLE) return noteSharedWait(words, sharedAt(segment, slotNumber), waitedMs);
    words.storeNumber(slot + CONTENDED, words.loadNumber(slot + CONTENDED) + 1);
    noteWait(words, slot, waitedMs, nowMs, token);
  }

  patrol({ segment, words, slot, hold }: Site): void {
    // A thread whose turn it was has had from one patrol to the next.
    this.#isOutOfTurn = true;
    segment.patrol(hold.flow === 'drains' ? raw.firstReader(segment, slot) : words.load(slot) & OWNER);
  }

  /** An upgradable hold is one to read. */
  #counted({ words, slot, cell }: Site, result: number): number {
    if (result === raw.TAKEN && this.#purpose === UPGRADABLE) raw.countRead(words, slot, cell);
    return result;
  }
}

/** @internal To write, for a thread that has the upgradable hold. */
export class UpgradeProtocol extends OwnProtocol {
  constructor() {
    super(DRAINING);
  }

  override attempt({ segment, slot, hold }: Site): number {
    return hold.guards > 0 ? raw.HELD_SHARED : raw.attemptUpgrade(segment, slot);
  }

  override acquireQueued({ segment, slot, self }: Site, _: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    return raw.upgradeQueued(segment, slot, self, sinceMs, deadline, interrupt);
  }
}
