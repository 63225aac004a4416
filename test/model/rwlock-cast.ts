/**
 * Scenarios of one read-write lock: threads that read, write, upgrade, downgrade, or only try, and event loops that do. The bodies do
 * what src/locks does with the functions of src/raw; those come as a parameter, so that mutants can take their place.
 */
import { agent as agentRecord, cell as cellRecord, CLOSED, DIED, DRAINING, EXCLUSIVE, mask, OWNER, primitives, READS, SHARED, slot, UPGRADABLE, WAITERS } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as mutex from '../../src/raw/mutex.js';
import type * as queues from '../../src/raw/queue.js';
import type * as rwlock from '../../src/raw/rwlock.js';
import type * as slots from '../../src/raw/slots.js';
import { agentAt, cellAt, type Segment } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario, ThreadPlan } from '../harness/scenario.js';
import { liveInRwlock } from './rwlock-variables.js';
import { attachAll, firstSlot, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof rwlock;
  readonly codes: typeof mutex;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds; it is content with whatever it is told. */
export interface Plan {
  /** `'either'`: reads in its first round, and then writes. `'read-flow'`, `'write-flow'`: in its event loop. */
  readonly by: 'read' | 'either' | 'try-read' | 'write' | 'try-write' | 'upgradable' | 'upgrade' | 'downgrade' | 'read-flow' | 'write-flow';
  readonly rounds?: number;
  /** The waits have a time-out. */
  readonly limited?: true;
  /** They end when the scenario's canceller says so. */
  readonly cancellable?: true;
  /** Does not take over what a dead writer left. */
  readonly refuses?: true;
  /** Never releases; of an upgrade: if it was refused. */
  readonly holds?: true;
}

export interface RwlockRow extends Row<Plan> {
  readonly others?: readonly ('cancels' | 'closes')[];
  /** Checks that blocked writers, and writers after blocked readers, come in the order of tickets. */
  readonly checks?: 'order';
  /** How many sleeps with a limit may time out; no bound unless told. */
  readonly timeouts?: number;
  /** It begins with WAITERS in the word, though nobody waits: all who did have given up. */
  readonly begins?: 'with WAITERS';
  /** Equal local states are told by the values of variables: fewer states, but loops without an end are not seen. */
  readonly reduction?: 'merged' | undefined;
}

const row = agentRecord.fields;
const HOLD = cellRecord.fields.hold.at;
const INTEREST = cellRecord.fields.interest.at;
const ASLEEP = mask(row.park.bits.asleep);
/** Some time that no clock has come to. */
const LATER = 1e15;

// Ghosts. `readers`: who reads. `writer`: who writes. `writes`: how often somebody has come to write. `untold`: that a writer died and nobody has
// declared the data good. `ever`: that one died at all. `died`: who has died and not come back. `queued`: whose row was published when the
// word was released last, and has been since.

export function rwlockScenario(modules: Modules, rowOf: RwlockRow): Scenario {
  const scenario = { ...scenarioOf(castOf(modules, rowOf), rowOf), ...(rowOf.timeouts !== undefined && { timeouts: rowOf.timeouts }) };
  if (rowOf.reduction === undefined) return scenario;
  const { length } = rowOf.agents;
  const empty = smallSegment({} as never, { agents: length });
  // Not those that wait in an event loop: they remember more than `liveInRwlock` knows of.
  const isFlow = (thread: number): boolean => rowOf.agents[thread]?.by.endsWith('flow') === true;
  const threads = scenario.threads.map((plan, thread) => (isFlow(thread) ? plan : { ...plan, merge: liveInRwlock(empty, thread < length ? thread + 1 : 0, cancelWordOf(empty)) }));
  return { ...scenario, threads };
}

function cancelWordOf(segment: Segment): number {
  return segment.size;
}

function castOf(modules: Modules, rowOf: RwlockRow): Cast<Plan> {
  const { queue, park, slots: recovery } = modules;
  const size = { agents: rowOf.agents.length };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const { hasFlows, isSteady } = usesOf(rowOf);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh', ...(hasFlows ? [] : ['cell.interest' as const]), ...(isSteady ? ['agent.amount' as const] : []));
  const isOwn = isField(addresses, 'agent.ticket', 'agent.wants', 'agent.amount', 'cell.interest', 'cell.hold');
  const cancelWord = cancelWordOf(empty);
  const modeOf = ({ by }: Plan): number => (by.includes('read') ? SHARED : EXCLUSIVE);

  const others: Record<'cancels' | 'closes', ThreadPlan> = {
    cancels: {
      name: 'C',
      body({ words }) {
        const segment = smallSegment(words, size);
        words.store(cancelWord, 1);
        for (let id = 1; id <= size.agents; id++) if (queue.isBlocked(segment, id)) park.unpark(segment, id);
      },
    },
    closes: {
      name: 'X',
      body(context) {
        const segment = smallSegment(audited(context, rowOf), size);
        recovery.closeSlot(segment, firstSlot(segment));
      },
    },
  };

  return {
    setup(words) {
      const segment = attachAll(words, size);
      words.store(firstSlot(segment) + KIND_AT, primitives.rwlock);
      if (rowOf.begins === 'with WAITERS') words.store(firstSlot(segment), WAITERS);
      for (const [thread, plan] of rowOf.agents.entries()) words.store(agentAt(segment, thread + 1) + row.amount.at, modeOf(plan));
    },
    nameOf: (at) => addresses.get(at)?.name ?? (at === cancelWord ? 'cancelled' : undefined),
    describe: (at, value) => describeValue(addresses.get(at), value),
    opaque: isField(addresses, 'slot.token', 'slot.contended', 'slot.readWraps', 'slot.ownerDeaths', 'slot.deathThread', 'slot.deathAt', 'agent.claim', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body(context, round) {
        const words = audited(context, rowOf);
        const segment = smallSegment(words, size);
        if (context.life > 0 && round === 0) {
          context.ghost.set('died', context.ghost.get('died') & ~(1 << thread));
          park.resetSleep(segment, thread + 1);
        }
        new Caller(modules, plan, context, segment, { requested: () => words.load(cancelWord) !== 0 }, round).run();
      },
    }),
    others: (rowOf.others ?? []).map((other) => others[other]),
    recover(context, exit) {
      recoverAfter(modules, context, smallSegment(audited(context, rowOf), size), exit);
    },
    onDeath(ghost, thread) {
      const bit = 1 << thread;
      ghost.set('died', ghost.get('died') | bit);
      ghost.set('readers', ghost.get('readers') & ~bit);
      if (!(ghost.get('writer') & bit)) return;
      ghost.set('writer', 0);
      ghost.set('untold', 1);
      ghost.set('ever', 1);
    },
    final: (words, ghost) => whatIsLeft(smallSegment(words, size), rowOf, ghost),
  };
}

