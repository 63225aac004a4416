/**
 * Scenarios of one queue, for all who push and pop: threads that block, that only try, event loops. The bodies do what src/locks and src/agent
 * do with the functions of src/raw and src/park; those come as a parameter, so that mutants can take their place.
 */
import { agent as agentRecord, cell, CLOSED, header, item, mask, OWNER, primitives, ring, slot } from '../../native-layout/index.js';
import type * as parking from '../../src/park/park.js';
import type * as queues from '../../src/raw/queue.js';
import type * as rings from '../../src/raw/ring.js';
import type * as slots from '../../src/raw/slots.js';
import { cellAt, agentAt, type Segment, slotAt } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Cast, type Row, scenarioOf } from '../harness/cast.js';
import type { Context, Exit, Ghosts, ModelWords, Recorded, Request, Scenario, ThreadPlan } from '../harness/scenario.js';
import { attachAll, KIND_AT, smallSegment } from './small-segment.js';

export interface Modules {
  readonly raw: typeof rings;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** What one agent does in each of its rounds. */
export interface Plan {
  readonly does: 'push' | 'pop' | 'make';
  readonly by?: 'block' | 'try' | 'flow';
  readonly rounds?: number;
  /** The wait has a time-out. */
  readonly limited?: true;
  /** The wait ends when the scenario's canceller says so. */
  readonly cancellable?: true;
  /** Of one who makes: items that there shall be room for, and whether it is another queue. */
  readonly capacity?: number;
  readonly other?: true;
}

export interface RingRow extends Row<Plan> {
  readonly capacity: number;
  /** Items that are there at first. */
  readonly filled?: number;
  readonly others?: readonly ('cancels' | 'closes' | 'ends')[];
}

const { wants, park: parkWord, mailbox } = agentRecord.fields;
const INTEREST = cell.fields.interest.at;
const { heapBytes: HEAP_BYTES, heapUsed: HEAP_USED } = header.fields;
const { token, storage } = slot.fields;
const ASLEEP = mask(parkWord.bits.asleep);
/** Some time that no clock has come to. */
const LATER = 1e15;
/** How long one who waits for the section sleeps. */
const PAUSE_MS = 1;
/** Two words, so that half an item can be told from a whole one. */
const ITEM_BYTES = 5;
const STRIDE = item.size + 8;
/** Room for two rings of two places. */
const HEAP = 2 * 128;

// Ghosts. `pushed`, `popped`: how many ever. `item n`: the value of the nth. `moved n`: whether agent n has moved its item in this round.
// `closed`, `ended`. `drained`: somebody was told that nothing is left and nothing will come. `pausing`: who sleeps because another is in the section. `died`.

export function ringScenario(modules: Modules, row: RingRow): Scenario {
  const scenario = scenarioOf(castOf(modules, row), row);
  // Somebody may have nobody left to wait for: `final` says whether it waits in vain.
  const threads = scenario.threads.map((plan, thread) => ({ ...plan, merge: forgetPauses(row), ...(thread < row.agents.length && { daemon: true }) }));
  return { ...scenario, threads };
}

function sizeOf({ agents }: RingRow) {
  return { agents: agents.length, slots: 2, heapBytes: HEAP };
}

function isMade({ agents }: RingRow): boolean {
  return agents.every(({ does }) => does !== 'make');
}

function castOf(modules: Modules, row: RingRow): Cast<Plan> {
  const { raw, queue, park, slots: recovery } = modules;
  const size = sizeOf(row);
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const at = empty.heap;
  const cancelWord = empty.size;
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh', 'header.heapBytes', ...(isMade(row) ? ['slot.storage'] : []));
  const isOwn = isField(addresses, 'agent.ticket', 'agent.wants', 'cell.interest');
  const parameters = new Set(isMade(row) ? [at + ring.fields.capacity.at, at + ring.fields.itemBytes.at, at + ring.fields.room.at] : []);

  const others: Record<'cancels' | 'closes' | 'ends', ThreadPlan> = {
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
        const segment = smallSegment(audited(context, row), size);
        for (let number = 0; number < size.slots; number++) recovery.closeSlot(segment, slotAt(segment, number));
      },
    },
    ends: {
      name: 'E',
      body(context) {
        const segment = smallSegment(audited(context, row), size);
        raw.end(segment, placeOf(segment));
      },
    },
  };

  return {
    setup(words) {
      const segment = attachAll(words, size);
      words.store(header.fields.slotHigh.at, size.slots);
      words.store(HEAP_BYTES.at, HEAP);
      words.store(slotAt(segment, 0) + KIND_AT, primitives.queue);
      words.store(slotAt(segment, 1) + KIND_AT, primitives.room);
      if (!isMade(row)) return;
      words.store(at + ring.fields.capacity.at, row.capacity);
      words.store(at + ring.fields.itemBytes.at, ITEM_BYTES);
      words.store(at + ring.fields.room.at, 1);
      words.store(slotAt(segment, 0) + storage.at, at);
      for (let i = 0; i < (row.filled ?? 0); i++) {
        const place = at + ring.size + i * STRIDE;
        words.store(place + item.fields.shape.at, (ITEM_BYTES << item.fields.shape.bits.length.bit) | 1);
        words.store(place + item.size, filledValue(i));
        words.store(place + item.size + 4, filledValue(i));
        words.store(at + ring.fields.tail.at, i + 1);
        words.storeNumber(slotAt(segment, 1) + token.at, i + 1);
      }
    },
    nameOf: (address) => addresses.get(address)?.name ?? (address === cancelWord ? 'cancelled' : nameInHeap(address - at)),
    describe: (address, value) => describeValue(addresses.get(address), value),
    // Nothing here decides by them.
    opaque: isField(addresses, 'slot.contended', 'slot.ownerDeaths', 'agent.wantsSince', 'agent.wantsToken'),
    writerOf: (address) => (isConstant(address) || parameters.has(address) ? 'nobody' : isOwn(address) ? addresses.get(address)!.record - 1 : undefined),
    agent: (plan, thread) => ({
      rounds: plan.rounds ?? 1,
      body(context, round) {
        const caller = new Caller(modules, plan, context, row, round, { requested: () => context.words.load(cancelWord) !== 0 });
        if (context.life > 0 && round === 0) {
          context.ghost.set('died', context.ghost.get('died') & ~(1 << thread));
          park.resetSleep(caller.segment, thread + 1);
        }
        caller.run();
      },
    }),
    others: (row.others ?? []).map((other) => others[other]),
    recover(context, exit) {
      recoverAfter(modules, smallSegment(audited(context, row), size), exit);
    },
    onDeath(ghost, thread) {
      ghost.set('died', ghost.get('died') | (1 << thread));
      ghost.set('pausing', ghost.get('pausing') & ~(1 << (thread + 1)));
    },
    atRest: (words, ghost) => (ghost.get('pausing') === 0 ? whatIsLeft(modules, smallSegment(words, size), row, ghost) : undefined),
    final: (words, ghost) => whatIsLeft(modules, smallSegment(words, size), row, ghost),
  };
}

