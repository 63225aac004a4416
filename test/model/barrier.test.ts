import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as raw from '../../src/raw/barrier.js';
import * as queue from '../../src/raw/queue.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { barrierScenario, type BarrierRow, type Modules, type Plan } from './barrier-cast.js';
import { type Costly, testMutants, testRows } from './bounds.js';

const production: Modules = { raw, queue, park, slots };

const wait: Plan = {};
const twice: Plan = { rounds: 2 };
const fragile: Plan = { fragile: true };
const limited: Plan = { limited: true, fragile: true };
const limitedTwice: Plan = { limited: true, fragile: true, rounds: 2 };
const flow: Plan = { by: 'flow' };
const limitedFlow: Plan = { by: 'flow', limited: true, fragile: true };
const reset: Plan = { by: 'reset' };
const abort: Plan = { by: 'abort' };
const abortAndReset: Plan = { by: 'abort and reset' };

type CostlyRow = BarrierRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: '1 party', parties: 1, agents: [twice, { by: 'flow' }] },
  { name: '2 parties', parties: 2, agents: [wait, wait] },
  { name: '2 parties, twice', parties: 2, agents: [twice, twice] },
  { name: '2 parties, 4 come', parties: 2, agents: [wait, wait, wait, wait], only: 'full' },
  { name: '3 parties', parties: 3, agents: [wait, wait, wait] },
  { name: '2 parties, a time-out', parties: 2, agents: [fragile, limited] },
  { name: '2 parties, two time-outs, twice', parties: 2, agents: [limitedTwice, limitedTwice] },
  { name: '3 parties, a time-out', parties: 3, agents: [limited, fragile, fragile], only: 'full' },
  { name: 'one comes, reset', parties: 2, agents: [limited, reset] },
  { name: 'one comes twice, reset', parties: 2, agents: [limitedTwice, reset] },
  { name: 'a flow comes, reset', parties: 2, agents: [limitedFlow, reset] },
  { name: 'one comes, aborted', parties: 2, agents: [limited, abort] },
  { name: '2 parties, aborted', parties: 2, agents: [limited, limited, abort], only: 'full' },
  { name: '2 parties, aborted and reset', parties: 2, agents: [limited, limited, abortAndReset], only: 'full' },
  { name: '2 parties, one comes twice, reset', parties: 2, agents: [limitedTwice, limited, reset], only: 'full' },
  { name: '2 parties, a flow and a thread, reset', parties: 2, agents: [limitedFlow, limited, reset], only: 'full' },
  { name: '2 parties, closed', parties: 2, agents: [wait, flow], others: ['closes'] },
  { name: '2 parties, a death', parties: 2, agents: [limited, limited], deaths: 1 },
  { name: '2 of 3 parties come, a death', parties: 3, agents: [limited, limited], deaths: 1 },
  { name: '2 parties, two deaths, two recoverers', parties: 2, agents: [limited, limited], deaths: 2, recoverers: 2 },
  { name: '2 of 3 parties come, two deaths, two recoverers', parties: 3, agents: [limited, limited], deaths: 2, recoverers: 2 },
  { name: '2 parties, twice, a death', parties: 2, agents: [limitedTwice, limitedTwice], deaths: 1 },
  { name: 'one comes, reset, a death', parties: 2, agents: [limited, reset], deaths: 1 },
  { name: '3 parties, a death', parties: 3, agents: [limited, limited, limited], deaths: 1, only: 'full' },
  { name: '2 parties, two flows', parties: 2, agents: [flow, flow] },
  { name: '2 parties, a flow and a thread, a time-out', parties: 2, agents: [limitedFlow, limited] },
  { name: '2 parties, a flow and a thread, a death', parties: 2, agents: [limitedFlow, limited], deaths: 1 },
  { name: '2 of 3 parties come, a flow and a thread, a death', parties: 3, agents: [limitedFlow, limited], deaths: 1 },
];

describe('every schedule', () => {
  testRows(rows, (row) => barrierScenario(production, row));
});

const SLOTS = 'src/raw/slots.ts';

