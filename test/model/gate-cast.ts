/**
 * Scenarios of one event or latch. The bodies do what src/locks and src/agent do with the functions of src/raw and src/park; those come as a
 * parameter, so that mutants can take their place.
 */
import { agent as agentRecord, cell, mask, primitives, SET, SIGNALLED, slot, WAITING_FLOWS } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as gates from '../../src/raw/gate.js';
import type * as queues from '../../src/raw/queue.js';
import type * as slots from '../../src/raw/slots.js';
import { agentAt, cellAt, type Segment, slotAt } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario, ThreadPlan } from '../harness/scenario.js';
import { attachAll, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof gates;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds. */
export interface Plan {
  readonly by?: 'wait' | 'flow' | 'set' | 'set and reset' | 'count';
  readonly rounds?: number;
  /** How much is counted down. */
  readonly amount?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
}

export interface GateRow extends Row<Plan> {
  readonly gate: 'event' | 'auto' | 'latch';
  /** Of a latch. */
  readonly count?: number;
  readonly others?: readonly 'closes'[];
}

const { wants, park: parkWord } = agentRecord.fields;
const HOLD = cell.fields.hold.at;
const TALLY = slot.fields.tally.at;
const ASLEEP = mask(parkWord.bits.asleep);
const PARAMETER = slot.fields.kind.bits.parameter.bit;
/** Some time that no clock has come to. */
const LATER = 1e15;

// Of src/raw/mutex.ts and src/raw/signal.ts.
const BUSY = 0;
const TIMED_OUT = -1;
const SHUT = -5;
const DONE = 1;

// Ghosts. `sets`: calls of `set` that have returned. `passes`: waits that were let through. `vain`: sets that found it set. `became`: how
// often an event became set; `begun n`: before agent n began to wait. `signalled n`: row n is. `owed t`: signals of the dead that thread t has cleared. `given t`: signals that it has given.
// `counted`: sum of what was counted down. `died`: who has died. `closed`.

export function gateScenario(modules: Modules, row: GateRow): Scenario {
  return scenarioOf(castOf(modules, row), row);
}

function castOf(modules: Modules, row: GateRow): Cast<Plan> {
  const { slots: recovery } = modules;
  const size = { agents: row.agents.length };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh');
  const isOwn = isField(addresses, 'agent.ticket', 'cell.interest');

  const others: Record<'closes', ThreadPlan> = {
    closes: {
      name: 'X',
      body({ words, ghost }) {
        ghost.set('closed', 1);
        recovery.closeSlot(smallSegment(words, size), slotAt(empty, 0));
      },
    },
  };

  return {
    setup(words) {
      const segment = attachAll(words, size);
      const parameter = row.gate === 'latch' ? row.count! : row.gate === 'auto' ? 1 : 0;
      words.store(slotAt(segment, 0) + KIND_AT, (row.gate === 'latch' ? primitives.latch : primitives.event) | (parameter << PARAMETER));
    },
    nameOf: (at) => addresses.get(at)?.name,
    describe: (at, value) => describeValue(addresses.get(at), value),
    opaque: isField(addresses, 'slot.token', 'slot.contended', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body: (context) => new Caller(modules, plan, context, smallSegment(audited(context, row), size), row).run(),
    }),
    others: (row.others ?? []).map((other) => others[other]),
    recover(context, exit) {
      recoverAfter(modules, smallSegment(audited(context, row), size), exit);
    },
    onDeath(ghost, thread) {
      ghost.set('died', ghost.get('died') | (1 << thread));
    },
    atRest: (words, ghost) => whoSleepsInVain(smallSegment(words, size), row, ghost),
    final: (words, ghost) => whatIsLeft(smallSegment(words, size), row, ghost),
  };
}

