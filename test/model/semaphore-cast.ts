/**
 * Scenarios of one semaphore, for all who acquire it: threads that block, newcomers that only try, event loops. The bodies do what
 * src/locks and src/agent do with the functions of src/raw and src/park; those come as a parameter, so that mutants can take
 * their place.
 */
import { agent as agentRecord, cell, CLOSED, mask, OWNER, primitives, slot, WAITERS } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as queues from '../../src/raw/queue.js';
import type * as semaphore from '../../src/raw/semaphore.js';
import type * as slots from '../../src/raw/slots.js';
import { amountOf, firstBlocked, flowWaitsBefore, ticketOf } from '../../src/raw/queue.js';
import { freePermits } from '../../src/raw/semaphore.js';
import { agentAt, cellAt, type Segment } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario } from '../harness/scenario.js';
import { type Bystander, bystanders, cancelWordOf } from './bystanders.js';
import { liveInSemaphore, PAUSE_MS } from './semaphore-variables.js';
import { attachAll, firstSlot, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof semaphore;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds: it acquires, releases if it got its permits, and is content with whatever else it is told. */
export interface Plan {
  /** Permits; 1 unless told. */
  readonly amount?: number;
  /** `'flow'`: in its event loop. `'both'`: a flow waits while the thread blocks. */
  readonly by?: 'block' | 'try' | 'attempt' | 'flow' | 'both';
  readonly rounds?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
  /** The wait ends when the scenario's canceller says so. */
  readonly cancellable?: true;
  /** Holds one more for a while, if it is to be had. */
  readonly again?: true;
  /** Never releases. */
  readonly holds?: true;
  /** Once its flow waits, its event loop never gets to look again. */
  readonly stuck?: true;
  /** Its flow has waited for so long that it passes others that are before it. */
  readonly passes?: true;
}

export interface SemaphoreRow extends Row<Plan> {
  readonly permits: number;
  readonly others?: readonly Bystander[];
  /** How many sleeps with a limit may time out; no bound unless told. */
  readonly timeouts?: number;
  /** The first ticket is that one more. */
  readonly ticketsFrom?: number;
  /** Equal local states are told by the values of variables: fewer states, but loops without an end are not seen. */
  readonly reduction?: 'merged' | undefined;
}

const { wants, ticket, park: parkWord, mailbox } = agentRecord.fields;
const HOLD = cell.fields.hold.at;
const { tickets, late, kind } = slot.fields;
const ASLEEP = mask(parkWord.bits.asleep);
/** Some time that no clock has come to. */
const LATER = 1e15;

// Ghosts. `held n`: permits of agent n. `ticket n`: that of row n, 0 = none is published; `flow n`: that of its cell. `looked`: which
// of the cells have been published when their agent entered the section. `late`: as the word of that name. `patient`: whose sleep has
// timed out since its row was published. `pausing`: who sleeps because another is in the section. `died`: who has died and not come back.

export function semaphoreScenario(modules: Modules, row: SemaphoreRow): Scenario {
  const scenario = { ...scenarioOf(castOf(modules, row), row), ...(row.timeouts !== undefined && { timeouts: row.timeouts }) };
  if (row.reduction === undefined) return scenario;
  const { agents } = row;
  const empty = smallSegment({} as never, { agents: agents.length });
  const cancelWord = cancelWordOf(empty);
  const threads = scenario.threads.map((plan, thread) => ({ ...plan, merge: liveInSemaphore(empty, thread < agents.length ? thread + 1 : 0, cancelWord) }));
  return { ...scenario, threads };
}

function castOf(modules: Modules, row: SemaphoreRow): Cast<Plan> {
  const { park } = modules;
  const size = { agents: row.agents.length };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh');
  const isOwn = isField(addresses, 'agent.ticket', 'agent.amount', 'agent.wants', 'cell.interest', 'cell.hold');
  const cancelWord = cancelWordOf(empty);

  return {
    setup(words) {
      const segment = attachAll(words, size);
      words.store(firstSlot(segment) + KIND_AT, primitives.semaphore | (row.permits << kind.bits.parameter.bit));
      if (row.ticketsFrom === undefined) return;
      words.store(firstSlot(segment) + tickets.at, row.ticketsFrom | 0);
      words.store(firstSlot(segment) + late.at, row.ticketsFrom | 0);
    },
    nameOf: (at) => addresses.get(at)?.name ?? (at === cancelWord ? 'cancelled' : undefined),
    describe: (at, value) => describeValue(addresses.get(at), value),
    // Nothing here decides by them.
    opaque: isField(addresses, 'slot.token', 'slot.contended', 'slot.ownerDeaths', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body(context, round) {
        const words = audited(context, row);
        const segment = smallSegment(words, size);
        if (context.life > 0 && round === 0) {
          context.ghost.set('died', context.ghost.get('died') & ~(1 << thread));
          park.resetSleep(segment, thread + 1);
        }
        new Caller(modules, plan, context, segment, { requested: () => words.load(cancelWord) !== 0 }).run();
      },
    }),
    others: bystanders(modules, row.others, (context) => smallSegment(audited(context, row), size)),
    recover(context, exit) {
      recoverAfter(modules, smallSegment(audited(context, row), size), exit);
    },
    onDeath(ghost, thread) {
      ghost.set('died', ghost.get('died') | (1 << thread));
    },
    atRest: (words, ghost) => whoWaitsInVain(smallSegment(words, size), ghost),
    final: (words, ghost) => whatIsLeft(smallSegment(words, size), row, ghost),
  };
}