function nameInHeap(offset: number): string | undefined {
  if (offset < 0) return undefined;
  const field = Object.entries(ring.fields).find(([, one]) => one.at === offset);
  return field === undefined ? `places+${offset - ring.size}` : `ring.${field[0]}`;
}

/** As in src/raw/agents.ts, for both slots. */
function recoverAfter({ queue, park, slots: recovery }: Modules, segment: Segment, { thread }: Exit): void {
  // The end of the other recoverer leaves nothing to repair.
  if (thread >= segment.agentLimit) return;
  const dead = thread + 1;
  queue.clearRow(segment, dead);
  for (let number = 0; number < segment.slotLimit; number++) recovery.recoverSlot(segment, slotAt(segment, number), dead, 0);
  for (let id = 1; id <= segment.agentLimit; id++) {
    if (id === dead) continue;
    park.unpark(segment, id);
    park.ring(segment, id);
  }
}

function placeOf(segment: Segment): rings.Queue {
  return { items: slotAt(segment, 0), room: slotAt(segment, 1), ring: segment.heap };
}

function filledValue(i: number): number {
  return 100 + i;
}

/** What an agent does in one round. */
class Caller {
  readonly segment: Segment;
  readonly #modules: Modules;
  readonly #plan: Plan;
  readonly #context: Context;
  readonly #queue: rings.Queue;
  readonly #self: number;
  readonly #side: number;
  readonly #interrupt: { requested(): boolean };
  readonly #parcel: rings.Parcel;
  /** The registration of the event loop, while one is pending. */
  #rung: Promise<unknown> | undefined;