/** As in src/raw/agents.ts, for one slot. */
function recoverAfter({ queue, park, slots: recovery }: Modules, context: Context, segment: Segment, { thread }: Exit): void {
  if (thread >= segment.agentLimit) return;
  const at = firstSlot(segment);
  const dead = thread + 1;
  queue.clearRow(segment, dead);
  if (recovery.recoverSlot(segment, at, dead, 0)) context.assert(context.ghost.get('untold') === 1, 'told of a death of no writer');
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (id === dead) continue;
    park.unpark(segment, id);
    park.ring(segment, id);
  }
}

/** What an agent does in one round. */
class Caller {
  readonly #raw: typeof rwlock;
  readonly #codes: typeof mutex;
  readonly #modules: Modules;
  readonly #plan: Plan;
  readonly #context: Context;
  readonly #segment: Segment;
  readonly #interrupt: mutex.Interrupt | undefined;
  readonly #at: number;
  readonly #self: number;
  readonly #cell: number;
  readonly #inconsistent: number;
  readonly #deadline: number;
  readonly #round: number;
  #rung: Promise<unknown> | undefined;
  #drains = false;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment, interrupt: mutex.Interrupt, round: number) {
    this.#modules = modules;
    this.#raw = modules.raw;
    this.#codes = modules.codes;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#interrupt = plan.cancellable && interrupt;
    this.#at = firstSlot(segment);
    this.#self = context.thread + 1;
    this.#cell = cellAt(segment, this.#self, 0);
    this.#inconsistent = plan.refuses ? modules.codes.REFUSE_INCONSISTENT : modules.codes.TAKE_INCONSISTENT;
    this.#deadline = plan.limited ? LATER : Infinity;
    this.#round = round;
  }

  run(): void {
    const bodies: Record<Plan['by'], () => void> = {
      read: () => this.#useRead(this.#read('queues')),
      either: () => (this.#round === 0 ? this.#useRead(this.#read('queues')) : this.#useWrite(this.#write('queues'))),
      'try-read': () => this.#useRead(this.#read('tries')),
      write: () => this.#useWrite(this.#write('queues')),
      'try-write': () => this.#useWrite(this.#write('tries')),
      upgradable: () => this.#useUpgradable('releases'),
      upgrade: () => this.#useUpgradable('upgrades'),
      downgrade: () => this.#useDowngrade(),
      'read-flow': () => this.#useRead(this.#flow()),
      'write-flow': () => this.#useWrite(this.#flow()),
    };
    bodies[this.#plan.by]();
  }

  #read(how: 'queues' | 'tries'): number {
    if (this.#raw.tryRead(this.#segment, this.#at, this.#cell)) return this.#raw.TAKEN;
    const result = this.#raw.attemptRead(this.#segment, this.#at, this.#cell, this.#self, this.#inconsistent);
    if (result !== this.#codes.BUSY || how === 'tries') return result;
    return this.#raw.acquireReadQueued(this.#segment, this.#at, this.#cell, this.#self, this.#inconsistent, 0, this.#deadline, this.#interrupt);
  }

  #useRead(result: number): void {
    if (result <= 0) return this.#checkRefusal(result);
    this.#enter();
    if (this.#plan.holds) this.#context.stuck();
    this.#raw.releaseRead(this.#segment, this.#at, this.#cell);
  }

  #enter(): void {
    const { ghost, thread } = this.#context;
    this.#context.assert(ghost.get('writer') === 0, 'exclusion violated: reads beside a writer');
    this.#context.assert(!this.#plan.refuses || ghost.get('untold') === 0, 'reads what it refuses');
    ghost.set('readers', ghost.get('readers') | (1 << thread));
  }

  #leave(): void {
    const { ghost, thread } = this.#context;
    ghost.set('readers', ghost.get('readers') & ~(1 << thread));
  }

  #write(how: 'queues' | 'tries'): number {
    const result = this.#raw.attemptWrite(this.#segment, this.#at, this.#self, this.#inconsistent);
    return result !== this.#codes.BUSY || how === 'tries' ? result : this.#own(DRAINING);
  }

  #own(purpose: number): number {
    return this.#raw.acquireExclusiveQueued(this.#segment, this.#at, this.#self, purpose, this.#inconsistent, 0, this.#deadline, this.#interrupt);
  }

  /** Whether it writes; told good if it must be. */
  #writes(result: number): boolean {
    const { ghost, thread } = this.#context;
    const writes = (ghost.get('writer') & (1 << thread)) !== 0;
    this.#context.assert(writes === result > 0, `told ${result}, and ${writes ? 'writes' : 'does not write'}`);
    if (!writes) return false;
    if (this.#plan.holds && this.#plan.by === 'write') this.#context.stuck();
    if (ghost.get('untold') === 1) this.#context.assert(this.#codes.declareConsistent(this.#segment.words, this.#at, this.#self), 'nothing to declare');
    return true;
  }

  #useWrite(result: number): void {
    if (!this.#writes(result)) return this.#checkRefusal(result);
    this.#release();
  }

  #release(): void {
    noteQueue(this.#context);
    this.#context.assert(this.#raw.release(this.#segment, this.#at, this.#self), 'the owner can not release');
  }

  #useDowngrade(): void {
    const result = this.#write('queues');
    if (!this.#writes(result)) return this.#checkRefusal(result);
    const { ghost } = this.#context;
    const before = ghost.get('writes');
    this.#raw.downgrade(this.#segment, this.#at, this.#cell, this.#self);
    this.#enter();
    this.#context.assert(ghost.get('writes') === before, 'somebody wrote during a downgrade');
    this.#raw.releaseRead(this.#segment, this.#at, this.#cell);
  }

  #useUpgradable(then: 'releases' | 'upgrades'): void {
    const claimed = this.#raw.claim(this.#segment, this.#at, this.#self, UPGRADABLE, this.#inconsistent, this.#modules.queue.NEWCOMER, 0);
    const result = claimed === this.#codes.BUSY ? this.#own(UPGRADABLE) : claimed;
    if (result <= 0) return this.#checkRefusal(result);
    const { ghost } = this.#context;
    const before = ghost.get('writes');
    this.#enter();
    this.#context.pause();
    this.#leave();
    if (then === 'upgrades') {
      const once = this.#raw.attemptUpgrade(this.#segment, this.#at);
      const upgraded = once === this.#codes.BUSY ? this.#raw.upgradeQueued(this.#segment, this.#at, this.#self, 0, this.#deadline, this.#interrupt) : once;
      if (this.#writes(upgraded)) this.#context.assert(ghost.get('writes') === before + 1, 'somebody wrote before an upgrade');
      else {
        this.#checkRefusal(upgraded);
        this.#context.assert((this.#segment.words.load(this.#at) & (UPGRADABLE | CLOSED)) !== 0, 'after an upgrade that was refused nothing is held');
        if (this.#plan.holds) this.#context.stuck();
      }
    }
    this.#release();
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const { queue } = this.#modules;
    const isRead = this.#plan.by === 'read-flow';
    const result = isRead ? this.#read('tries') : this.#write('tries');
    if (result !== this.#codes.BUSY) return result;
    queue.publishCell(this.#segment, this.#at, this.#self, queue.takeTicket(this.#segment, this.#at));
    const looked = this.#look();
    const began = looked === this.#codes.BUSY ? this.#arm() : looked;
    return began === this.#codes.BUSY ? this.#await() : began;
  }

  #look(): number {
    const result = this.#plan.by === 'read-flow' ? this.#raw.attemptReadForFlow(this.#segment, this.#at, this.#cell, this.#self, this.#inconsistent) : this.#lookToWrite();
    if (result > 0) this.#modules.queue.clearCell(this.#segment, this.#at, this.#self);
    return result > 0 || result === this.#codes.BUSY ? result : this.#giveUp(result);
  }

  #lookToWrite(): number {
    if (!this.#drains) {
      const ticket = this.#segment.words.load(this.#cell + INTEREST);
      const claimed = this.#raw.claimForFlow(this.#segment, this.#at, this.#self, DRAINING, this.#inconsistent, ticket);
      if (claimed !== this.#raw.TAKEN) return claimed;
      this.#drains = true;
    }
    const result = this.#raw.drain(this.#segment, this.#at);
    if (result > 0) this.#drains = false;
    return result;
  }

  #arm(): number {
    const { park } = this.#modules;
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const looked = this.#look();
      if (looked !== this.#codes.BUSY) return looked;
      this.#rung = park.arm(this.#segment, this.#self, seen);
      if (this.#rung !== undefined) return looked;
    }
  }

  #await(): number {
    for (;;) {
      if (this.#context.settled(this.#rung!, this.#deadline) === 'timed-out') return this.#giveUp(this.#codes.TIMED_OUT);
      this.#modules.park.disarm(this.#segment, this.#self);
      const looked = this.#arm();
      if (looked !== this.#codes.BUSY) return looked;
    }
  }

  #giveUp(result: number): number {
    if (this.#drains) this.#raw.release(this.#segment, this.#at, this.#self);
    this.#drains = false;
    this.#raw.withdrawFlows(this.#segment, this.#at, this.#self);
    return result;
  }

  #checkRefusal(result: number): void {
    const { BUSY, INCONSISTENT, INTERRUPTED, SHUT, TIMED_OUT } = this.#codes;
    const { limited, cancellable, refuses, by } = this.#plan;
    const { ghost } = this.#context;
    const isExpected =
      (result === TIMED_OUT && limited) ||
      (result === INTERRUPTED && cancellable) ||
      (result === INCONSISTENT && refuses && ghost.get('ever') === 1) ||
      (result === SHUT && ghost.get('closed') === 1) ||
      (result === BUSY && by.startsWith('try'));
    this.#context.assert(isExpected === true, `told ${result}`);
  }
}

/** Whether event loops wait, and whether each agent always wants the same mode. */
function usesOf({ agents }: RwlockRow): { readonly hasFlows: boolean; readonly isSteady: boolean } {
  return { hasFlows: agents.some(({ by }) => by.endsWith('flow')), isSteady: agents.every(({ by }) => by !== 'either') };
}

/** The words, with an eye on who writes by what each thread puts into the lock word. */
function audited(context: Context, rowOf: RwlockRow): ModelWords {
  const { words } = context;
  const empty = smallSegment(words, { agents: rowOf.agents.length });
  const lock = firstSlot(empty);
  const { hasFlows, isSteady } = usesOf(rowOf);
  // Where no event loop waits nothing depends on mailboxes, and the mode of an agent that never changes it is written once.
  const idle = new Set<number>();
  for (let id = 1; id <= empty.agentLimit; id++) {
    if (!hasFlows) idle.add(agentAt(empty, id) + row.mailbox.at);
    if (isSteady) idle.add(agentAt(empty, id) + row.amount.at);
  }
  const { ghost } = context;
  const wrote = (at: number, value: number): void => {
    for (let id = 1; id <= empty.agentLimit; id++) {
      if (at === cellAt(empty, id, 0) + HOLD && !(value & READS)) ghost.set('readers', ghost.get('readers') & ~(1 << (id - 1)));
    }
    if (at === lock) noteWord(context, rowOf, empty, value);
    else if (rowOf.checks === 'order') noteRow(context, empty, at, value);
  };
  return {
    ...words,
    load(at) {
      const value = words.load(at);
      if (rowOf.checks === 'order') noteLook(context, empty, at, value);
      return value;
    },
    add(at, value) {
      if (idle.has(at)) return 0;
      const before = words.add(at, value);
      wrote(at, (before + value) | 0);
      return before;
    },
    store(at, value) {
      if (idle.has(at)) return;
      words.store(at, value);
      wrote(at, value);
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before === expected) {
        // Those who were seen: their rows were there when the release began, and the word said so.
        if (rowOf.checks === 'order' && at === lock && (next & OWNER) === 0) ghost.set('queued', expected & WAITERS ? ghost.get('awaiting') : 0);
        wrote(at, next);
      }
      return before;
    },
    claim(at, expected, next) {
      const token = words.claim(at, expected, next);
      if (token !== 0) wrote(at, next);
      return token;
    },
  };
}

