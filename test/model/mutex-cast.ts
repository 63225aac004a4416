/**
 * Scenarios of one mutex, for all who acquire it: threads that block, newcomers that only try, event loops. The bodies do what
 * src/locks and src/agent do with the functions of src/raw and src/park; those come as a parameter, so that mutants can take
 * their place.
 */
import { agent as agentRecord, CLOSED, DIED, HANDED, mask, OWNER, slot, STARVED, WAITERS } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as mutex from '../../src/raw/mutex.js';
import type * as queues from '../../src/raw/queue.js';
import type * as slots from '../../src/raw/slots.js';
import { agentAt, cellAt, type Segment } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario } from '../harness/scenario.js';
import { type Bystander, bystanders, cancelWordOf } from './bystanders.js';
import { liveVariables } from './live-variables.js';
import { attachAll, firstSlot, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof mutex;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds: it acquires, releases if it got the lock, and is content with whatever else it is told. */
export interface Plan {
  /**
   * `'spin'`: blocks after looking for a while. `'flow'`: in its event loop. `'both'`: a flow waits while the thread blocks.
   * `'behind'`: a flow waits for what the thread itself holds.
   */
  readonly by?: 'block' | 'spin' | 'try' | 'attempt' | 'flow' | 'both' | 'behind';
  readonly rounds?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
  /** The wait ends when the scenario's canceller says so. */
  readonly cancellable?: true;
  /** Does not take over what a dead owner left. */
  readonly refuses?: true;
  /** Releases what a dead owner left without having declared it good. */
  readonly silent?: true;
  /** Never releases. */
  readonly holds?: true;
  /** Once its flow waits, its event loop never gets to look again. */
  readonly stuck?: true;
}

export interface MutexRow extends Row<Plan> {
  readonly fairness?: 'fifo';
  /** 0, as unless told: a waiter that is woken in vain asks for the hand-over; `Infinity`: it never does. */
  readonly patienceMs?: 0 | typeof Infinity;
  /** So many waits of each round may end with a patrol. Not with a reduction. */
  readonly patrols?: number;
  readonly others?: readonly Bystander[];
  /** An owner has died before the beginning. */
  readonly begins?: 'inconsistent';
  /** Checks that a lock is handed over in the order of tickets. */
  readonly checks?: 'order';
  /** The first ticket is that one more. */
  readonly ticketsFrom?: number;
  /** Equal local states are told by the values of variables: fewer states, but loops without an end are not seen. */
  readonly reduction?: 'merged' | undefined;
}

const WANTS = agentRecord.fields.wants.at;
const TICKET = agentRecord.fields.ticket.at;
const PARK = agentRecord.fields.park.at;
const MAILBOX = agentRecord.fields.mailbox.at;
const TICKETS = slot.fields.tickets.at;
const FIFO = mask(slot.fields.kind.bits.fifo);
const ASLEEP = mask(agentRecord.fields.park.bits.asleep);
/** Some time that no clock has come to. */
const LATER = 1e15;

// Ghosts. `inside`: who owns. `turned`: whether the data is good is not as it was at the beginning. `died`: who has died and not come back.
// `ever`: that an owner died at all. `waiters`: whose row or cell is published.
// `queued`: whose was when the last release began, and has been since.

export function mutexScenario(modules: Modules, row: MutexRow): Scenario {
  const scenario = scenarioOf(castOf(modules, row), row);
  if (row.reduction === undefined) return scenario;
  const { agents } = row;
  const empty = smallSegment({} as never, { agents: agents.length });
  const threads = scenario.threads.map((plan, thread) => ({ ...plan, merge: liveVariables(empty, thread < agents.length ? thread + 1 : 0) }));
  return { ...scenario, threads };
}

function castOf(modules: Modules, row: MutexRow): Cast<Plan> {
  const { park } = modules;
  const size = { agents: row.agents.length, patienceMs: row.patienceMs ?? 0 };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh');
  const isOwn = isField(addresses, 'agent.ticket', 'agent.wants', 'cell.interest');
  const cancelWord = cancelWordOf(empty);

  return {
    setup(words) {
      const segment = attachAll(words, size);
      if (row.fairness === 'fifo') words.store(firstSlot(segment) + KIND_AT, FIFO);
      if (row.begins === 'inconsistent') words.store(firstSlot(segment), DIED);
      if (row.ticketsFrom !== undefined) words.store(firstSlot(segment) + TICKETS, row.ticketsFrom | 0);
    },
    nameOf: (at) => addresses.get(at)?.name ?? (at === cancelWord ? 'cancelled' : undefined),
    describe: (at, value) => describeValue(addresses.get(at), value),
    // Nothing here decides by them.
    opaque: isField(addresses, 'slot.token', 'slot.contended', 'slot.ownerDeaths', 'slot.deathThread', 'slot.deathAt', 'agent.claim', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body(context, round) {
        const words = audited(context, row);
        const segment = patrolling(smallSegment(words, size), row.patrols ?? 0);
        if (context.life > 0 && round === 0) {
          context.ghost.set('died', context.ghost.get('died') & ~(1 << thread));
          park.resetSleep(segment, thread + 1);
        }
        new Caller(modules, plan, context, segment, { requested: () => words.load(cancelWord) !== 0 }, row).run();
      },
    }),
    others: bystanders(modules, row.others, (context) => smallSegment(audited(context, row), size)),
    recover(context, exit) {
      recoverAfter(modules, context, row, smallSegment(audited(context, row), size), exit);
    },
    onDeath(ghost, thread) {
      if (thread >= size.agents) return;
      ghost.set('died', ghost.get('died') | (1 << thread));
      const inside = ghost.get('inside');
      if (!(inside & (1 << thread))) return;
      ghost.set('inside', inside & ~(1 << thread));
      setUntold(ghost, row, 1);
      ghost.set('ever', 1);
    },
    final: (words, ghost) => whatIsLeft(smallSegment(words, size), row, ghost),
  };
}