/** As in src/raw/agents.ts, for one slot. */
function recoverAfter({ park, slots: recovery }: Modules, segment: Segment, { thread }: Exit): void {
  // The end of the other recoverer leaves nothing to repair.
  if (thread >= segment.agentLimit) return;
  const dead = thread + 1;
  recovery.recoverRow(segment, dead);
  recovery.recoverSlot(segment, slotAt(segment, 0), dead, 0);
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
  readonly #row: GateRow;
  readonly #at: number;
  readonly #self: number;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment, row: GateRow) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#row = row;
    this.#at = slotAt(segment, 0);
    this.#self = context.thread + 1;
  }

  run(): void {
    const { by = 'wait', amount = 1 } = this.#plan;
    const { raw } = this.#modules;
    const { ghost } = this.#context;
    ghost.set(`placed ${this.#context.thread}`, 0);
    if (by === 'wait') return this.#hear(this.#block());
    if (by === 'flow') return this.#hear(this.#flow());
    if (by === 'count') {
      if (raw.countDown(this.#segment, this.#at, amount)) ghost.add('counted', amount);
      return;
    }
    raw.set(this.#segment, this.#at);
    ghost.add('sets', 1);
    if (by === 'set and reset') raw.reset(this.#segment, this.#at);
  }

  #begin(): number {
    const { raw } = this.#modules;
    const wish = raw.wishOf(this.#segment, this.#at);
    this.#context.ghost.set(`begun ${this.#self}`, this.#context.ghost.get('became'));
    return wish;
  }

  #hear(outcome: number): void {
    const { ghost } = this.#context;
    if (outcome === DONE) {
      ghost.add('passes', 1);
      this.#context.assert(this.#row.gate !== 'latch' || ghost.get('tally') === this.#row.count, 'passes a latch that is not open');
      return;
    }
    const isExpected = (outcome === TIMED_OUT && this.#plan.limited) || (outcome === SHUT && ghost.get('closed') === 1);
    this.#context.assert(isExpected === true, `told ${outcome}`);
  }

  /** As `acquireContended` of src/locks. */
  #block(): number {
    const { raw } = this.#modules;
    const wish = this.#begin();
    const result = raw.attempt(this.#segment, this.#at, wish);
    if (result !== BUSY) return result;
    return raw.waitOpen(this.#segment, this.#at, this.#self, wish, 0, this.#plan.limited ? LATER : Infinity, undefined);
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const { raw, queue, park } = this.#modules;
    const wish = this.#begin();
    const result = raw.attempt(this.#segment, this.#at, wish);
    if (result !== BUSY) return result;
    queue.publishCell(this.#segment, this.#at, this.#self, queue.takeTicket(this.#segment, this.#at));
    raw.joinForFlow(this.#segment, this.#at, this.#self);
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const outcome = raw.attemptForFlow(this.#segment, this.#at, this.#self, wish);
      if (outcome === DONE) return this.#end(DONE);
      if (outcome === SHUT) return this.#giveUp(SHUT);
      const rung = park.arm(this.#segment, this.#self, seen);
      if (rung === undefined) continue;
      if (this.#context.settled(rung, this.#plan.limited ? LATER : Infinity) === 'timed-out') return this.#giveUp(TIMED_OUT);
      park.disarm(this.#segment, this.#self);
    }
  }

  #giveUp(outcome: number): number {
    return this.#end(this.#modules.raw.leaveForFlow(this.#segment, this.#at, this.#self) ? outcome : DONE);
  }

  #end(outcome: number): number {
    this.#modules.queue.clearCell(this.#segment, this.#at, this.#self);
    return outcome;
  }
}

/** The words, with an eye on signals and the tally. */
function audited(context: Context, row: GateRow): ModelWords {
  const { words, ghost, thread } = context;
  const empty = smallSegment(words, { agents: row.agents.length });
  const tallyAt = slotAt(empty, 0) + TALLY;
  const rows = new Map(row.agents.map((_, other) => [agentAt(empty, other + 1) + wants.at, other + 1]));
  const holds = new Map(row.agents.map((_, other) => [cellAt(empty, other + 1, 0) + HOLD, other + 1]));
  const give = (count: number): void => void ghost.add(`given ${thread}`, count);
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      const id = rows.get(at);
      if (id !== undefined) {
        if (thread !== id - 1) ghost.add(`owed ${thread}`, ghost.get(`signalled ${id}`));
        ghost.set(`signalled ${id}`, 0);
      }
      if (!holds.has(at)) return;
      ghost.add(`owed ${thread}`, ghost.get(`signals ${holds.get(at)}`));
      ghost.set(`signals ${holds.get(at)}`, 0);
    },
    add(at, value) {
      const before = words.add(at, value);
      if (holds.has(at)) ghost.set(`signals ${holds.get(at)}`, (before + value) >>> 16);
      return before;
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (at === tallyAt) {
        if (before === expected) ghost.set('tally', next);
        if (row.gate === 'event' && before === expected && next & SET) ghost.add('became', 1);
        if (row.gate === 'auto' && next === SET) {
          ghost.set(`placed ${thread}`, before === expected ? 1 : 0);
          if (before !== expected) ghost.add('vain', 1);
          give(1);
        }
        if (row.gate === 'auto' && next === 0 && before === expected && ghost.get(`placed ${thread}`) === 1) {
          ghost.set(`placed ${thread}`, 0);
          give(-1);
        }
      }
      if (before !== expected) return before;
      if (rows.has(at) && next & SIGNALLED) {
        ghost.set(`signalled ${rows.get(at)}`, 1);
        give(1);
      }
      if (holds.has(at)) {
        const given = (next >>> 16) - (before >>> 16);
        ghost.set(`signals ${holds.get(at)}`, next >>> 16);
        if (given > 0) give(given);
      }
      return before;
    },
  };
}

/** What only a time-out would mend. */
function whoSleepsInVain(segment: Segment, row: GateRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const tally = words.load(slotAt(segment, 0) + TALLY);
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    const published = words.load(agentAt(segment, id) + wants.at);
    const flows = words.load(cellAt(segment, id, 0) + HOLD);
    if (published & SIGNALLED || flows & ~WAITING_FLOWS) return `agent ${id} sleeps, and was signalled`;
    if (published === 0 && words.load(cellAt(segment, id, 0)) === 0) continue;
    const isOpen = row.gate === 'latch' ? tally === row.count : row.gate === 'auto' ? tally === SET : (tally & SET) !== 0 || ghost.get('became') !== ghost.get(`begun ${id}`);
    if (isOpen) return `agent ${id} sleeps, and could pass`;
  }
  return undefined;
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, row: GateRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const tally = words.load(slotAt(segment, 0) + TALLY);
  const [sets, passes, vain, died] = ['sets', 'passes', 'vain', 'died'].map((name) => ghost.get(name)) as [number, number, number, number];
  if (row.gate === 'auto' && died === 0 && passes + (tally & SET) + vain !== sets) return `${passes} have passed after ${sets} sets, of which ${vain} were in vain`;
  if (row.gate === 'latch' && died === 0 && tally !== ghost.get('counted')) return `${ghost.get('counted')} were counted down, not ${tally}`;
  if (row.gate === 'latch' && tally > row.count!) return 'more was counted down than there was';
  const recoverer = row.agents.length + (row.others?.length ?? 0);
  const [owed, given] = [ghost.get(`owed ${recoverer}`), ghost.get(`given ${recoverer}`)];
  if (died !== 0 && row.recoverers !== 2 && owed !== given) return `${owed} signals of the dead were cleared, and ${given} passed on`;
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    if (words.load(agentAt(segment, id) + wants.at) !== 0) return `agent ${id} leaves its row behind`;
    if (words.load(cellAt(segment, id, 0) + HOLD) !== 0) return `agent ${id} leaves its flows behind`;
    if (words.load(cellAt(segment, id, 0)) !== 0) return `agent ${id} leaves its cell behind`;
    if (!(died & (1 << thread)) && words.load(agentAt(segment, id) + parkWord.at) & ASLEEP) return `agent ${id} is marked as asleep`;
  }
  return undefined;
}