function noteWord(context: Context, rowOf: RwlockRow, segment: Segment, word: number): void {
  const { ghost, thread } = context;
  context.assert(isLegal(word), `the lock word is in no legal state: ${describeWord(word)}`);
  context.assert(ghost.get('closed') === 0 || (word & CLOSED) !== 0, 'a closed lock is opened again');
  if (word & CLOSED) ghost.set('closed', 1);
  const bit = 1 << thread;
  const wasWriter = (ghost.get('writer') & bit) !== 0;
  const owns = thread < rowOf.agents.length && (word & OWNER) === thread + 1;
  const writes = owns && !(word & (DRAINING | UPGRADABLE));
  if (rowOf.checks === 'order' && owns && word & DRAINING && word & WAITERS) checkOrder(context, segment, thread + 1);
  if (writes && !wasWriter) {
    context.assert(ghost.get('writer') === 0, 'exclusion violated: two write');
    context.assert(ghost.get('readers') === 0, 'exclusion violated: writes beside readers');
    const isTold = (word & DIED) !== 0;
    context.assert(isTold === (ghost.get('untold') === 1), isTold ? 'told of a death that was told before' : 'a writer died, and the next one was not told');
    context.assert(!isTold || !rowOf.agents[thread]!.refuses, 'took what it refuses');
    ghost.set('writer', bit);
    ghost.add('writes', 1);
  } else if (writes) {
    if (!(word & DIED)) ghost.set('untold', 0);
  } else if (wasWriter) ghost.set('writer', 0);
}

