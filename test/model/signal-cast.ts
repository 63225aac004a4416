/**
 * Scenarios of one condition, with the mutex whose holders wait for it. The bodies do what src/locks and src/agent do with the functions of
 * src/raw and src/park; those come as a parameter, so that mutants can take their place.
 */
import { agent as agentRecord, cell, mask, ONE_SIGNAL, primitives, SIGNALLED, WAITING_FLOWS } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as mutexes from '../../src/raw/mutex.js';
import type * as queues from '../../src/raw/queue.js';
import type * as signals from '../../src/raw/signal.js';
import type * as slots from '../../src/raw/slots.js';
import { agentAt, cellAt, type Segment, slotAt } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario, ThreadPlan } from '../harness/scenario.js';
import { attachAll, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof signals;
  readonly mutex: typeof mutexes;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds. */
export interface Plan {
  /**
   * `'wait'`: it holds a mutex of its own, and waits. `'flow'`, `'two flows'`: it waits in its event loop. `'notify'`, `'notify all'`: it signals.
   * `'consume'`: takes the mutex, waits until there is an item, takes that. `'produce'`: takes the mutex, makes an item, signals.
   */
  readonly by?: 'wait' | 'flow' | 'two flows' | 'notify' | 'notify all' | 'consume' | 'produce';
  readonly rounds?: number;
  /** Of one who signals: how many. Of one who produces: how many items. */
  readonly count?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
  /** The wait ends when the scenario's canceller says so. */
  readonly cancellable?: true;
  /** Signals while it holds the mutex. */
  readonly within?: true;
}

export interface SignalRow extends Row<Plan> {
  readonly others?: readonly ('cancels' | 'closes')[];
  /** The first ticket is that one more. */
  readonly ticketsFrom?: number;
}

const { wants, ticket, park: parkWord } = agentRecord.fields;
const HOLD = cell.fields.hold.at;
const ASLEEP = mask(parkWord.bits.asleep);
/** Some time that no clock has come to. */
const LATER = 1e15;
const MUTEX = 1;
/** After the segment: what the canceller writes, and how many items there are. */
const CANCELLED = 0;
const ITEMS = 4;

// Of src/raw/mutex.ts and src/raw/signal.ts.
const TIMED_OUT = -1;
const INTERRUPTED = -2;
const SHUT = -5;
const DONE = 1;

// Ghosts. `row n`: the ticket of row n while it waits, 0 = it does not. `due n`: signals that agent n has and has not heard of. `known t n`:
// `row n` when thread t began to signal. `flows n`: flows of agent n that wait; `joins n`: how often one came; `joined t n`: when thread t began. `died`: who has died. `closed`.

export function signalScenario(modules: Modules, row: SignalRow): Scenario {
  return scenarioOf(castOf(modules, row), row);
}

function sizeOf(row: SignalRow) {
  return { agents: row.agents.length, slots: MUTEX + 1 + row.agents.length };
}

function castOf(modules: Modules, row: SignalRow): Cast<Plan> {
  const { queue, park, slots: recovery } = modules;
  const size = sizeOf(row);
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh');
  const isOwn = isField(addresses, 'agent.ticket', 'cell.interest');
  const named = new Map([[empty.size + CANCELLED, 'cancelled'], [empty.size + ITEMS, 'items']]);
  const all = [0, MUTEX];

  const others: Record<'cancels' | 'closes', ThreadPlan> = {
    cancels: {
      name: 'C',
      body({ words }) {
        const segment = smallSegment(words, size);
        words.store(empty.size + CANCELLED, 1);
        for (let id = 1; id <= size.agents; id++) if (queue.isBlocked(segment, id)) park.unpark(segment, id);
      },
    },
    closes: {
      name: 'X',
      body({ words, ghost }) {
        const segment = smallSegment(words, size);
        ghost.set('closed', 1);
        recovery.closeSlot(segment, slotAt(segment, 0));
      },
    },
  };

  return {
    setup(words) {
      const segment = attachAll(words, size);
      words.store(slotAt(segment, 0) + KIND_AT, primitives.condition);
      words.store(slotAt(segment, MUTEX) + KIND_AT, primitives.mutex);
      for (const thread of row.agents.keys()) words.store(ownMutex(segment, thread), thread + 1);
      if (row.ticketsFrom !== undefined) words.store(slotAt(segment, 0) + TICKETS, row.ticketsFrom | 0);
    },
    nameOf: (at) => addresses.get(at)?.name ?? named.get(at),
    describe: (at, value) => describeValue(addresses.get(at), value),
    opaque: isField(addresses, 'slot.token', 'slot.contended', 'slot.ownerDeaths', 'slot.deathThread', 'slot.deathAt', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body(context, round) {
        const segment = smallSegment(audited(context, row), size);
        if (round > 0) context.words.store(ownMutex(segment, thread), thread + 1);
        new Caller(modules, plan, context, segment).run();
      },
    }),
    others: (row.others ?? []).map((other) => others[other]),
    recover(context, exit) {
      recoverAfter(modules, smallSegment(audited(context, row), size), exit, all);
    },
    onDeath(ghost, thread) {
      ghost.set('died', ghost.get('died') | (1 << thread));
    },
    atRest: (words) => whoSleepsInVain(smallSegment(words, size), row),
    final: (words, ghost) => whatIsLeft(smallSegment(words, size), row, ghost),
  };
}