const two: BarrierRow = { name: '2 parties', parties: 2, agents: [wait, wait] };
const three: BarrierRow = { name: '3 parties', parties: 3, agents: [wait, wait, wait] };
const late: BarrierRow = { name: '2 parties, a time-out', parties: 2, agents: [fragile, limited] };
const broken: BarrierRow = { name: 'one comes, reset', parties: 2, agents: [limited, reset] };
const brokenFlow: BarrierRow = { name: 'a flow comes, reset', parties: 2, agents: [limitedFlow, reset] };
const slow: BarrierRow = { name: '2 parties, the next generation aborted and reset', parties: 2, agents: [fragile, fragile, abortAndReset] };
const deadly: BarrierRow = { name: '2 of 3 parties come, a death', parties: 3, agents: [limited, limited], deaths: 1 };
const deadlyFlow: BarrierRow = { name: '2 of 3 parties come, a flow and a thread, a death', parties: 3, agents: [limitedFlow, limited], deaths: 1 };
const lateFlow: BarrierRow = { name: '2 parties, a flow and a thread, a time-out', parties: 2, agents: [limitedFlow, limited] };

const PUBLISH =
  '    if (!isPublished) {\n      writeAmount(segment, self, tally & GENERATION);\n      publishRow(segment, slotAddress, self, sinceMs);\n      isPublished = true;\n    }\n';
const ARRIVE = '    if (words.compareExchange(slotAddress + TALLY, tally, tally + 1) === tally) break;\n';
const BREAK = 'if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;\n  wakeAll(segment, slotAddress);\n  return true;\n}\n\n/** #1 → #2 in that';
const BEGIN = 'if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;\n  wakeAll(segment, slotAddress);\n  return true;\n}\n\n/** #1 → #2. `false`';