/** Whether an owner died and nobody has declared the data good. */
function isUntold(ghost: Ghosts, row: MutexRow): boolean {
  return (ghost.get('turned') === 1) !== (row.begins === 'inconsistent');
}

function setUntold(ghost: Ghosts, row: MutexRow, untold: 0 | 1): void {
  ghost.set('turned', row.begins === 'inconsistent' ? 1 - untold : untold);
}

/** Where a wait may end by itself, it may do so again and again, without an end; so that is limited. */
function patrolling(segment: Segment, patrols: number): Segment {
  let left = patrols;
  return Object.defineProperty({ ...segment }, 'patrolMs', { get: () => (left-- > 0 ? 1 : Infinity) });
}

/** As in src/raw/agents.ts, for one slot. */
function recoverAfter({ slots, queue, park }: Modules, context: Context, row: MutexRow, segment: Segment, { thread }: Exit): void {
  // The end of the other recoverer leaves nothing to repair.
  if (thread >= segment.agentLimit) return;
  const at = firstSlot(segment);
  const dead = thread + 1;
  queue.clearRow(segment, dead);
  if (slots.recoverSlot(segment, at, dead, 0)) context.assert(isUntold(context.ghost, row), 'told of a death of no owner');
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (id === dead) continue;
    park.unpark(segment, id);
    park.ring(segment, id);
  }
}

