import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/semaphore.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMerging, testMutants, testRows } from './bounds.js';
import { type Modules, type Plan, semaphoreScenario, type SemaphoreRow } from './semaphore-cast.js';

const production: Modules = { raw, queue, park, slots };

const one: Plan = {};
const two: Plan = { amount: 2 };
const twice: Plan = { rounds: 2 };
const limited: Plan = { limited: true };
const limitedTwo: Plan = { limited: true, amount: 2 };
const cancellable: Plan = { cancellable: true };
const holding: Plan = { holds: true };
const newcomer: Plan = { by: 'try', rounds: 2 };
const attempting: Plan = { by: 'attempt', rounds: 2 };
const flow: Plan = { by: 'flow' };
const flowOfTwo: Plan = { by: 'flow', amount: 2 };

type CostlyRow = SemaphoreRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: '1 permit, 2 × 1', permits: 1, agents: [one, one] },
  { name: '1 permit, 2 × 2', permits: 1, agents: [twice, twice] },
  { name: '1 permit, 2 × 1, a time-out', permits: 1, agents: [one, limited] },
  { name: '1 permit, 2 × 1, two deaths', permits: 1, agents: [one, one], deaths: 2 },
  { name: '1 permit, 2 × 2, two deaths', permits: 1, agents: [twice, twice], deaths: 2 },
  { name: '1 permit, 2 × 1, two deaths, two recoverers', permits: 1, agents: [one, limited], deaths: 2, recoverers: 2 },
  { name: '1 permit, 2 × 1, a death, the dead one is started anew', permits: 1, agents: [one, one], deaths: 1, respawns: 1 },
  { name: '1 permit, 2 × 1, closed, a death', permits: 1, agents: [one, limited], others: ['closes'], deaths: 1 },
  { name: '1 permit, held for ever, cancelled', permits: 1, agents: [holding, cancellable], others: ['cancels'] },
  { name: '1 permit, held for ever, closed', permits: 1, agents: [holding, one], others: ['closes'] },
  { name: '1 permit, 3 × 1', permits: 1, agents: [one, one, one] },
  { name: '1 permit, 3 × 1, a time-out', permits: 1, agents: [one, limited, one] },
  { name: '1 permit, 3 × 1, a death', permits: 1, agents: [one, one, one], deaths: 1 },
  { name: '1 permit, 2 × 1 beside a newcomer', permits: 1, agents: [one, one, newcomer] },
  { name: '1 permit, tickets wrap', permits: 1, agents: [one, one, one], ticketsFrom: 2 ** 31 - 2 },
  { name: '2 permits, 2 × 2, 2 and 1', permits: 2, agents: [{ ...two, rounds: 2 }, twice] },
  { name: '2 permits, 3 × 1, 2 and 1 and 1', permits: 2, agents: [two, one, one] },
  { name: '2 permits, 3 × 1, 2 and 2 and 1, a time-out', permits: 2, agents: [two, limitedTwo, one] },
  { name: '2 permits, 3 × 1, 2 and 1 and 1, a time-out', permits: 2, agents: [two, limited, one] },
  { name: '2 permits, one held for ever, a time-out', permits: 2, agents: [holding, limitedTwo, one] },
  { name: '2 permits, 2 × 1 beside one who attempts', permits: 2, agents: [two, one, attempting] },
  { name: '2 permits, 3 × 1, 2 and 1 and 1, a death', permits: 2, agents: [two, one, one], deaths: 1 },
  { name: '2 permits, 3 × 1, 2 and 1 and 1, two deaths', permits: 2, agents: [two, one, one], deaths: 2 },
  { name: '2 permits, 2 × 1, 2 and 1, two deaths', permits: 2, agents: [two, one], deaths: 2 },
  { name: '2 permits, 3 × 1, 2 and 1 and 1, a death, a time-out', permits: 2, agents: [limitedTwo, one, one], deaths: 1 },
  { name: '3 permits, 3 × 1, 2 and 2 and 1', permits: 3, agents: [two, two, one] },
  { name: '1 permit, two flows', permits: 1, agents: [flow, flow] },
  { name: '1 permit, a flow and a thread, a time-out', permits: 1, agents: [{ ...flow, limited: true }, one] },
  { name: '1 permit, a flow and a thread, a death', permits: 1, agents: [flow, one], deaths: 1 },
  { name: '1 permit, a flow of a thread that blocks', permits: 1, agents: [{ by: 'both' }, one] },
  { name: '1 permit, a flow whose event loop is stuck', permits: 1, agents: [{ ...flow, stuck: true }, one, one] },
  { name: '1 permit, a flow whose event loop is stuck is passed twice', permits: 1, agents: [{ ...flow, stuck: true }, twice, one] },
  { name: '2 permits, a flow of 2 between threads', permits: 2, agents: [one, flowOfTwo, one] },
  { name: '2 permits, a stuck flow before one that passes it', permits: 2, agents: [{ ...flow, stuck: true }, { ...flowOfTwo, passes: true }] },
  { name: '1 permit, three flows', permits: 1, agents: [flow, flow, flow] },
];

