import { describe } from 'vitest';
import { header, primitives, slot } from '../../native-layout/index.js';
import * as waits from '../../src/deadlock/wait-for.js';
import * as parking from '../../src/park/park.js';
import * as mutex from '../../src/raw/mutex.js';
import * as queues from '../../src/raw/queue.js';
import * as permits from '../../src/raw/semaphore.js';
import * as slots from '../../src/raw/slots.js';
import { type Segment, slotAt } from '../../src/shm/segment.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import { type Row, scenarioOf } from '../harness/cast.js';
import { mutate } from '../harness/mutants.js';
import type { Context, Scenario } from '../harness/scenario.js';
import { type Costly, testMutants, testRows } from '../model/bounds.js';
import { attachAll, KIND_AT, smallSegment } from '../model/small-segment.js';

interface Modules {
  readonly waits: typeof waits;
  readonly mutex: typeof mutex;
  readonly semaphore: typeof permits;
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** Numbers of the slots that an agent acquires, one after the other, and then releases; a negative one (−1 − number) is released at once. */
interface Plan {
  readonly takes: readonly number[];
  /** Its waits have a time-out. */
  readonly limited?: true;
}

interface WaitRow extends Row<Plan>, Costly {
  readonly fairness?: 'fifo';
  /** The number of a slot that is a semaphore of one permit. */
  readonly semaphore?: number;
  /** The order in which they take the locks can not lead to a cycle. */
  readonly ordered?: true;
}

const SLOTS = 3;
const LATER = 1e15;
const FIFO = 1 << slot.fields.kind.bits.fifo.bit;
const ONE_PERMIT = primitives.semaphore | (1 << slot.fields.kind.bits.parameter.bit);
const SLOT_HIGH = header.fields.slotHigh.at;

// Ghosts. `victims`: who was refused and has not released yet, by what it wanted (`frozen`), so nobody of its cycle may go on. `refused`: how many.

function waitScenario({ waits: { cycleToYieldTo }, mutex: raw, semaphore, queue, park, slots: recovery }: Modules, row: WaitRow): Scenario {
  const size = { agents: row.agents.length, slots: SLOTS };
  const empty = smallSegment({} as never, size);
  const addresses = addressesOf(empty);
  const isConstant = isField(addresses, 'slot.kind', 'header.agentHigh');
  const isOwn = isField(addresses, 'agent.ticket');

  /** `true` if it holds the lock now. */
  function acquire(context: Context, segment: Segment, number: number, wait: 'limited' | 'unlimited'): boolean {
    const { words, ghost, thread } = context;
    const at = slotAt(segment, number);
    const self = thread + 1;
    const isPermit = number === row.semaphore;
    const token = isPermit ? semaphore.tryAcquire(segment, at, self, 1) : raw.tryAcquire(words, at, self);
    if (token !== 0) return true;
    let cycle: readonly waits.Edge[] | undefined;
    const interrupt: mutex.Interrupt = { requested: () => (cycle = cycleToYieldTo(segment, self)) !== undefined };
    const deadline = wait === 'limited' ? LATER : Infinity;
    const result = isPermit
      ? semaphore.acquireQueued(segment, at, self, 1, 0, deadline, interrupt)
      : raw.acquireQueued(segment, at, self, raw.TAKE_INCONSISTENT, 0, deadline, interrupt);
    if (result > 0) {
      context.assert(!(ghost.get('frozen') & (1 << number)), 'refused for a cycle that somebody could leave');
      return true;
    }
    context.assert(result === (cycle === undefined ? raw.TIMED_OUT : raw.INTERRUPTED), `told ${result}`);
    if (cycle === undefined) return false;
    context.assert(!row.ordered, 'refused, and no cycle is possible');
    context.assert(cycle[0]!.id === self && cycle[0]!.slotNumber === number, 'not a cycle of its own');
    ghost.add('refused', 1);
    // Until this thread releases, none of the others can have what it waits for.
    if (row.deaths === undefined) ghost.set('frozen', cycle.slice(1).reduce((mask, edge) => mask | (1 << edge.slotNumber), ghost.get('frozen')));
    return false;
  }

  const scenario = scenarioOf<Plan>(
    {
      setup(words) {
        const segment = attachAll(words, size);
        words.store(SLOT_HIGH, SLOTS);
        if (row.semaphore !== undefined) words.store(slotAt(segment, row.semaphore) + KIND_AT, ONE_PERMIT);
        if (row.fairness === 'fifo') for (let number = 0; number < SLOTS; number++) words.store(slotAt(segment, number) + KIND_AT, FIFO);
      },
      nameOf: (at) => addresses.get(at)?.name,
      describe: (at, value) => describeValue(addresses.get(at), value),
      opaque: isField(addresses, 'slot.token', 'slot.contended', 'slot.ownerDeaths', 'slot.deathThread', 'slot.deathAt', 'agent.claim', 'agent.wantsSince', 'agent.wantsToken'),
      writerOf: (at) => (isConstant(at) ? 'nobody' : isOwn(at) ? addresses.get(at)!.record - 1 : undefined),
      agent: ({ takes, limited }, thread) => ({
        body(context: Context) {
          const segment = smallSegment(context.words, size);
          const held: number[] = [];
          const release = (number: number): void => {
            const at = slotAt(segment, number);
            context.ghost.set('frozen', context.ghost.get('frozen') & ~(1 << number));
            if (number === row.semaphore) return context.assert(semaphore.release(segment, at, thread + 1, 1), 'the permit is gone');
            raw.declareConsistent(context.words, at, thread + 1);
            context.assert(raw.tryRelease(context.words, at, thread + 1) || raw.release(segment, at, thread + 1), 'the owner can not release');
          };
          for (const number of takes) {
            if (number < 0) release(held.splice(held.indexOf(-1 - number), 1)[0]!);
            else if (acquire(context, segment, number, limited ? 'limited' : 'unlimited')) held.push(number);
            else break;
          }
          for (const number of held.reverse()) release(number);
        },
      }),
      recover(context, { thread }) {
        const segment = smallSegment(context.words, size);
        const dead = thread + 1;
        queue.clearRow(segment, dead);
        for (let number = 0; number < SLOTS; number++) recovery.recoverSlot(segment, slotAt(segment, number), dead, 0);
        for (let id = 1; id <= segment.agentLimit; id++) if (id !== dead) park.unpark(segment, id);
      },
      final(words, ghost) {
        const segment = smallSegment(words, size);
        for (let number = 0; number < SLOTS; number++) if (words.load(slotAt(segment, number)) & 0xffff) return `slot ${number} is held at the end`;
        if (row.agents.length === 2 && ghost.get('refused') > 1) return 'two victims of one cycle';
        return undefined;
      },
    },
    row,
  );
  // Who waits for the section of a semaphore sleeps a moment, again and again.
  return row.semaphore === undefined ? scenario : { ...scenario, timeouts: 2 };
}

const modules: Modules = { waits, mutex, semaphore: permits, queue: queues, park: parking, slots };

const opposite: WaitRow = { name: 'two threads, two locks, in opposite order', agents: [{ takes: [0, 1] }, { takes: [1, 0] }] };
/** Of two that begin at the same time, the one with the higher id is to give up, so that one is the one to look. */
const passing: WaitRow = { name: 'one lock changes hands while another thread looks', agents: [{ takes: [1, -2, 0] }, { takes: [0, 1] }], ordered: true };
const permit: WaitRow = { ...passing, name: 'a permit changes hands while another thread looks', semaphore: 1 };
const dying: WaitRow = { ...opposite, name: 'two threads, two locks, in opposite order, and one dies', deaths: 1 };

const rows: readonly WaitRow[] = [
  opposite,
  { ...opposite, name: 'the same, handed over', fairness: 'fifo' },
  { ...opposite, name: 'the same, one with a time-out', agents: [{ takes: [0, 1], limited: true }, { takes: [1, 0] }] },
  passing,
  { ...passing, name: 'the same, handed over', fairness: 'fifo' },
  permit,
  { ...opposite, name: 'two threads, a mutex and a permit, in opposite order', semaphore: 1 },
  dying,
  { name: 'two threads in one order', agents: [{ takes: [0, 1] }, { takes: [0, 1] }], ordered: true },
  { name: 'three threads, three locks', agents: [{ takes: [0, 1] }, { takes: [1, 2] }, { takes: [2, 0] }], only: 'full' },
  { name: 'a third waits for one of the two', agents: [{ takes: [0, 1] }, { takes: [1, 0] }, { takes: [0] }], only: 'full' },
];

describe('threads that wait for each other', () => testRows(rows, (row) => waitScenario(modules, row)));

const files = {
  waits: 'src/deadlock/wait-for.ts',
  mutex: 'src/raw/mutex.ts',
  semaphore: 'src/raw/semaphore.ts',
  queue: 'src/raw/queue.ts',
  park: 'src/park/park.ts',
  slots: 'src/raw/slots.ts',
};

const mutants: readonly { readonly row: WaitRow; readonly name: string; readonly find: string; readonly replace: string }[] = [
  { row: permit, name: 'believes one collection', find: '    const again = collect(segment, self);\n', replace: '    const again = seen;\n' },
  { row: opposite, name: 'never looks', find: 'if (seen === undefined) return undefined;', replace: 'if (seen !== undefined || seen === undefined) return undefined;' },
  { row: opposite, name: 'gives up whoever is the youngest', find: 'if (victim !== self) {', replace: 'if (victim < 0) {' },
  { row: opposite, name: 'leaves it to the youngest', find: '      unpark(segment, victim);\n', replace: '' },
  { row: opposite, name: 'of equals, each takes itself for the youngest', find: 'began === sinceMs && id < youngest', replace: 'began === sinceMs' },
  { row: opposite, name: 'takes a row for a wait of the next slot', find: 'const wait = waitFor(segment, id, wants - 1);', replace: 'const wait = waitFor(segment, id, wants);' },
];

describe('the model catches', () =>
  testMutants(mutate<Record<string, object>>(files, mutants) as never, (mutant: Modules, i) => waitScenario({ ...modules, ...mutant }, mutants[i]!.row)));