/** As in src/raw/agents.ts, for one slot. */
function recoverAfter({ queue, park, slots: recovery }: Modules, segment: Segment, { thread }: Exit): void {
  // The end of the other recoverer leaves nothing to repair.
  if (thread >= segment.agentLimit) return;
  const dead = thread + 1;
  queue.clearRow(segment, dead);
  recovery.recoverSlot(segment, firstSlot(segment), dead, 0);
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
  readonly #interrupt: { requested(): boolean };
  readonly #at: number;
  readonly #self: number;
  readonly #amount: number;
  /** The registration of the event loop, while one is pending. */
  #rung: Promise<unknown> | undefined;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment, interrupt: { requested(): boolean }) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#interrupt = interrupt;
    this.#at = firstSlot(segment);
    this.#self = context.thread + 1;
    this.#amount = plan.amount ?? 1;
  }

  run(): void {
    const { raw } = this.#modules;
    const { by = 'block' } = this.#plan;
    if (by === 'try') return this.#use(raw.tryAcquire(this.#segment, this.#at, this.#self, this.#amount));
    if (by === 'attempt') return this.#use(raw.attempt(this.#segment, this.#at, this.#self, this.#amount, raw.AT_ONCE));
    if (by === 'flow') return this.#use(this.#flow());
    if (by === 'both') return this.#useBoth();
    this.#use(this.#block());
  }

  #use(result: number): void {
    const { raw } = this.#modules;
    const { ghost } = this.#context;
    const held = ghost.get(heldGhost(this.#self));
    this.#context.assert(held === (result > 0 ? this.#amount : 0), `told ${result}, and holds ${held}`);
    if (result <= 0) return this.#checkRefusal(result);
    if (this.#plan.holds) this.#context.stuck();
    if (this.#plan.again && raw.tryAcquire(this.#segment, this.#at, this.#self, 1) > 0) {
      this.#context.assert(ghost.get(heldGhost(this.#self)) === this.#amount + 1, 'two holds are not added up');
      raw.release(this.#segment, this.#at, this.#self, 1);
    }
    this.#context.assert(!raw.release(this.#segment, this.#at, this.#self, this.#amount + 1), 'more is released than was taken');
    this.#context.assert(raw.release(this.#segment, this.#at, this.#self, this.#amount), 'the holder can not release');
  }

  #checkRefusal(result: number): void {
    const { limited, cancellable, by } = this.#plan;
    const isExpected =
      (result === TIMED_OUT && limited) ||
      (result === INTERRUPTED && cancellable) ||
      (result === SHUT && this.#context.ghost.get('closed') === 1) ||
      (result === BUSY && (by === 'try' || by === 'attempt'));
    this.#context.assert(isExpected === true, `told ${result}`);
  }

  /** As `Semaphore.acquire` and `acquireContended` of src/locks. */
  #block(): number {
    const { raw } = this.#modules;
    const token = raw.tryAcquire(this.#segment, this.#at, this.#self, this.#amount);
    if (token !== 0) return token;
    const { limited, cancellable } = this.#plan;
    return raw.acquireQueued(this.#segment, this.#at, this.#self, this.#amount, 0, limited ? LATER : Infinity, cancellable && this.#interrupt);
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const result = this.#beginFlow();
    return result === BUSY ? this.#endFlow() : result;
  }

  /** BUSY: the flow waits. */
  #beginFlow(): number {
    const { raw, queue } = this.#modules;
    const result = raw.attempt(this.#segment, this.#at, this.#self, this.#amount, raw.AT_ONCE);
    if (result !== BUSY) return result;
    queue.publishCell(this.#segment, this.#at, this.#self, queue.takeTicket(this.#segment, this.#at));
    const looked = this.#look();
    return looked === BUSY ? this.#arm() : looked;
  }

  #look(): number {
    const { raw, queue } = this.#modules;
    const result = raw.attemptForFlow(this.#segment, this.#at, this.#self, this.#amount, this.#plan.passes ? raw.PAST_FLOWS : raw.IN_TURN);
    if (result > 0) {
      queue.clearCell(this.#segment, this.#at, this.#self);
      raw.passOn(this.#segment, this.#at);
      return result;
    }
    return result === BUSY || raw.isHeldBack(result) ? BUSY : this.#giveUp(result);
  }

  #arm(): number {
    const { park } = this.#modules;
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const looked = this.#look();
      if (looked !== BUSY) return looked;
      this.#rung = park.arm(this.#segment, this.#self, seen);
      if (this.#rung !== undefined) return BUSY;
    }
  }

  #endFlow(): number {
    const { park } = this.#modules;
    if (this.#plan.stuck) this.#context.stuck();
    for (;;) {
      if (this.#context.settled(this.#rung!, this.#plan.limited ? LATER : Infinity) === 'timed-out') return this.#giveUp(TIMED_OUT);
      park.disarm(this.#segment, this.#self);
      const looked = this.#arm();
      if (looked !== BUSY) return looked;
    }
  }

  #giveUp(result: number): number {
    this.#modules.raw.withdrawFlows(this.#segment, this.#at, this.#self);
    return result;
  }

  #useBoth(): void {
    const began = this.#beginFlow();
    if (began !== BUSY) return this.#use(began);
    this.#use(this.#block());
    // After a release of its own the thread looks for its flows.
    const looked = this.#look();
    this.#use(looked === BUSY ? this.#endFlow() : looked);
  }
}

// Of src/raw/mutex.ts.
const BUSY = 0;
const TIMED_OUT = -1;
const INTERRUPTED = -2;
const SHUT = -5;

function heldGhost(id: number): string {
  return `held ${id}`;
}

function ticketGhost(id: number): string {
  return `ticket ${id}`;
}

function flowGhost(id: number): string {
  return `flow ${id}`;
}

/** The words, with an eye on holds and tickets. */
function audited(context: Context, row: SemaphoreRow): ModelWords {
  const { words } = context;
  const empty = smallSegment(words, { agents: row.agents.length });
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      if (at === firstSlot(empty)) noteWord(context, value);
      else noteStore(context, row, empty, at, value);
    },
    wait(at, expected, timeoutMs) {
      const { ghost } = context;
      const bit = 1 << (context.thread + 1);
      if (timeoutMs === PAUSE_MS) ghost.set('pausing', ghost.get('pausing') | bit);
      const result = words.wait(at, expected, timeoutMs);
      ghost.set('pausing', ghost.get('pausing') & ~bit);
      if (result === 'timed-out' && timeoutMs !== PAUSE_MS) ghost.set('patient', ghost.get('patient') | bit);
      return result;
    },
    add(at, value) {
      const before = words.add(at, value);
      if (at === firstSlot(empty)) noteWord(context, (before + value) | 0);
      return before;
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before === expected && at === firstSlot(empty)) noteWord(context, next);
      return before;
    },
  };
}

function noteWord(context: Context, word: number): void {
  const { ghost, thread } = context;
  context.assert((word & ~(OWNER | WAITERS | CLOSED)) === 0, `the word is in no legal state: ${word}`);
  context.assert(ghost.get('closed') === 0 || (word & CLOSED) !== 0, 'a closed semaphore is opened again');
  if (word & CLOSED) ghost.set('closed', 1);
  const id = thread + 1;
  if ((word & OWNER) === id && ghost.get(flowGhost(id)) !== 0) ghost.set('looked', ghost.get('looked') | (1 << id));
}

function noteStore(context: Context, row: SemaphoreRow, segment: Segment, at: number, value: number): void {
  const { ghost } = context;
  if (at === firstSlot(segment) + late.at) {
    const isPatient = (ghost.get('patient') & (1 << (context.thread + 1))) !== 0 || row.agents[context.thread]!.passes === true;
    context.assert(isPatient, `agent ${context.thread + 1} does not wait for the turn of flows`);
    ghost.set('late', value);
  }
  for (let id = 1; id <= segment.agentLimit; id++) {
    const record = agentAt(segment, id);
    if (at === record + ticket.at) ghost.set(`next ${id}`, value);
    if (at === record + wants.at) {
      ghost.set(ticketGhost(id), value === 0 ? 0 : ghost.get(`next ${id}`));
      ghost.set('patient', ghost.get('patient') & ~(1 << id));
    }
    if (at === cellAt(segment, id, 0)) {
      ghost.set(flowGhost(id), value);
      if (value === 0) ghost.set('looked', ghost.get('looked') & ~(1 << id));
    }
    if (at === cellAt(segment, id, 0) + HOLD) noteHold(context, row, id, value);
  }
}

function noteHold(context: Context, row: SemaphoreRow, id: number, held: number): void {
  const { ghost } = context;
  const grows = held > ghost.get(heldGhost(id));
  context.assert(held >= 0, 'fewer than no permits are held');
  ghost.set(heldGhost(id), held);
  if (!grows) return;
  let sum = 0;
  for (let other = 1; other <= row.agents.length; other++) sum += ghost.get(heldGhost(other));
  context.assert(sum <= row.permits, `${sum} of ${row.permits} permits are held`);
  checkTurn(context, row, id);
}

/** Whoever takes has no ticket, or one; all published older ones of threads come first, and all of flows that have looked and are not late. */
function checkTurn(context: Context, row: SemaphoreRow, id: number): void {
  const { ghost } = context;
  // A thread that is blocked takes for itself, and else for its flow.
  const own = ghost.get(ticketGhost(id)) || ghost.get(flowGhost(id));
  const isBefore = (other: number): boolean => other !== 0 && (own === 0 || ((other - own) | 0) < 0);
  for (let other = 1; other <= row.agents.length; other++) {
    if (other === id) continue;
    context.assert(!isBefore(ghost.get(ticketGhost(other))), `agent ${id} passes agent ${other}`);
    const flow = ghost.get(flowGhost(other));
    const isLate = ((flow - ghost.get('late')) | 0) < 0;
    if ((ghost.get('looked') & (1 << other)) !== 0 && !isLate) context.assert(!isBefore(flow), `agent ${id} passes the flow of agent ${other}`);
  }
}

/** What only a time-out would mend. */
function whoWaitsInVain(segment: Segment, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const at = firstSlot(segment);
  const inside = words.load(at) & OWNER;
  if (inside !== 0) return `agent ${inside} is in the section and does not run`;
  const first = firstBlocked(segment, at);
  // Whoever pauses is about to look.
  if (first === 0 || ghost.get('pausing') & (1 << first) || amountOf(segment, first) > freePermits(segment, at)) return undefined;
  if (flowWaitsBefore(segment, at, first, ticketOf(segment, first), words.load(at + late.at))) return undefined;
  return `agent ${first} sleeps and could be served`;
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, row: SemaphoreRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const word = words.load(firstSlot(segment));
  if ((word & OWNER) !== 0) return `agent ${word & OWNER} is in the section for ever`;
  for (const [thread, { stuck, by, limited, holds, amount = 1 }] of row.agents.entries()) {
    const id = thread + 1;
    const record = agentAt(segment, id);
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    const held = words.load(cellAt(segment, id, 0) + HOLD);
    if (held !== 0 && !(holds && held === amount && !isDead)) return `agent ${id} holds ${held} at the end`;
    if (words.load(record + wants.at) !== 0) return `agent ${id} leaves its row behind`;
    if (!stuck && words.load(cellAt(segment, id, 0)) !== 0) return `agent ${id} leaves its cell behind`;
    if (!isDead && words.load(record + parkWord.at) & ASLEEP) return `agent ${id} is marked as asleep`;
    // A registration that is not used any more stays until the next ring.
    const mayBePending = stuck === true || (by === 'flow' && limited === true) || by === 'both';
    if (!isDead && !mayBePending && words.load(record + mailbox.at) & ASLEEP) return `the event loop of agent ${id} is marked as asleep`;
  }
  return undefined;
}