describe('every schedule', () => {
  testRows(rows, (row) => semaphoreScenario(production, { ...row, reduction: 'merged' }));
});

// Without merging, each sleep before the section is another state, so there must be an end to them.
const bounded: readonly SemaphoreRow[] = [
  { name: '1 permit, 2 × 1, a time-out', permits: 1, agents: [one, limited], timeouts: 2 },
  { name: '1 permit, 2 × 1, a death', permits: 1, agents: [one, one], deaths: 1, timeouts: 1 },
  { name: '2 permits, 2 × 1, 2 and 1', permits: 2, agents: [two, one], timeouts: 2 },
];

describe('merging local states leaves the ends as they are', () => {
  testMerging(bounded, (row, reduction) => semaphoreScenario(production, { ...row, reduction }));
});

const QUEUE = 'src/raw/queue.ts';
const SLOTS = 'src/raw/slots.ts';
const merged = { reduction: 'merged' } as const;

const pair: SemaphoreRow = { name: '1 permit, 2 × 1', permits: 1, agents: [one, one], ...merged };
const three: SemaphoreRow = { ...pair, name: '1 permit, 3 × 1', agents: [one, one, one] };
const besideNewcomer: SemaphoreRow = { ...pair, name: '1 permit, beside a newcomer', agents: [one, one, attempting] };
const deadly: SemaphoreRow = { ...pair, name: '1 permit, 2 × 1, a death', deaths: 1 };
const mixed: SemaphoreRow = { name: '2 permits, 2 and 1 and 1', permits: 2, agents: [two, one, one], ...merged };
const lasting: SemaphoreRow = { ...mixed, name: '2 permits, 2 and 1 and 1, one keeps it', agents: [two, holding, one] };
const blocking: SemaphoreRow = { name: '2 permits, one held for ever, one gives up', permits: 2, agents: [holding, limitedTwo, one], ...merged };
const closed: SemaphoreRow = { ...pair, name: '1 permit, held for ever, closed', agents: [holding, one], others: ['closes'] };
const flows: SemaphoreRow = { ...pair, name: '1 permit, two flows', agents: [flow, flow] };
const stuck: SemaphoreRow = { ...pair, name: '1 permit, a stuck flow', agents: [{ ...flow, stuck: true }, one, one] };
const both: SemaphoreRow = { ...pair, name: '1 permit, a flow of a thread that blocks', agents: [{ by: 'both' }, one] };
const betweenThreads: SemaphoreRow = { name: '2 permits, a flow of 2 between threads', permits: 2, agents: [one, flowOfTwo, one], ...merged };

const PUBLISH =
  '      if (!isQueued) {\n' +
  '        writeAmount(segment, self, amount);\n' +
  '        publishRow(segment, slotAddress, self, sinceMs);\n' +
  '        isQueued = true;\n' +
  '      }\n';
const LOOK = '      result = look(segment, slotAddress, self, amount, ticketOf(segment, self), turn, CONTENDING);\n';
const GIVE_UP = '    clearRow(segment, self);\n    passOn(segment, slotAddress);\n    return result;';
const STORE = '  words.store(at, held - amount);\n';
const WAKE = '  if (words.load(slotAddress) & WAITERS) passOn(segment, slotAddress);\n';

const TAKE_AND_LEAVE =
  '  const token = freePermits(segment, slotAddress) < amount ? 0 : take(segment, slotAddress, self, amount, AT_ONCE);\n' +
  '  // An atomic add: the manager may be closed meanwhile.\n' +
  '  words.add(slotAddress, -self);\n';