/** What an agent does in one round. */
class Caller {
  readonly #modules: Modules;
  readonly #plan: Plan;
  readonly #context: Context;
  readonly #segment: Segment;
  readonly #interrupt: mutex.Interrupt;
  readonly #row: MutexRow;
  readonly #at: number;
  readonly #self: number;
  readonly #inconsistent: number;
  /** The registration of the event loop, while one is pending. */
  #rung: Promise<unknown> | undefined;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment, interrupt: mutex.Interrupt, row: MutexRow) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#interrupt = interrupt;
    this.#row = row;
    this.#at = firstSlot(segment);
    this.#self = context.thread + 1;
    this.#inconsistent = plan.refuses ? modules.raw.REFUSE_INCONSISTENT : modules.raw.TAKE_INCONSISTENT;
  }

  run(): void {
    const { raw } = this.#modules;
    const { by = 'block' } = this.#plan;
    const { words } = this.#segment;
    if (by === 'try') return this.#use(raw.tryAcquire(words, this.#at, this.#self));
    if (by === 'attempt') return this.#use(raw.attempt(words, this.#at, this.#self, this.#inconsistent, 0));
    if (by === 'flow') return this.#use(this.#flow());
    if (by === 'both') return this.#useBoth();
    if (by === 'behind') return this.#useBehind();
    this.#use(this.#block(by));
  }

  #use(result: number): void {
    const { raw } = this.#modules;
    const { thread, ghost } = this.#context;
    const owns = (ghost.get('inside') & (1 << thread)) !== 0;
    this.#context.assert(owns === result > 0, `told ${result}, and ${owns ? 'owns' : 'does not own'}`);
    if (result <= 0) return this.#checkRefusal(result);
    if (this.#plan.holds) this.#context.stuck();
    if (isUntold(ghost, this.#row) && !this.#plan.silent) {
      this.#context.assert(raw.declareConsistent(this.#segment.words, this.#at, this.#self), 'nothing to declare');
    }
    if (raw.tryRelease(this.#segment.words, this.#at, this.#self)) return;
    if (this.#row.checks === 'order') ghost.set('queued', ghost.get('waiters'));
    this.#context.assert(raw.release(this.#segment, this.#at, this.#self), 'the owner can not release');
  }

  #checkRefusal(result: number): void {
    const { raw } = this.#modules;
    const { limited, cancellable, refuses, by } = this.#plan;
    const isExpected =
      (result === raw.TIMED_OUT && limited) ||
      (result === raw.INTERRUPTED && cancellable) ||
      (result === raw.INCONSISTENT && refuses && (this.#context.ghost.get('ever') === 1 || this.#row.begins === 'inconsistent')) ||
      (result === raw.SHUT && this.#context.ghost.get('closed') === 1) ||
      (result === raw.BUSY && (by === 'try' || by === 'attempt'));
    this.#context.assert(isExpected === true, `told ${result}`);
  }

  /** As `Mutex.lock` and `acquireContended` of src/locks. */
  #block(by: 'block' | 'spin'): number {
    const { raw } = this.#modules;
    const { words } = this.#segment;
    const token = raw.tryAcquire(words, this.#at, this.#self) || (by === 'spin' ? raw.trySpinning(words, this.#at, this.#self) : 0);
    if (token !== 0) return token;
    if (by === 'spin') {
      const spun = raw.attemptSpinning(this.#segment, this.#at, this.#self, this.#inconsistent, 0);
      if (spun !== raw.BUSY) return spun;
    }
    const { limited, cancellable } = this.#plan;
    return raw.acquireQueued(this.#segment, this.#at, this.#self, this.#inconsistent, 0, limited ? LATER : Infinity, cancellable && this.#interrupt);
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const result = this.#beginFlow();
    return result === this.#modules.raw.BUSY ? this.#endFlow() : result;
  }

  /** BUSY: the flow waits. */
  #beginFlow(): number {
    const { raw, queue } = this.#modules;
    const result = raw.attempt(this.#segment.words, this.#at, this.#self, this.#inconsistent, 0);
    if (result !== raw.BUSY && result !== raw.HELD_BY_SELF) return result;
    queue.publishCell(this.#segment, this.#at, this.#self, queue.takeTicket(this.#segment, this.#at));
    const looked = this.#look();
    return looked === raw.BUSY ? this.#arm() : looked;
  }

  #look(): number {
    const { raw, queue } = this.#modules;
    const result = raw.attemptForFlow(this.#segment, this.#at, this.#self, this.#inconsistent);
    if (result > 0) queue.clearCell(this.#segment, this.#at, this.#self);
    return result > 0 || result === raw.BUSY ? result : this.#giveUp(result);
  }

  #arm(): number {
    const { raw, park } = this.#modules;
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const looked = this.#look();
      if (looked !== raw.BUSY) return looked;
      this.#rung = park.arm(this.#segment, this.#self, seen);
      if (this.#rung !== undefined) return raw.BUSY;
    }
  }

  #endFlow(): number {
    const { raw, park } = this.#modules;
    if (this.#plan.stuck) this.#context.stuck();
    for (;;) {
      if (this.#context.settled(this.#rung!, this.#plan.limited ? LATER : Infinity) === 'timed-out') return this.#giveUp(raw.TIMED_OUT);
      park.disarm(this.#segment, this.#self);
      const looked = this.#arm();
      if (looked !== raw.BUSY) return looked;
    }
  }

  #giveUp(result: number): number {
    const { raw } = this.#modules;
    if (raw.withdrawFlows(this.#segment, this.#at, this.#self) > 0) raw.release(this.#segment, this.#at, this.#self);
    return result;
  }

  #useBoth(): void {
    const { raw } = this.#modules;
    const began = this.#beginFlow();
    if (began !== raw.BUSY) return this.#use(began);
    this.#use(this.#block('block'));
    this.#useFlowSoon();
  }

  #useBehind(): void {
    const { raw } = this.#modules;
    const token = this.#block('block');
    if (token <= 0) return this.#use(token);
    const began = this.#beginFlow();
    this.#use(token);
    if (began === raw.BUSY) this.#useFlowSoon();
    else this.#use(began);
  }

  /** After a release of its own the thread looks for its flows. */
  #useFlowSoon(): void {
    const looked = this.#look();
    this.#use(looked === this.#modules.raw.BUSY ? this.#endFlow() : looked);
  }
}

/** The words, with an eye on who owns by what each thread writes into the lock word. */
function audited(context: Context, row: MutexRow): ModelWords {
  const { words } = context;
  const empty = smallSegment(words, { agents: row.agents.length });
  const lock = firstSlot(empty);
  const wrote = (at: number, value: number): void => {
    if (at === lock) noteWord(context, row, value);
    else if (row.checks === 'order') noteWaiter(context, empty, at, value);
  };
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      wrote(at, value);
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before === expected) wrote(at, next);
      return before;
    },
    claim(at, expected, next) {
      const token = words.claim(at, expected, next);
      if (token !== 0) wrote(at, next);
      return token;
    },
  };
}

function noteWord(context: Context, row: MutexRow, word: number): void {
  const { ghost, thread } = context;
  context.assert(isLegal(word), `the lock word is in no legal state: ${describeWord(word)}`);
  context.assert(ghost.get('closed') === 0 || (word & CLOSED) !== 0, 'a closed lock is opened again');
  if (word & CLOSED) ghost.set('closed', 1);
  const bit = 1 << thread;
  const inside = ghost.get('inside');
  const owns = thread < row.agents.length && (word & OWNER) === thread + 1 && !(word & HANDED);
  if (owns && !(inside & bit)) {
    context.assert(inside === 0, 'exclusion violated');
    context.assert(!(word & CLOSED), 'acquires what is closed');
    const isTold = (word & DIED) !== 0;
    context.assert(isTold === isUntold(ghost, row), isTold ? 'told of a death that was told before' : 'an owner died, and the next one was not told');
    context.assert(!isTold || !row.agents[thread]!.refuses, 'took what it refuses');
    ghost.set('inside', bit);
  } else if (owns) {
    if (!(word & DIED)) setUntold(ghost, row, 0);
  } else if (inside & bit) {
    ghost.set('inside', inside & ~bit);
    if (row.checks === 'order' && word & HANDED) checkOrder(context, row.agents.length, word & OWNER);
  }
}

const states: readonly { readonly all: number; readonly some?: number; readonly owned: boolean }[] = [
  { all: 0, owned: false },
  { all: 0, some: WAITERS, owned: true },
  { all: WAITERS, some: STARVED, owned: true },
  { all: HANDED | WAITERS, some: STARVED, owned: true },
  { all: DIED, owned: false },
  { all: DIED, some: WAITERS | STARVED, owned: true },
  { all: CLOSED, some: DIED, owned: false },
  { all: CLOSED, some: DIED | WAITERS | STARVED, owned: true },
];

/** Whether the word is in one of the states of native-layout. */
function isLegal(word: number): boolean {
  const flags = word & ~OWNER;
  return states.some(({ all, some = 0, owned }) => ((word & OWNER) !== 0) === owned && (flags & all) === all && (flags & ~(all | some)) === 0);
}

function describeWord(word: number): string {
  return describeValue({ name: '', path: '', record: 0, field: slot.fields.word }, word);
}

function ticketGhost(waiter: number): string {
  return `ticket of waiter ${waiter}`;
}

/** Waiters: the rows of agents 1 … n, then their cells. */
function noteWaiter({ ghost }: Context, segment: Segment, at: number, value: number): void {
  const publish = (waiter: number): void => {
    ghost.set('queued', ghost.get('queued') & ~(1 << waiter));
    ghost.set('waiters', value === 0 ? ghost.get('waiters') & ~(1 << waiter) : ghost.get('waiters') | (1 << waiter));
  };
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (at === agentAt(segment, id) + TICKET) ghost.set(ticketGhost(id), value);
    if (at === agentAt(segment, id) + WANTS) publish(id);
    if (at !== cellAt(segment, id, 0)) continue;
    const waiter = id + segment.agentLimit;
    if (value !== 0) ghost.set(ticketGhost(waiter), value);
    publish(waiter);
  }
}

/** The releaser names `heir`. Whoever waited before the release began, and still does, has no older ticket. */
function checkOrder(context: Context, agents: number, heir: number): void {
  const { ghost } = context;
  const ticket = ghost.get(ticketGhost(heir));
  context.assert(ticket !== 0, 'handed over to one without a ticket');
  for (let waiter = 1; waiter <= 2 * agents; waiter++) {
    if (waiter === heir || !(ghost.get('queued') & (1 << waiter))) continue;
    context.assert(((ticket - ghost.get(ticketGhost(waiter))) | 0) < 0, `handed over past waiter ${waiter}`);
  }
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, row: MutexRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const word = words.load(firstSlot(segment));
  const isHeld = (ghost.get('inside') & row.agents.reduce((bits, { holds }, thread) => bits | (holds ? 1 << thread : 0), 0)) !== 0;
  if ((word & OWNER) !== 0 && !isHeld) return `owned at the end: ${describeWord(word)}`;
  if (((word & DIED) !== 0) !== isUntold(ghost, row)) return 'the death of an owner is forgotten, or made up';
  for (const [thread, { stuck, by, limited }] of row.agents.entries()) {
    const id = thread + 1;
    const record = agentAt(segment, id);
    if (words.load(record + WANTS) !== 0) return `agent ${id} leaves its row behind`;
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    if (!stuck && words.load(cellAt(segment, id, 0)) !== 0) return `agent ${id} leaves its cell behind`;
    if (!isDead && words.load(record + PARK) & ASLEEP) return `agent ${id} is marked as asleep`;
    // A registration that is not used any more stays until the next ring.
    const mayBePending = stuck === true || (by === 'flow' && limited === true) || by === 'both' || by === 'behind';
    if (!isDead && !mayBePending && words.load(record + MAILBOX) & ASLEEP) return `the event loop of agent ${id} is marked as asleep`;
  }
  return undefined;
}