  constructor(modules: Modules, plan: Plan, context: Context, row: RingRow, round: number, interrupt: { requested(): boolean }) {
    this.#modules = modules;
    this.#plan = plan;
    this.#context = context;
    this.#self = context.thread + 1;
    this.#side = plan.does === 'push' ? modules.raw.PUSH : modules.raw.POP;
    this.#interrupt = interrupt;
    const value = this.#self * 10 + round;
    this.#parcel = plan.does === 'push' ? { bytes: Uint8Array.of(value, 0, 0, 0, value), isJson: true } : { bytes: Uint8Array.of(), isJson: false };
    this.segment = smallSegment(audited(context, row, this.#parcel), sizeOf(row));
    this.#queue = placeOf(this.segment);
  }

  run(): void {
    const { by = 'block', does } = this.#plan;
    const { ghost } = this.#context;
    if (does === 'make') return this.#make();
    ghost.set(movedGhost(this.#self), 0);
    const result = by === 'try' ? this.#attempt() : by === 'flow' ? this.#flow() : this.#block();
    const moved = ghost.get(movedGhost(this.#self));
    const { words } = this.segment;
    this.#context.assert(words.load(agentAt(this.segment, this.#self) + wants.at) === 0, 'leaves its row behind');
    for (const number of [0, 1]) this.#context.assert(words.load(cellAt(this.segment, this.#self, number) + INTEREST) === 0, 'leaves its cell behind');
    if (result > 0) {
      this.#context.assert(moved === result, `told ${result}, and it was ${moved}`);
      return;
    }
    this.#context.assert(moved === 0, `told ${result}, and its item was moved`);
    this.#checkRefusal(result);
  }

  #checkRefusal(result: number): void {
    const { limited, cancellable, by } = this.#plan;
    const { ghost } = this.#context;
    const { raw } = this.#modules;
    const isExpected =
      (result === TIMED_OUT && limited) ||
      (result === INTERRUPTED && cancellable) ||
      (result === raw.SHUT && ghost.get('closed') === 1) ||
      (result === raw.ENDED && ghost.get('ended') === 1) ||
      (result === raw.BUSY && by === 'try');
    this.#context.assert(isExpected === true, `told ${result}`);
    // Nothing is pushed any more, so this stays so.
    if (result === raw.ENDED && this.#side === raw.POP) ghost.set('drained', 1);
  }

  #make(): void {
    const { raw } = this.#modules;
    const { capacity = 1 } = this.#plan;
    const { words } = this.segment;
    const number = this.#plan.other ? 1 : 0;
    const result = raw.reserve(this.segment, slotAt(this.segment, number), this.#self, capacity, ITEM_BYTES, 1);
    const at = raw.ringOf(words, slotAt(this.segment, number));
    if (result === raw.NO_STORAGE) return this.#context.assert(raw.storageOf(capacity, ITEM_BYTES) > HEAP / 2, 'there is room, and it is told that there is none');
    this.#context.assert(result === raw.READY, `told ${result}`);
    this.#context.assert(at !== 0 && raw.itemBytesOf(words, at) === ITEM_BYTES && raw.roomOf(this.segment, at) === this.#queue.room, 'not ready, and told so');
    const { ghost } = this.#context;
    const made = ghost.get(`made ${number}`);
    this.#context.assert(made === 0 || made === at, 'made twice');
    this.#context.assert(ghost.get(`made ${1 - number}`) !== at, 'two queues in one place');
    ghost.set(`made ${number}`, at);
  }

  #attempt(): number {
    const { raw } = this.#modules;
    return raw.attempt(this.segment, this.#queue, this.#self, this.#side, this.#parcel, raw.AT_ONCE);
  }

  /** As `Queue` of src/locks. */
  #block(): number {
    const { raw } = this.#modules;
    const { limited, cancellable } = this.#plan;
    return raw.moveQueued(this.segment, this.#queue, this.#self, this.#side, this.#parcel, 0, limited ? LATER : Infinity, cancellable && this.#interrupt);
  }

  /** As `FlowQueue` of src/locks and `Mailbox` of src/agent, with one flow. */
  #flow(): number {
    const { queue } = this.#modules;
    queue.publishCell(this.segment, this.#slot, this.#self, queue.takeTicket(this.segment, this.#slot));
    const looked = this.#look();
    const begun = looked === BUSY ? this.#arm() : looked;
    return begun === BUSY ? this.#endFlow() : begun;
  }

  get #slot(): number {
    return this.#modules.raw.slotOf(this.#queue, this.#side);
  }

  #look(): number {
    const { raw, queue } = this.#modules;
    const result = raw.attemptForFlow(this.segment, this.#queue, this.#self, this.#side, this.#parcel);
    if (result > 0) {
      queue.clearCell(this.segment, this.#slot, this.#self);
      return result;
    }
    return result === BUSY ? BUSY : this.#giveUp(result);
  }

  #arm(): number {
    const { park } = this.#modules;
    for (;;) {
      const seen = park.ringsOf(this.segment, this.#self);
      const looked = this.#look();
      if (looked !== BUSY) return looked;
      this.#rung = park.arm(this.segment, this.#self, seen);
      if (this.#rung !== undefined) return BUSY;
    }
  }

  #endFlow(): number {
    const { park } = this.#modules;
    for (;;) {
      if (this.#context.settled(this.#rung!, this.#plan.limited ? LATER : Infinity) === 'timed-out') return this.#giveUp(TIMED_OUT);
      park.disarm(this.segment, this.#self);
      const looked = this.#arm();
      if (looked !== BUSY) return looked;
    }
  }

  #giveUp(result: number): number {
    this.#modules.raw.withdrawFlows(this.segment, this.#queue, this.#self, this.#side);
    return result;
  }
}

// Of src/raw/mutex.ts.
const BUSY = 0;
const TIMED_OUT = -1;
const INTERRUPTED = -2;

function movedGhost(id: number): string {
  return `moved ${id}`;
}

/** The words, with an eye on what is pushed and popped. */
function audited(context: Context, row: RingRow, parcel?: rings.Parcel): ModelWords {
  const { words, ghost } = context;
  const empty = smallSegment(words, sizeOf(row));
  const queue = placeOf(empty);
  const made = isMade(row);
  return {
    ...words,
    store(at, value) {
      words.store(at, value);
      if (!made) return;
      if (at === queue.ring + ring.fields.tail.at) notePush(context, row, parcel!);
      if (at === queue.ring + ring.fields.head.at) notePop(context, row, parcel!);
    },
    wait(at, expected, timeoutMs) {
      const bit = 1 << (context.thread + 1);
      if (timeoutMs === PAUSE_MS) ghost.set('pausing', ghost.get('pausing') | bit);
      const result = words.wait(at, expected, timeoutMs);
      if (timeoutMs === PAUSE_MS) ghost.set('pausing', ghost.get('pausing') & ~bit);
      return result;
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before !== expected) return before;
      if (at === queue.items) {
        context.assert((next & ~(OWNER | CLOSED)) === 0, `the word is in no legal state: ${next}`);
        if (next & CLOSED) ghost.set('closed', 1);
      }
      if (at === queue.ring + ring.fields.closed.at) ghost.set('ended', 1);
      return before;
    },
  };
}

function pushedOf(ghost: Ghosts, row: RingRow): number {
  return ghost.get('pushed') + (row.filled ?? 0);
}

function notePush(context: Context, row: RingRow, parcel: rings.Parcel): void {
  const { ghost, thread } = context;
  const before = pushedOf(ghost, row);
  context.assert(before - ghost.get('popped') < row.capacity, 'more is pushed than there is room for');
  context.assert(ghost.get('drained') === 0, 'pushed after somebody was told that nothing will come');
  ghost.set(`item ${before}`, parcel.bytes[0]!);
  ghost.add('pushed', 1);
  ghost.set(movedGhost(thread + 1), before + 1);
}

function notePop(context: Context, row: RingRow, parcel: rings.Parcel): void {
  const { ghost, thread } = context;
  const before = ghost.get('popped');
  context.assert(before < pushedOf(ghost, row), 'more is popped than was pushed');
  const expected = before < (row.filled ?? 0) ? filledValue(before) : ghost.get(`item ${before}`);
  context.assert(parcel.bytes.length === ITEM_BYTES && parcel.isJson, 'an item changes its shape');
  context.assert(parcel.bytes[0] === expected && parcel.bytes[4] === expected, `popped ${parcel.bytes.join()} where ${expected} was pushed`);
  ghost.add('popped', 1);
  ghost.set(movedGhost(thread + 1), before + 1);
}

/** What is wrong when nothing moves any more, but time-outs. */
function whatIsLeft({ raw }: Modules, segment: Segment, row: RingRow, ghost: Ghosts): string | undefined {
  const { words } = segment;
  const queue = placeOf(segment);
  const inside = words.load(queue.items) & OWNER;
  if (inside !== 0) return `agent ${inside} is in the section for ever`;
  if (!isMade(row)) return words.load(HEAP_USED.at) > HEAP ? 'more is reserved than there is' : undefined;
  const pushed = pushedOf(ghost, row);
  const popped = ghost.get('popped');
  const length = raw.lengthOf(words, queue.ring);
  if (ghost.get('drained') === 1 && length > 0) return 'told that nothing is left, and something is';
  if (length !== pushed - popped) return `${pushed} were pushed and ${popped} popped, and ${length} are there`;
  if (raw.countOf(words, queue, raw.PUSH) !== pushed || raw.countOf(words, queue, raw.POP) !== popped) return 'the counts are wrong';
  const isOver = ghost.get('ended') === 1 || ghost.get('closed') === 1;
  const isCancelled = words.load(smallSegment(words, sizeOf(row)).size) !== 0;
  for (const [thread, { by, cancellable }] of row.agents.entries()) {
    const id = thread + 1;
    const record = agentAt(segment, id);
    const row = words.load(record + wants.at);
    const popsAsFlow = words.load(cellAt(segment, id, 0) + INTEREST) !== 0;
    const pushesAsFlow = words.load(cellAt(segment, id, 1) + INTEREST) !== 0;
    const waits = row !== 0 || popsAsFlow || pushesAsFlow;
    if ((ghost.get('died') & (1 << thread)) !== 0) {
      if (waits) return `agent ${id} is dead and waits`;
      continue;
    }
    if (waits && isOver) return `agent ${id} waits after the end`;
    if (waits && isCancelled && cancellable) return `agent ${id} is cancelled and waits`;
    if ((row === 1 || popsAsFlow) && length > 0) return `agent ${id} sleeps and could pop`;
    if ((row === 2 || pushesAsFlow) && length < words.load(queue.ring + ring.fields.capacity.at)) return `agent ${id} sleeps and could push`;
    if (!waits && words.load(record + parkWord.at) & ASLEEP) return `agent ${id} is marked as asleep`;
    if (!waits && by !== 'flow' && words.load(record + mailbox.at) & ASLEEP) return `the event loop of agent ${id} is marked as asleep`;
  }
  return undefined;
}

/**
 * Nothing is left of an attempt to enter the section that has failed, nor of the sleep after it. So two histories are the same that differ
 * by such attempts only.
 */
function forgetPauses(row: RingRow): NonNullable<ThreadPlan['merge']> {
  const lock = slotAt(smallSegment({} as never, sizeOf(row)), 0);
  return (next: Request, history: readonly Recorded[]): string | undefined => {
    // What a ghost was is part of the next one only.
    if (next.kind.startsWith('ghost')) return undefined;
    const own = history.filter(({ request }) => !request.kind.startsWith('ghost'));
    const kept: Recorded[] = [];
    for (let i = 0; i < own.length; i++) {
      const end = endOfPause(own, i, lock);
      if (end === undefined) kept.push(own[i]!);
      else i = end;
    }
    return kept.map(({ request, result }) => `${request.kind} ${request.at} ${request.a} ${request.b} ${result}`).join();
  };
}

/** Where an attempt to enter that begins there, and the pause after it, ends; `undefined`: none does, or it has not come to its end. */
function endOfPause(history: readonly Recorded[], from: number, lock: number): number | undefined {
  const { request, result } = history[from]!;
  if (request.kind !== 'load' || request.at !== lock) return undefined;
  const next = history[from + 1];
  const isTaken = (result & OWNER) !== 0;
  const isLost = !isTaken && next?.request.kind === 'compareExchange' && next.request.at === lock && next.result !== next.request.a;
  if (!isTaken && !isLost) return undefined;
  // How often it was woken, the marks around the sleep, and then the look for whom to patrol.
  let i = from + (isLost ? 2 : 1);
  for (const kind of ['load', 'add', 'wait', 'add', 'load']) {
    if (history[i]?.request.kind === kind) i++;
    else if (kind !== 'wait') return undefined;
  }
  return i - 1;
}
