import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/mutex.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMerging, testMutants, testRows } from './bounds.js';
import { type Modules, mutexScenario, type MutexRow, type Plan } from './mutex-cast.js';

const production: Modules = { raw, queue, park, slots };

const blocked: Plan = {};
const flow: Plan = { by: 'flow' };
const limitedFlow: Plan = { by: 'flow', limited: true };
const stuckFlow: Plan = { by: 'flow', stuck: true };
const both: Plan = { by: 'both' };
const behind: Plan = { by: 'behind' };
const holding: Plan = { holds: true };
const newcomer: Plan = { by: 'try', rounds: 2 };
const refusing: Plan = { refuses: true };
const refusingFlow: Plan = { by: 'flow', refuses: true };

type CostlyRow = MutexRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: 'two flows', agents: [flow, flow] },
  { name: 'a flow and a blocked thread, twice', agents: [{ ...flow, rounds: 2 }, { ...blocked, rounds: 2 }] },
  { name: 'a flow waits while its thread blocks', agents: [both, blocked] },
  { name: 'two flows wait while their threads block', agents: [both, both] },
  { name: 'a flow waits for what its thread holds', agents: [behind, blocked] },
  { name: 'two flows wait for what their threads hold', agents: [behind, behind] },
  { name: 'three flows', agents: [flow, flow, flow] },
  { name: 'two flows and a blocked thread', agents: [flow, blocked, flow] },
  { name: 'a flow and two blocked threads, a time-out', agents: [flow, { limited: true }, blocked] },
  { name: 'two flows, a time-out, and a blocked thread', agents: [limitedFlow, blocked, flow] },
  { name: 'a flow beside a newcomer, a time-out', agents: [limitedFlow, blocked, newcomer] },
  { name: 'a stuck event loop holds up nobody', agents: [stuckFlow, blocked, blocked] },
  { name: 'a stuck event loop holds up no other', agents: [stuckFlow, flow, blocked] },
  { name: 'a flow waits while its thread blocks, a third', agents: [both, blocked, flow], only: 'full' },
  { name: 'a flow waits for what its thread holds, a third', agents: [behind, blocked, flow], only: 'full' },
  { name: 'held for ever, a time-out', agents: [holding, limitedFlow] },
  { name: 'held for ever, closed', agents: [holding, flow], others: ['closes'] },
  { name: 'held for ever, closed, two wait', agents: [holding, flow, blocked], others: ['closes'], only: 'full' },
  { name: 'closed', agents: [flow, blocked], others: ['closes'] },
  { name: 'two flows, two deaths', agents: [flow, limitedFlow], deaths: 2 },
  { name: 'a flow waits while its thread blocks, two deaths', agents: [both, blocked], deaths: 2 },
  { name: 'a death, the dead one is started anew', agents: [flow, both], deaths: 1, respawns: 1 },
  { name: 'two deaths, two recoverers', agents: [flow, both], deaths: 2, recoverers: 2 },
  { name: 'a stuck event loop, a death', agents: [stuckFlow, blocked, blocked], deaths: 1, only: 'full' },
  { name: 'two flows and a blocked thread, a death', agents: [flow, blocked, flow], deaths: 1, only: 'full' },
  { name: 'two flows, a time-out, and a blocked thread, a death', agents: [limitedFlow, blocked, flow], deaths: 1, only: 'full' },
  { name: 'a flow waits while its thread blocks, a third, a death', agents: [both, blocked, flow], deaths: 1, only: 'full' },
  { name: 'two refuse, one declares, a death', agents: [refusingFlow, refusing, flow], deaths: 1 },
  { name: 'two flows refuse, two deaths', agents: [refusingFlow, refusingFlow, blocked], deaths: 2, only: 'full' },
  { name: 'two flows and a blocked thread, two deaths', agents: [flow, blocked, flow], deaths: 2, only: 'full' },
  { name: 'closed, a death', agents: [flow, blocked, flow], others: ['closes'], deaths: 1, only: 'full' },
];

const modes = [
  { mode: 'eventual' },
  { mode: 'fifo', fairness: 'fifo' },
] as const;

describe.each(modes)('every schedule, $mode', ({ mode, ...settings }) => {
  testRows(rows, (row) => mutexScenario(production, { ...row, ...settings, reduction: 'merged', name: `${row.name} (${mode})` }));
});