function isLegal(word: number): boolean {
  const flags = word & ~OWNER;
  const always = WAITERS | DIED | CLOSED;
  if ((word & OWNER) === 0) return (flags & ~always) === 0;
  return [0, DRAINING, UPGRADABLE].some((what) => (flags & ~always) === what);
}

function describeWord(word: number): string {
  return describeValue({ name: '', path: '', record: 0, field: slot.fields.word }, word);
}

/** Rows that are published and cleared, for the order. */
function noteRow({ ghost }: Context, segment: Segment, at: number, value: number): void {
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (at === agentAt(segment, id) + row.ticket.at) ghost.set(`ticket ${id}`, value);
    if (at === agentAt(segment, id) + row.wants.at) {
      ghost.set('rows', value === 0 ? ghost.get('rows') & ~(1 << id) : ghost.get('rows') | (1 << id));
      ghost.set('queued', ghost.get('queued') & ~(1 << id));
    }
  }
}

/** An agent that is about to claim looks at the word, and then at the rows: whose was not there yet when it did, it could not let go first. */
function noteLook({ ghost, thread }: Context, segment: Segment, at: number, value: number): void {
  if (at === firstSlot(segment)) ghost.set(`missed ${thread + 1}`, 0);
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (at === agentAt(segment, id) + row.wants.at && value === 0) ghost.set(`missed ${thread + 1}`, ghost.get(`missed ${thread + 1}`) | (1 << id));
  }
}