const mutations: readonly (Mutation & { readonly caughtBy: SemaphoreRow })[] = [
  { name: 'looks, then publishes', find: PUBLISH + LOOK, replace: LOOK.replace('ticketOf(segment, self)', 'isQueued ? ticketOf(segment, self) : nextTicket(segment, slotAddress)') + PUBLISH.replace('!isQueued', '!isQueued && result <= 0'), caughtBy: pair },
  { name: 'who waits does not say so', find: 'enter(segment, slotAddress, self, WAITERS);\n    if (result === ENTERED) {', replace: 'enter(segment, slotAddress, self, 0);\n    if (result === ENTERED) {', caughtBy: pair },
  { name: 'a flow that waits does not say so', find: 'const entered = enter(segment, slotAddress, self, WAITERS);', replace: 'const entered = enter(segment, slotAddress, self, 0);', caughtBy: flows },
  { name: 'release wakes nobody', find: WAKE, replace: '', caughtBy: pair },
  { name: 'release looks for waiters, then gives back', find: STORE + WAKE, replace: `  const awaited = words.load(slotAddress) & WAITERS;\n${STORE}  if (awaited) passOn(segment, slotAddress);\n`, caughtBy: pair },
  { name: 'more is released than is held', find: '  if (held < amount) return false;\n', replace: '', caughtBy: pair },
  { name: 'who gives up wakes nobody', find: GIVE_UP, replace: GIVE_UP.replace('    passOn(segment, slotAddress);\n', ''), caughtBy: blocking },
  { name: 'who gives up wakes the next, then clears its row', find: GIVE_UP, replace: '    passOn(segment, slotAddress);\n    clearRow(segment, self);\n    return result;', caughtBy: blocking },
  { name: 'who gives up leaves its row', find: GIVE_UP, replace: GIVE_UP.replace('    clearRow(segment, self);\n', ''), caughtBy: blocking },
  { name: 'who is out of time leaves without a look', find: 'else expired = true;', replace: 'else { clearRow(segment, self); return TIMED_OUT; }', caughtBy: blocking },
  { name: 'who takes wakes no further one', find: '        passOn(segment, slotAddress);\n        return result;', replace: '        return result;', caughtBy: lasting },
  { name: 'who takes wakes the next, then clears its row', find: '      if (result > 0) clearRow(segment, self);\n      leave(segment, slotAddress, self);\n      if (result > 0) {\n        passOn(segment, slotAddress);\n', replace: '      leave(segment, slotAddress, self);\n      if (result > 0) {\n        passOn(segment, slotAddress);\n        clearRow(segment, self);\n', caughtBy: lasting },
  { name: 'who takes leaves its row', find: '      if (result > 0) clearRow(segment, self);\n', replace: '', caughtBy: pair },
  { name: 'only more than is asked for is enough to wake', find: 'amountOf(segment, first) <= free', replace: 'amountOf(segment, first) < free', caughtBy: pair },
  { name: 'queued threads pass each other', find: '    if (threadWaitsBefore(segment, slotAddress, ticket)) return BUSY;\n', replace: '', caughtBy: three },
  { name: 'a newcomer passes the queue', find: 'if (words.compareExchange(slotAddress, 0, self) !== 0) return 0;', replace: 'const word = words.load(slotAddress);\n  if (word & (OWNER | CLOSED) || words.compareExchange(slotAddress, word, word | self) !== word) return 0;', caughtBy: three },
  { name: 'one who attempts passes the queue', find: 'nextTicket(segment, slotAddress), IN_TURN', replace: 'ticketOf(segment, self), IN_TURN', caughtBy: besideNewcomer },
  { name: 'more is taken than is free', find: 'if (freePermits(segment, slotAddress) < amount) return BUSY;', replace: 'if (freePermits(segment, slotAddress) < 1) return BUSY;', caughtBy: mixed },
  { name: 'takes after the section', find: TAKE_AND_LEAVE, replace: '  const free = freePermits(segment, slotAddress);\n  words.add(slotAddress, -self);\n  const token = free < amount ? 0 : take(segment, slotAddress, self, amount, AT_ONCE);\n', caughtBy: { ...pair, reduction: undefined, timeouts: 1 } },
  { name: 'a second hold takes the place of the first', find: 'words.store(at, words.load(at) + amount);', replace: 'words.store(at, amount);', caughtBy: { ...pair, name: '2 permits, one takes both', permits: 2, agents: [{ again: true }, one] } },
  { name: 'enters where another is', find: 'if (!(word & OWNER) && words', replace: 'if (words', caughtBy: pair },
  { name: 'enters by a store', find: 'words.compareExchange(slotAddress, word, word | self | flags) === word', replace: '(words.store(slotAddress, word | self | flags), true)', caughtBy: three },
  { name: 'closing is seen at the entry only', find: '  if (word & CLOSED) return SHUT;\n  if (free', replace: '  if (free', caughtBy: closed },
  { name: 'leaves by a store', find: '  words.add(slotAddress, isStale ? -(self + WAITERS) : -self);', replace: '  const word = words.load(slotAddress);\n  words.store(slotAddress, isStale ? 0 : word & ~OWNER);', caughtBy: closed },
  { name: 'leaves as if nobody waited', find: ' && !isAwaited(segment, slotAddress)', replace: '', caughtBy: pair },
  { name: 'the wakes are read too late', find: 'park(segment, self, seen, limit, suspect)', replace: 'park(segment, self, wakesOf(segment, self), limit, suspect)', caughtBy: pair },
  { name: 'who may be cancelled does not ask', find: '      else if (interrupt?.requested()) result = INTERRUPTED;\n', replace: '', caughtBy: { ...pair, name: '1 permit, held for ever, cancelled', agents: [holding, cancellable], others: ['cancels'] } },
  { name: 'nobody rings', find: '  if (free > 0) wakeFlows(segment, slotAddress);\n', replace: '', caughtBy: flows },
  { name: 'flows that give up wake nobody', find: '  clearCell(segment, slotAddress, self);\n  passOn(segment, slotAddress);\n', replace: '  clearCell(segment, slotAddress, self);\n', caughtBy: { ...blocking, name: '2 permits, one held for ever, a flow gives up', agents: [holding, { ...flowOfTwo, limited: true }, flow] } },
  { name: 'flows are passed at once', find: '      if (turn === IN_TURN) return HELD_BACK;\n', replace: '', caughtBy: betweenThreads },
  { name: 'flows are never passed', find: 'Math.min(deadline, graceEnds)', replace: 'deadline', caughtBy: stuck },
  { name: 'nobody learns that a flow was passed', find: '      words.store(slotAddress + LATE, ticket);\n', replace: '', caughtBy: stuck },
  { name: 'late flows hold back', file: QUEUE, find: ' && !isOlder(flow, since)', replace: '', caughtBy: { ...stuck, name: '1 permit, a stuck flow is passed twice', agents: [{ ...flow, stuck: true }, twice, one] } },
  { name: 'flows hold nobody back', file: QUEUE, find: 'if (flow !== 0 && isOlder(flow, ticket) && !isOlder(flow, since)) return true;', replace: '', caughtBy: betweenThreads },
  { name: 'a thread waits for its own flow', file: QUEUE, find: 'id === self ? 0 : ticketOfFlows', replace: 'ticketOfFlows', caughtBy: both },
  { name: 'younger threads hold back', file: QUEUE, find: ' && isOlder(ticketOf(segment, id), ticket)) return true;', replace: ') return true;', caughtBy: pair },
  { name: 'recovery leaves the hold', find: '  if (held) words.store(holdAt(segment, slotAddress, dead), 0);\n', replace: '', caughtBy: deadly },
  { name: 'recovery leaves the section word', find: 'if ((word & OWNER) !== dead || words', replace: 'if (word !== -1 || words', caughtBy: deadly },
  { name: 'recovery stores the word', find: 'words.compareExchange(slotAddress, word, word & ~OWNER) === word) return;', replace: '(words.store(slotAddress, 0), true)) return;', caughtBy: { ...deadly, name: '1 permit, 2 × 1, closed, a death', others: ['closes'] } },
  { name: 'recovery takes a semaphore for a mutex', file: SLOTS, find: 'if (semaphore.isSemaphore(words, slotAddress)) {', replace: 'if (false) {', caughtBy: deadly },
  { name: 'recovery leaves the flows', file: SLOTS, find: '  if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);\n', replace: '', caughtBy: { ...flows, name: '1 permit, a flow and a thread, a death', agents: [flow, one], deaths: 1 } },
];

// Not listed, since nothing goes wrong: an `enter` that does not look for CLOSED, since `look` does; amounts that are not published, so that the first in the queue is woken too often; a stale
// WAITERS that is never cleared.

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/semaphore.ts', queue: QUEUE, park: 'src/park/park.ts', slots: SLOTS }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => semaphoreScenario(modules, mutations[i]!.caughtBy));
});
