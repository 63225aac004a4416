/**
 * Scenarios of one barrier. The bodies do what src/locks and src/agent do with the functions of src/raw and src/park; those come as a parameter,
 * so that mutants can take their place.
 */
import { agent as agentRecord, breaks, cell, GENERATION, mask, primitives, REASON, slot } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as barriers from '../../src/raw/barrier.js';
import { BROKEN, LAST, UNSETTLED } from '../../src/raw/barrier.js';
import { BUSY, SHUT, TIMED_OUT } from '../../src/raw/mutex.js';
import type * as queues from '../../src/raw/queue.js';
import type * as slots from '../../src/raw/slots.js';
import { agentAt, cellAt, type Segment, slotAt } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Scenario, ThreadPlan } from '../harness/scenario.js';
import { attachAll, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof barriers;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds. */
export interface Plan {
  readonly by?: 'wait' | 'flow' | 'reset' | 'abort' | 'abort and reset';
  readonly rounds?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
  /** The barrier may be broken: by whom does not matter. */
  readonly fragile?: true;
}

export interface BarrierRow extends Row<Plan> {
  readonly parties: number;
  readonly others?: readonly 'closes'[];
}

const { wants, amount, park: parkWord } = agentRecord.fields;
const HOLD = cell.fields.hold.at;
const TALLY = slot.fields.tally.at;
const ASLEEP = mask(parkWord.bits.asleep);
const PARAMETER = slot.fields.kind.bits.parameter.bit;
/** Some time that no clock has come to. */
const LATER = 1e15;


// Ghosts. `in n`: 1 + the generation, whose number grows by 1, in which agent n was counted and which it has not left; 0 = none. `passed g`,
// `failed g`: how many of those counted in generation g passed, or did not; `met g`: all had come. `tells n`: 1 + the generation that agent n
// published last. `died`: who has died. `closed`.

export function barrierScenario(modules: Modules, row: BarrierRow): Scenario {
  return scenarioOf(castOf(modules, row), row);
}

function castOf(modules: Modules, row: BarrierRow): Cast<Plan> {
  const { slots: recovery } = modules;
  const size = { agents: row.agents.length };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh', 'agent.claim');
  const isOwn = isField(addresses, 'agent.ticket', 'agent.amount', 'cell.interest');

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
      words.store(slotAt(segment, 0) + KIND_AT, primitives.barrier | (row.parties << PARAMETER));
      for (const thread of row.agents.keys()) words.store(agentAt(segment, thread + 1), thread + 1);
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
  readonly #row: BarrierRow;
  readonly #at: number;
  readonly #self: number;

  constructor(modules: Modules, plan: Plan, context: Context, segment: Segment, row: BarrierRow) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#segment = segment;
    this.#row = row;
    this.#at = slotAt(segment, 0);
    this.#self = context.thread + 1;
  }

  run(): void {
    const { by = 'wait' } = this.#plan;
    const { raw } = this.#modules;
    if (by === 'wait') return this.#hear(this.#block());
    if (by === 'flow') return this.#hear(this.#flow());
    if (by !== 'reset') raw.abort(this.#segment, this.#at, this.#self);
    if (by !== 'abort') raw.reset(this.#segment, this.#at, this.#self);
  }

  #hear(outcome: number): void {
    const { ghost } = this.#context;
    const generation = ghost.get(inGhost(this.#self)) - 1;
    ghost.set(inGhost(this.#self), 0);
    if (outcome > 0) {
      this.#context.assert(generation >= 0, 'passes without having come');
      this.#context.assert(ghost.get(`met ${generation}`) === 1, `passes, though not all have come in generation ${generation}`);
      ghost.add(`passed ${generation}`, 1);
      this.#context.assert(ghost.get(`failed ${generation}`) === 0, `passes, though another has failed in generation ${generation}`);
      return;
    }
    const isExpected =
      (outcome === TIMED_OUT && this.#plan.limited === true) ||
      (outcome === SHUT && ghost.get('closed') === 1) ||
      (outcome === BROKEN && (this.#plan.fragile === true || ghost.get('died') !== 0));
    this.#context.assert(isExpected, `told ${outcome}`);
    if (generation < 0 || outcome === SHUT) return;
    ghost.add(`failed ${generation}`, 1);
    this.#context.assert(ghost.get(`passed ${generation}`) === 0, `fails, though another has passed in generation ${generation}`);
  }

  /** As `acquireContended` of src/locks. */
  #block(): number {
    const { raw } = this.#modules;
    const result = raw.attempt(this.#segment, this.#at);
    if (result !== BUSY) return result;
    return raw.waitTogether(this.#segment, this.#at, this.#self, 0, this.#plan.limited ? LATER : Infinity, undefined);
  }

  /** As `Barrier.waitAsync` and `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const { raw, queue, park } = this.#modules;
    const arrived = raw.arriveForFlow(this.#segment, this.#at, this.#self);
    this.#context.assert(arrived !== UNSETTLED, 'no flow waits that has to look');
    if (arrived < 0) return arrived;
    if (arrived === this.#row.parties) return LAST;
    const generation = raw.generationOfFlows(this.#segment, this.#at, this.#self);
    queue.publishCell(this.#segment, this.#at, this.#self, queue.takeTicket(this.#segment, this.#at));
    for (;;) {
      const seen = park.ringsOf(this.#segment, this.#self);
      const outcome = raw.attemptForFlow(this.#segment, this.#at, this.#self, generation);
      if (outcome !== BUSY) return this.#end(outcome);
      const rung = park.arm(this.#segment, this.#self, seen);
      if (rung === undefined) continue;
      if (this.#context.settled(rung, this.#plan.limited ? LATER : Infinity) === 'timed-out') {
        return this.#end(raw.leaveForFlow(this.#segment, this.#at, this.#self, generation, breaks.timeout) ? TIMED_OUT : LAST);
      }
      park.disarm(this.#segment, this.#self);
    }
  }

  #end(outcome: number): number {
    this.#modules.queue.clearCell(this.#segment, this.#at, this.#self);
    this.#modules.raw.forgetFlows(this.#segment, this.#at, this.#self);
    return outcome;
  }
}

function inGhost(id: number): string {
  return `in ${id}`;
}

function generationOf(tally: number): number {
  return tally >>> 19;
}

/** The words, with an eye on who is counted. */
function audited(context: Context, row: BarrierRow): ModelWords {
  const { words, ghost, thread } = context;
  const empty = smallSegment(words, { agents: row.agents.length });
  const tallyAt = slotAt(empty, 0) + TALLY;
  const own = new Set([agentAt(empty, thread + 1) + amount.at, cellAt(empty, thread + 1, 0) + HOLD]);
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      if (own.has(at) && thread < row.agents.length) ghost.set(`tells ${thread + 1}`, 1 + generationOf(value));
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (at !== tallyAt || before !== expected) return before;
      const isLast = (next & GENERATION) !== (before & GENERATION) && !(before & REASON);
      if (next === before + 1 || isLast) ghost.set(inGhost(thread + 1), 1 + generationOf(before));
      if (isLast) ghost.set(`met ${generationOf(before)}`, 1);
      if ((next & REASON) === breaks.died) context.assert(hasDied(context, row, 1 + generationOf(before)), 'breaks a generation for one who was not in it');
      if (isLast) context.assert((before & 0xffff) + 1 === row.parties, 'begins a generation before all have come');
      context.assert(!(before & REASON) || (next & REASON) !== 0 || (next & GENERATION) !== (before & GENERATION), 'a broken generation is mended');
      return before;
    },
  };
}

/** Whether somebody has died who was counted in that generation, or about to be. */
function hasDied({ ghost }: Context, row: BarrierRow, generation: number): boolean {
  return row.agents.some((_, thread) => {
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    return isDead && (ghost.get(inGhost(thread + 1)) === generation || ghost.get(`tells ${thread + 1}`) === generation);
  });
}

/** What only a time-out would mend. */
function whoSleepsInVain(segment: Segment, row: BarrierRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const tally = words.load(slotAt(segment, 0) + TALLY);
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    const generation = ghost.get(inGhost(id)) - 1;
    if (ghost.get('died') & (1 << thread)) {
      if (generation === generationOf(tally) && !(tally & REASON)) return `agent ${id} has died, is counted, and the barrier is whole`;
      continue;
    }
    if (words.load(agentAt(segment, id) + wants.at) === 0 && words.load(cellAt(segment, id, 0)) === 0) continue;
    if (generation >= 0 && (generation !== generationOf(tally) || tally & REASON)) return `agent ${id} sleeps, and its generation has ended`;
  }
  return undefined;
}

/** What is wrong at the end. */
function whatIsLeft(segment: Segment, row: BarrierRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  for (const thread of row.agents.keys()) {
    const id = thread + 1;
    if (words.load(agentAt(segment, id) + wants.at) !== 0) return `agent ${id} leaves its row behind`;
    if (words.load(cellAt(segment, id, 0)) !== 0) return `agent ${id} leaves its cell behind`;
    const isDead = (ghost.get('died') & (1 << thread)) !== 0;
    if (isDead && words.load(cellAt(segment, id, 0) + HOLD) !== 0) return `agent ${id} leaves its generation behind`;
    if (!isDead && words.load(agentAt(segment, id) + parkWord.at) & ASLEEP) return `agent ${id} is marked as asleep`;
  }
  return undefined;
}