const ordered: MutexRow = { name: 'a flow before a blocked thread', agents: [blocked, flow, blocked], fairness: 'fifo', checks: 'order', reduction: 'merged' };

describe('fifo hands nothing over past an older flow', () => {
  testRows([ordered], (row) => mutexScenario(production, row));
});

describe('merging local states leaves the ends as they are', () => {
  testMerging(rows.slice(0, 4), (row, reduction) => mutexScenario(production, { ...row, reduction }));
});

const PARK = 'src/park/park.ts';
const QUEUE = 'src/raw/queue.ts';

const two: MutexRow = { name: 'two flows', agents: [flow, flow] };
const stuck: MutexRow = { name: 'a stuck event loop', agents: [stuckFlow, blocked, blocked], reduction: 'merged' };
const closed: MutexRow = { name: 'held for ever, closed', agents: [holding, flow], others: ['closes'] };
const anew: MutexRow = { name: 'a death, started anew', agents: [flow, flow], deaths: 1, respawns: 1 };

const mutations: readonly (Mutation & { readonly caughtBy: MutexRow })[] = [
  { name: 'a flow that finds the lock taken does not ask', find: 'if (ask(words, slotAddress, self, WAITERS) !== 0) return BUSY;', replace: 'return BUSY;', caughtBy: two },
  {
    name: 'a flow behind its own thread is refused',
    find: 'if (result !== BUSY && result !== HELD_BY_SELF) return result;',
    replace: 'if (result !== BUSY) return result;',
    caughtBy: { name: 'a flow waits for what its thread holds', agents: [behind, blocked] },
  },
  { name: 'fifo hands over past older flows', find: 'first !== 0 && fifo && flowIsBefore(segment, slotAddress, first) ? 0 : first', replace: 'first', caughtBy: ordered },
  { name: 'nobody rings', file: QUEUE, find: '  if (first !== 0) unpark(segment, first);\n  wakeFlows(segment, slotAddress);', replace: '  if (first !== 0) unpark(segment, first);', caughtBy: two },
  { name: 'closing rings nobody', file: QUEUE, find: 'if (isBlockedOn(segment, slotAddress, id)) unpark(segment, id);\n  wakeFlows(segment, slotAddress);', replace: 'if (isBlockedOn(segment, slotAddress, id)) unpark(segment, id);', caughtBy: closed },
  { name: 'an event loop alone is woken', file: QUEUE, find: 'if (first !== 0) unpark(segment, first);', replace: 'if (first !== 0 && !flowIsBefore(segment, slotAddress, first)) unpark(segment, first);', caughtBy: stuck },
  { name: 'a ring goes to the thread', file: PARK, find: '  wake(segment.words, agentAt(segment, id) + MAILBOX);', replace: '  wake(segment.words, agentAt(segment, id) + PARK);', caughtBy: two },
  { name: 'a wait is not announced', file: PARK, find: 'words.add(at, ASLEEP) === seen ? words.waitAsync(at, seen + ASLEEP)', replace: '(words.add(at, ASLEEP), true) ? words.waitAsync(at, seen)', caughtBy: two },
  { name: 'waits on whatever it reads', file: PARK, find: 'words.add(at, ASLEEP) === seen ? words.waitAsync(at, seen + ASLEEP)', replace: '(seen = words.add(at, ASLEEP), true) ? words.waitAsync(at, seen + ASLEEP)', caughtBy: two },
  { name: 'a wait that does not begin leaves its mark', file: PARK, find: '  if (pending === undefined) words.add(at, -ASLEEP);\n', replace: '', caughtBy: two },
  { name: 'a wait that ends leaves its mark', file: PARK, find: 'segment.words.add(agentAt(segment, self) + MAILBOX, -ASLEEP);', replace: '', caughtBy: two },
  { name: 'a record keeps the mark of its last agent', file: PARK, find: 'for (const at of [agentAt(segment, self) + PARK, agentAt(segment, self) + MAILBOX])', replace: 'for (const at of [agentAt(segment, self) + PARK])', caughtBy: anew },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/mutex.ts', queue: QUEUE, park: PARK, slots: 'src/raw/slots.ts' }, mutations);

// Not listed, since nothing goes wrong: a flow that takes the lock without WAITERS, one that withdraws without `leave`, and an
// `isAwaited` that looks at threads only. Whoever wakes a flow wakes all of them and the first thread too.
describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => mutexScenario(modules, mutations[i]!.caughtBy));
});