const TICKETS = 4;

/** What a thread holds that waits without data. */
function ownMutex(segment: Segment, thread: number): number {
  return slotAt(segment, MUTEX + 1 + thread);
}

/** As in src/raw/agents.ts, for the slots in use. */
function recoverAfter({ park, slots: recovery }: Modules, segment: Segment, { thread }: Exit, numbers: readonly number[]): void {
  // The end of the other recoverer leaves nothing to repair.
  if (thread >= segment.agentLimit) return;
  const dead = thread + 1;
  recovery.recoverRow(segment, dead);
  for (const number of numbers) recovery.recoverSlot(segment, slotAt(segment, number), dead, 0);
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
  readonly #at: number;
  readonly #mutex: number;
  readonly #self: number;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#at = slotAt(segment, 0);
    this.#mutex = slotAt(segment, MUTEX);
    this.#self = context.thread + 1;
  }

  run(): void {
    const { by = 'wait' } = this.#plan;
    if (by === 'wait') return this.#hear(this.#sleep(ownMutex(this.#segment, this.#context.thread)), 1);
    if (by === 'flow') return this.#runFlows(1);
    if (by === 'two flows') return this.#runFlows(2);
    if (by === 'consume') return this.#consume();
    if (by === 'produce') return this.#produce();
    this.#signal();
  }

  #sleep(mutex: number): number {
    const { limited, cancellable } = this.#plan;
    const { words } = this.#segment;
    const interrupt = { requested: () => words.load(this.#segment.size + CANCELLED) !== 0 };
    return this.#modules.raw.waitReleasing(this.#segment, this.#at, mutex, this.#self, 0, limited ? LATER : Infinity, cancellable && interrupt);
  }

  /** The outcome of a wait is that which was decided. */
  #hear(outcome: number, waiting: number): void {
    const { ghost } = this.#context;
    const { limited, cancellable } = this.#plan;
    const due = ghost.get(dueGhost(this.#self));
    if (outcome === DONE) {
      this.#context.assert(due > 0, 'told of a signal that nobody has given');
      ghost.set(dueGhost(this.#self), due - 1);
      return;
    }
    this.#context.assert(due < waiting, `told ${outcome}, though it was signalled`);
    const isExpected = (outcome === TIMED_OUT && limited) || (outcome === INTERRUPTED && cancellable) || (outcome === SHUT && ghost.get('closed') === 1);
    this.#context.assert(isExpected === true, `told ${outcome}`);
  }

  #signal(): void {
    const { by, count = 1 } = this.#plan;
    const { ghost, thread } = this.#context;
    // What a body notes before its first step, it notes before all others have begun.
    this.#context.pause();
    for (let id = 1; id <= this.#segment.agentLimit; id++) {
      ghost.set(`known ${thread} ${id}`, ghost.get(rowGhost(id)));
      ghost.set(`joined ${thread} ${id}`, ghost.get(`joins ${id}`));
    }
    const before = ghost.get(`given ${thread}`);
    const done = by === 'notify all' ? this.#modules.raw.signalAll(this.#segment, this.#at) : this.#modules.raw.signal(this.#segment, this.#at, count);
    this.#context.assert(ghost.get(`given ${thread}`) - before === done, `says ${done}, and has signalled another number`);
    ghost.set(`given ${thread}`, 0);
    if (by === 'notify all' || done < count) {
      for (let id = 1; id <= this.#segment.agentLimit; id++) {
        const known = ghost.get(`known ${thread} ${id}`);
        this.#context.assert(known === 0 || ghost.get(rowGhost(id)) !== known, `agent ${id} waits, and was not signalled`);
        const since = ghost.get(`joins ${id}`) - ghost.get(`joined ${thread} ${id}`);
        this.#context.assert(ghost.get(flowsGhost(id)) <= since, `flows of agent ${id} wait, and were not signalled`);
      }
    }
    for (let id = 1; id <= this.#segment.agentLimit; id++) {
      ghost.set(`known ${thread} ${id}`, 0);
      ghost.set(`joined ${thread} ${id}`, 0);
    }
  }

  #acquire(): void {
    const { mutex } = this.#modules;
    const { words } = this.#segment;
    if (mutex.tryAcquire(words, this.#mutex, this.#self) !== 0) return;
    const token = mutex.acquireQueued(this.#segment, this.#mutex, this.#self, mutex.TAKE_INCONSISTENT, 0, Infinity, undefined);
    this.#context.assert(token > 0, 'the mutex was not acquired');
  }

  #release(): void {
    const { mutex } = this.#modules;
    if (!mutex.tryRelease(this.#segment.words, this.#mutex, this.#self)) mutex.release(this.#segment, this.#mutex, this.#self);
  }

  /** As `Condition.waitFor`. */
  #consume(): void {
    const { words } = this.#context;
    const items = this.#segment.size + ITEMS;
    this.#acquire();
    for (;;) {
      const found = words.load(items);
      if (found > 0) {
        words.store(items, found - 1);
        break;
      }
      const outcome = this.#sleep(this.#mutex);
      this.#hear(outcome, 1);
      this.#acquire();
      if (outcome !== DONE) break;
    }
    this.#release();
  }

  #produce(): void {
    const { words } = this.#context;
    const { count = 1, within } = this.#plan;
    const items = this.#segment.size + ITEMS;
    this.#acquire();
    words.store(items, words.load(items) + count);
    if (within) this.#modules.raw.signal(this.#segment, this.#at, count);
    this.#release();
    if (!within) this.#modules.raw.signal(this.#segment, this.#at, count);
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with so many flows. */
  #runFlows(count: number): void {
    const { raw, queue, park } = this.#modules;
    const tickets: number[] = [];
    for (let i = 0; i < count; i++) {
      tickets.push(queue.takeTicket(this.#segment, this.#at));
      if (i === 0) queue.publishCell(this.#segment, this.#at, this.#self, tickets[0]!);
      raw.joinFlow(this.#segment, this.#at, this.#self);
    }
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const outcome = raw.takeForFlow(this.#segment, this.#at, this.#self);
      if (outcome === DONE) {
        this.#endFlow(tickets, DONE);
        if (tickets.length === 0) return;
        continue;
      }
      if (outcome === SHUT) return this.#endAll(tickets, SHUT);
      const rung = park.arm(this.#segment, this.#self, seen);
      if (rung === undefined) continue;
      if (this.#context.settled(rung, this.#plan.limited ? LATER : Infinity) === 'timed-out') return this.#endAll(tickets, TIMED_OUT);
      park.disarm(this.#segment, this.#self);
    }
  }

  #endAll(tickets: number[], outcome: number): void {
    while (tickets.length > 0) {
      const waiting = tickets.length;
      const left = this.#modules.raw.leaveFlow(this.#segment, this.#at, this.#self);
      this.#endFlow(tickets, left ? outcome : DONE, waiting);
    }
  }

  #endFlow(tickets: number[], outcome: number, waiting = tickets.length): void {
    const { queue } = this.#modules;
    tickets.shift();
    this.#hear(outcome, waiting);
    if (tickets.length === 0) queue.clearCell(this.#segment, this.#at, this.#self);
    else queue.publishCell(this.#segment, this.#at, this.#self, tickets[0]!);
  }
}

function rowGhost(id: number): string {
  return `row ${id}`;
}

function flowsGhost(id: number): string {
  return `flows ${id}`;
}

function dueGhost(id: number): string {
  return `due ${id}`;
}

/** The words, with an eye on rows and cells. */
function audited(context: Context, row: SignalRow): ModelWords {
  const { words, ghost } = context;
  const empty = smallSegment(words, sizeOf(row));
  const rows = new Map(row.agents.map((_, thread) => [agentAt(empty, thread + 1) + wants.at, thread + 1]));
  const tickets = new Map(row.agents.map((_, thread) => [agentAt(empty, thread + 1) + ticket.at, thread + 1]));
  const holds = new Map(row.agents.map((_, thread) => [cellAt(empty, thread + 1, 0) + HOLD, thread + 1]));
  const give = (id: number, count: number): void => {
    ghost.add(dueGhost(id), count);
    ghost.add(`given ${context.thread}`, count);
  };
  const noteHold = (id: number, before: number, next: number): void => {
    ghost.set(flowsGhost(id), next & WAITING_FLOWS);
    const given = (next >>> 16) - (before >>> 16);
    if (given > 0) give(id, given);
  };
  const noteRow = (id: number, before: number, next: number): void => {
    const own = ghost.get(rowGhost(id));
    // The row of a mutex.
    if (next !== 0 && (next & ~SIGNALLED) !== 1) return;
    ghost.set(rowGhost(id), next === 1 ? ghost.get(`next ${id}`) : 0);
    if (!(next & SIGNALLED)) return;
    context.assert(before === 1, `agent ${id} is signalled, and does not wait`);
    checkTurn(context, row, id, own);
    give(id, 1);
  };
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      const id = rows.get(at);
      if (id !== undefined) noteRow(id, value & SIGNALLED ? 0 : value, value);
      if (holds.has(at)) noteHold(holds.get(at)!, 0, value);
      if (tickets.has(at)) ghost.set(`next ${tickets.get(at)}`, value);
    },
    add(at, value) {
      const before = words.add(at, value);
      if (!holds.has(at)) return before;
      const id = holds.get(at)!;
      if (value > 0) ghost.add(`joins ${id}`, 1);
      noteHold(id, before, (before + value) | 0);
      return before;
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before !== expected) return before;
      if (rows.has(at)) noteRow(rows.get(at)!, before, next);
      if (holds.has(at)) noteHold(holds.get(at)!, before, next);
      return before;
    },
  };
}

/** Who is signalled has the oldest ticket, of all that have waited since the one who signals began. */
function checkTurn(context: Context, row: SignalRow, id: number, own: number): void {
  const { ghost, thread } = context;
  const known = (other: number): number => ghost.get(`known ${thread} ${other}`);
  if (row.agents[thread]?.by !== 'notify' || own === 0 || known(id) !== own) return;
  for (let other = 1; other <= row.agents.length; other++) {
    const before = known(other);
    context.assert(before === 0 || ghost.get(rowGhost(other)) !== before || ((before - own) | 0) >= 0, `agent ${id} is signalled past agent ${other}`);
  }
}

/** What only a time-out would mend. */
function whoSleepsInVain({ words, ...segment }: Segment, row: SignalRow): string | undefined {
  const items = words.load(segment.size + ITEMS);
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    const at = { words, ...segment };
    if (items > 0 && words.load(agentAt(at, id) + wants.at) === 1) return `agent ${id} sleeps, and there are ${items} items`;
    if (words.load(agentAt(at, id) + wants.at) & SIGNALLED) return `agent ${id} sleeps, and was signalled`;
    if (words.load(cellAt(at, id, 0) + HOLD) & ~WAITING_FLOWS) return `the event loop of agent ${id} sleeps, and has ${words.load(cellAt(at, id, 0) + HOLD) / ONE_SIGNAL} signals`;
  }
  return undefined;
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, row: SignalRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    if (words.load(agentAt(segment, id) + wants.at) !== 0) return `agent ${id} leaves its row behind`;
    if (words.load(cellAt(segment, id, 0) + HOLD) !== 0) return `agent ${id} leaves its flows behind`;
    if (words.load(cellAt(segment, id, 0)) !== 0) return `agent ${id} leaves its cell behind`;
    if (!isDead && ghost.get(dueGhost(id)) !== 0) return `agent ${id} has not heard of a signal`;
    if (!isDead && words.load(agentAt(segment, id) + parkWord.at) & ASLEEP) return `agent ${id} is marked as asleep`;
  }
  return undefined;
}