/** Before a release: those whose rows are there now are before whoever comes later. */
function noteQueue({ ghost }: Context): void {
  ghost.set('awaiting', ghost.get('rows'));
}

/** Agent `id` has claimed the word to write. Whoever was blocked before the last release, and still is, has no older ticket. */
function checkOrder(context: Context, segment: Segment, id: number): void {
  const { ghost } = context;
  const rows = ghost.get('queued') & ghost.get('rows') & ~ghost.get(`missed ${id}`);
  const own = ghost.get('rows') & (1 << id) ? ghost.get(`ticket ${id}`) : Infinity;
  for (let other = 1; other <= segment.agentLimit; other++) {
    if (other === id || !(rows & (1 << other))) continue;
    context.assert(own !== Infinity && ((own - ghost.get(`ticket ${other}`)) | 0) < 0, `${id} writes before ${other}, who was blocked before it`);
  }
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, { agents }: RwlockRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const word = words.load(firstSlot(segment));
  const holders = agents.reduce((bits, { holds }, thread) => bits | (holds ? 1 << thread : 0), 0);
  if ((word & OWNER) !== 0 && !(holders & (1 << ((word & OWNER) - 1)))) return `owned at the end: ${describeWord(word)}`;
  if (((word & DIED) !== 0) !== (ghost.get('untold') === 1)) return 'the death of a writer is forgotten, or made up';
  for (const [thread, { by, limited }] of agents.entries()) {
    const id = thread + 1;
    const record = agentAt(segment, id);
    if (words.load(record + row.wants.at) !== 0) return `agent ${id} leaves its row behind`;
    if (words.load(cellAt(segment, id, 0) + INTEREST) !== 0) return `agent ${id} leaves its interest behind`;
    if (words.load(cellAt(segment, id, 0) + HOLD) & READS && !(ghost.get('readers') & (1 << thread))) return `agent ${id} leaves its hold behind`;
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    if (!isDead && words.load(record + row.park.at) & ASLEEP) return `agent ${id} is marked as asleep`;
    if (!isDead && !(by.endsWith('flow') && limited) && words.load(record + row.mailbox.at) & ASLEEP) return `the event loop of agent ${id} is marked as asleep`;
  }
  return undefined;
}