const mutations: readonly (Mutation & { readonly caughtBy: BarrierRow })[] = [
  { name: 'counts, then publishes', find: PUBLISH + ARRIVE, replace: `    if (words.compareExchange(slotAddress + TALLY, tally, tally + 1) === tally) {\n      writeAmount(segment, self, tally & GENERATION);\n      publishRow(segment, slotAddress, self, sinceMs);\n      break;\n    }\n`, caughtBy: deadly },
  { name: 'counts by a store', find: ARRIVE, replace: '    words.store(slotAddress + TALLY, tally + 1);\n    break;\n', caughtBy: two },
  { name: 'begins by a store', find: BEGIN, replace: BEGIN.replace('if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;', 'segment.words.store(slotAddress + TALLY, next);'), caughtBy: { ...late, agents: [limited, limited] } },
  { name: 'the last to come wakes nobody', find: BEGIN, replace: BEGIN.replace('  wakeAll(segment, slotAddress);\n', ''), caughtBy: two },
  { name: 'breaks by a store', find: BREAK, replace: BREAK.replace('if (segment.words.compareExchange(slotAddress + TALLY, tally, next) !== tally) return false;', 'segment.words.store(slotAddress + TALLY, next);'), caughtBy: late },
  { name: 'who breaks it wakes nobody', find: BREAK, replace: BREAK.replace('  wakeAll(segment, slotAddress);\n', ''), caughtBy: { ...late, name: '3 parties, a time-out', parties: 3, agents: [limited, fragile] } },
  { name: 'who is out of time breaks nothing', find: "result = breakUp(segment, slotAddress, tally, breaks.timeout, self) ? TIMED_OUT : BUSY;", replace: 'result = TIMED_OUT;', caughtBy: { ...three, agents: [limited, limited, limited] } },
  { name: 'who is out of time does not look again', find: 'breaks.timeout, self) ? TIMED_OUT : BUSY;', replace: 'breaks.timeout, self) ? TIMED_OUT : TIMED_OUT;', caughtBy: late },
  { name: 'passes with one fewer', find: 'if ((tally & ARRIVED) + 1 < partiesOf(segment, slotAddress)) return BUSY;', replace: 'if ((tally & ARRIVED) + 2 < partiesOf(segment, slotAddress)) return BUSY;', caughtBy: three },
  { name: 'does not see that it is broken', find: '    if (tally & REASON) result = BROKEN;\n    else if', replace: '    if', caughtBy: { ...late, name: '3 parties, a time-out', parties: 3, agents: [limited, fragile] } },
  { name: 'the wakes are read too late', find: 'park(segment, self, seen, deadline, suspect)', replace: 'park(segment, self, wakesOf(segment, self), deadline, suspect)', caughtBy: two },
  { name: 'leaves its row', find: 'return withdraw(segment, slotAddress, self) ? passed : BROKEN;', replace: 'return passed;', caughtBy: two },
  { name: 'does not see that its generation was broken', find: 'return withdraw(segment, slotAddress, self) ? passed : BROKEN;', replace: 'withdraw(segment, slotAddress, self);\n      return passed;', caughtBy: broken },
  { name: 'resets without a mark', find: '      markAll(segment, slotAddress, tally & GENERATION);\n', replace: '', caughtBy: broken },
  { name: 'resets, then marks', find: '      markAll(segment, slotAddress, tally & GENERATION);\n      begin(segment, slotAddress, tally);\n', replace: '      begin(segment, slotAddress, tally);\n      markAll(segment, slotAddress, tally & GENERATION);\n', caughtBy: broken },
  { name: 'marks whoever waits', find: ' && amountOf(segment, id) === generation;', replace: ';', caughtBy: slow },
  { name: 'marks no flows', find: '    words.compareExchange(holdAt(segment, slotAddress, id), hold, hold | BROKE);\n', replace: '', caughtBy: brokenFlow },
  { name: 'flows do not look for a mark', find: 'return words.load(holdAt(segment, slotAddress, self)) & BROKE ? BROKEN : LAST;', replace: 'return LAST;', caughtBy: brokenFlow },
  { name: 'resetting breaks nothing', find: '    breakUp(segment, slotAddress, tally, breaks.reset, self);\n', replace: '    begin(segment, slotAddress, tally);\n    break;\n', caughtBy: { ...broken, name: 'one of 3 parties comes, reset', parties: 3 } },
  { name: 'flows count, and publish nothing', find: '      words.store(at, hold);\n', replace: '', caughtBy: deadlyFlow },
  { name: 'a flow that is out of time breaks nothing', find: 'return breakGeneration(segment, slotAddress, generation, reason, self) || attemptForFlow', replace: 'return attemptForFlow', caughtBy: { ...lateFlow, name: '3 parties, flows, a time-out', parties: 2, agents: [limitedFlow, limitedFlow] } },
  { name: 'a flow that is out of time does not look again', find: 'reason, self) || attemptForFlow(segment, slotAddress, self, generation) !== LAST;', replace: 'reason, self) || true;', caughtBy: lateFlow },
  { name: 'the dead break nothing', find: 'breakGeneration(segment, slotAddress, amountOf(segment, dead), breaks.died, dead);', replace: '', caughtBy: deadly },
  { name: 'dead flows break nothing', find: '  if (!(hold & BROKE)) breakGeneration(segment, slotAddress, hold & GENERATION, breaks.died, dead);\n', replace: '', caughtBy: deadlyFlow },
  { name: 'the dead break whatever generation it is', find: 'if ((tally & GENERATION) !== generation || tally & REASON) return false;', replace: 'if (tally & REASON) return false;', caughtBy: { ...deadly, name: '2 parties, twice, a death', parties: 2, agents: [limitedTwice, limitedTwice] } },
  { name: 'recovery clears the row, then breaks', file: SLOTS, find: 'if (waiting !== 0 && barrier.isBarrier(segment.words, waiting)) barrier.recoverWaiter(segment, waiting, dead);\n  const signalled = withdrawDead(segment, dead);\n', replace: 'const signalled = withdrawDead(segment, dead);\n  if (waiting !== 0 && barrier.isBarrier(segment.words, waiting)) barrier.recoverWaiter(segment, waiting, dead);\n', caughtBy: { ...deadly, name: '2 of 3 parties come, two deaths, two recoverers', deaths: 2, recoverers: 2 } },
];

// Not listed, since nothing goes wrong: a mark of the flows of an agent, which has left, that is never cleared.

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/barrier.ts', queue: 'src/raw/queue.ts', park: 'src/park/park.ts', slots: SLOTS }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => barrierScenario(modules, mutations[i]!.caughtBy));
});
