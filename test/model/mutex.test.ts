import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/mutex.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMerging, testMutants, testRows } from './bounds.js';
import { type Modules, mutexScenario, type MutexRow, type Plan } from './mutex-cast.js';

const production: Modules = { raw, queue, park };

const once: Plan = {};
const twice: Plan = { rounds: 2 };
const limited: Plan = { limited: true };
const cancellable: Plan = { cancellable: true };
const refusing: Plan = { refuses: true };
const silent: Plan = { silent: true };
const newcomer: Plan = { by: 'try', rounds: 2 };
const attempting: Plan = { by: 'attempt', rounds: 2 };
const holding: Plan = { holds: true };
const spinning: Plan = { by: 'spin' };

type CostlyRow = MutexRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: '2 × 2', agents: [twice, twice] },
  { name: '2 × 2, a time-out', agents: [twice, { ...twice, limited: true }] },
  { name: '2 × 1, two deaths', agents: [once, once], deaths: 2 },
  { name: '3 × 1', agents: [once, once, once], reduction: 'merged' },
  { name: '3 × 1, that spin', agents: [spinning, spinning, once], reduction: 'merged' },
  { name: '3 × 1, a time-out', agents: [once, limited, once], reduction: 'merged' },
  { name: '3 × 1, two time-outs', agents: [once, limited, limited], reduction: 'merged' },
  { name: '2 × 1 beside a newcomer', agents: [once, once, newcomer], reduction: 'merged' },
  { name: '2 × 1 beside one who attempts, a time-out', agents: [once, limited, attempting], reduction: 'merged', only: 'full' },
  { name: '3 × 1, cancelled', agents: [once, cancellable, cancellable], others: ['cancels'], reduction: 'merged', only: 'full' },
  { name: '2 + 1 + 1, a time-out, cancelled', agents: [twice, limited, cancellable], others: ['cancels'], reduction: 'merged', only: 'full' },
  { name: 'held for ever, cancelled', agents: [holding, cancellable, cancellable], others: ['cancels'], reduction: 'merged', only: 'full' },
  { name: 'held for ever, one is cancelled', agents: [holding, cancellable], others: ['cancels'], reduction: 'merged' },
  { name: 'held for ever, then closed', agents: [holding, once], others: ['closes'], reduction: 'merged' },
  { name: 'held for ever, time-outs', agents: [holding, limited, limited], reduction: 'merged' },
  { name: 'held for ever, closed', agents: [holding, once, once], others: ['closes'], reduction: 'merged', only: 'full' },
  { name: '2 × 1, closed', agents: [once, limited], others: ['closes'], reduction: 'merged' },
  { name: '2 × 1, closed, a death', agents: [once, once], others: ['closes'], deaths: 1, reduction: 'merged' },
  { name: '2 × 2, two deaths', agents: [twice, twice], deaths: 2, reduction: 'merged' },
  { name: '2 × 1, two deaths, two recoverers', agents: [once, limited], deaths: 2, recoverers: 2, reduction: 'merged' },
  { name: '2 × 1, a death, the dead one is started anew', agents: [once, once], deaths: 1, respawns: 1, reduction: 'merged' },
  { name: '2 × 1, a death, cancelled', agents: [once, cancellable], others: ['cancels'], deaths: 1, reduction: 'merged' },
  { name: '3 × 1, a death', agents: [once, once, once], deaths: 1, reduction: 'merged' },
  { name: '3 × 1, a death, two refuse, one declares', agents: [refusing, refusing, once], deaths: 1, reduction: 'merged' },
  { name: '3 × 1, begun inconsistent, two refuse, one declares', agents: [refusing, refusing, once], begins: 'inconsistent', reduction: 'merged' },
  { name: '3 × 1, begun inconsistent, two refuse, nobody declares', agents: [refusing, refusing, silent], begins: 'inconsistent', reduction: 'merged' },
  { name: '3 × 1, begun inconsistent, one refuses, two declare', agents: [refusing, once, { ...once, limited: true }], begins: 'inconsistent', reduction: 'merged' },
  { name: '3 × 1, begun inconsistent, a death', agents: [refusing, silent, once], begins: 'inconsistent', deaths: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, a death, one refuses, nobody declares', agents: [refusing, silent, silent], deaths: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, a death, a time-out', agents: [once, limited, once], deaths: 1, reduction: 'merged', only: 'full' },
  { name: '2 × 1 beside a newcomer, a death', agents: [once, once, newcomer], deaths: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, cancelled, a death', agents: [once, cancellable, cancellable], others: ['cancels'], deaths: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, closed', agents: [once, once, limited], others: ['closes'], reduction: 'merged', only: 'full' },
  { name: '3 × 1, closed, a death', agents: [once, once, once], others: ['closes'], deaths: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, two deaths', agents: [once, once, once], deaths: 2, reduction: 'merged', only: 'full' },
  { name: '3 × 1, two deaths, a time-out', agents: [once, limited, once], deaths: 2, reduction: 'merged', only: 'full' },
  { name: '3 × 1, two deaths, two recoverers', agents: [once, once, once], deaths: 2, recoverers: 2, reduction: 'merged', only: 'full' },
  { name: '3 × 1, a death, the dead one is started anew', agents: [once, once, once], deaths: 1, respawns: 1, reduction: 'merged', only: 'full' },
  { name: '2 × 2, two deaths, the dead are started anew', agents: [twice, twice], deaths: 2, respawns: 1, reduction: 'merged', only: 'full' },
  { name: '3 × 1, two deaths, two refuse, one declares', agents: [refusing, refusing, once], deaths: 2, reduction: 'merged', only: 'full' },
  { name: '2 + 2 + 1', agents: [twice, twice, once], reduction: 'merged', only: 'full' },
  { name: '3 × 2', agents: [twice, twice, twice], reduction: 'merged', only: 'full' },
  { name: '2 + 1 + 1, a death', agents: [twice, once, once], deaths: 1, reduction: 'merged', only: 'full' },
];

const patrolled: readonly CostlyRow[] = [
  { name: '2 × 1, patrols', agents: [once, once], patrols: 2 },
  { name: '2 × 1, patrols, a death', agents: [once, once], patrols: 2, deaths: 1 },
  { name: '3 × 1, patrols', agents: [once, once, once], patrols: 2, only: 'full' },
];

const modes: readonly (Pick<MutexRow, 'fairness' | 'patienceMs'> & { readonly mode: string })[] = [
  { mode: 'eventual, impatient' },
  { mode: 'eventual, patient', patienceMs: Infinity },
  { mode: 'fifo', fairness: 'fifo' },
];

describe.each(modes)('every schedule, $mode', ({ mode, ...settings }) => {
  // Where the second mode differs it is between the other two.
  const costly = (row: CostlyRow): CostlyRow => (settings.patienceMs === Infinity && row.agents.length > 2 ? { ...row, only: 'full' } : row);
  testRows([...rows, ...patrolled].map(costly), (row) => mutexScenario(production, { ...row, ...settings, name: `${row.name} (${mode})` }));
});

const ordered: MutexRow = { name: '3 × 1, in order', agents: [once, once, once], fairness: 'fifo', checks: 'order', reduction: 'merged' };

describe('fifo hands over in the order of tickets', () => {
  testRows<CostlyRow>(
    [
      ordered,
      { ...ordered, name: '3 × 1, in order, a time-out', agents: [once, limited, once] },
      { ...ordered, name: '2 + 2 + 1, in order', agents: [twice, twice, once], only: 'full' },
    ],
    (row) => mutexScenario(production, row),
  );
});

describe('merging local states leaves the ends as they are', () => {
  const small = rows.filter(({ agents, others, only, respawns }) => agents.length === 2 && !others && !only && !respawns);
  testMerging(small, (row, reduction) => mutexScenario(production, { ...row, reduction }));
});

const PARK = 'src/park/park.ts';

const two: MutexRow = { name: '2 × 1', agents: [once, once] };
const three: MutexRow = { name: '3 × 1', agents: [once, once, once], reduction: 'merged' };
const timed: MutexRow = { name: '3 × 1, a time-out', agents: [once, limited, once], reduction: 'merged' };
const handedWhileAsked: MutexRow = { name: '2 + 1 + 1, a time-out, cancelled', agents: [twice, limited, cancellable], others: ['cancels'], reduction: 'merged' };
const fifoTimed: MutexRow = { ...timed, fairness: 'fifo' };
const besideNewcomer: MutexRow = { name: 'beside a newcomer', agents: [once, limited, once, newcomer], patienceMs: Infinity, reduction: 'merged' };
const deadly: MutexRow = { name: '2 × 1, a death', agents: [once, once], deaths: 1 };
const fifoDeadly: MutexRow = { name: '3 × 1, fifo, a death', agents: [once, once, once], fairness: 'fifo', deaths: 1, reduction: 'merged' };
const fifoDeadlyTimed: MutexRow = { ...fifoDeadly, name: '3 × 1, fifo, a death, a time-out', agents: [once, limited, once] };
const refused: MutexRow = { name: '3 × 1, a death, two refuse', agents: [once, refusing, refusing], deaths: 1, reduction: 'merged' };
const kept: MutexRow = { name: '3 × 1, a death, nobody declares', agents: [silent, silent, refusing], deaths: 1, reduction: 'merged' };
const closed: MutexRow = { name: '2 × 1, closed', agents: [once, once], others: ['closes'] };
const passing: MutexRow = { name: '2 + 2 + 1, fifo, patrols', agents: [twice, twice, once], fairness: 'fifo', patrols: 2 };
const fifoClosed: MutexRow = { ...closed, fairness: 'fifo' };
const closedDeadly: MutexRow = { ...closed, name: '2 × 1, closed, a death', deaths: 1 };
const cancelled: MutexRow = { name: '2 × 1, cancelled', agents: [once, cancellable], others: ['cancels'] };
const anew: MutexRow = { name: '2 × 1, a death, started anew', agents: [once, once], deaths: 1, respawns: 1 };

const mutations: readonly (Mutation & { readonly caughtBy: MutexRow })[] = [
  { name: 'release wakes nobody', find: '      if (word & WAITERS) wakeNext(segment, slotAddress);\n', replace: '', caughtBy: two },
  {
    name: 'release looks for the next before it frees the word',
    find: 'if (words.compareExchange(slotAddress, word, 0) !== word) continue;\n      // Only now: a row that is published after this look belongs to a waiter that will find the word free.\n      if (word & WAITERS) wakeNext(segment, slotAddress);',
    replace: 'if (word & WAITERS) wakeNext(segment, slotAddress);\n      if (words.compareExchange(slotAddress, word, 0) !== word) continue;',
    caughtBy: three,
  },
  { name: 'release stores', find: 'if (words.compareExchange(slotAddress, word, 0) !== word) continue;', replace: 'words.store(slotAddress, 0);', caughtBy: closed },
  { name: 'tryRelease stores', find: 'return words.compareExchange(slotAddress, self, 0) === self;', replace: 'words.store(slotAddress, 0); return true;', caughtBy: two },
  { name: 'ask stores', find: 'words.compareExchange(slotAddress, word, word | flags) === word', replace: '(words.store(slotAddress, word | flags), true)', caughtBy: two },
  { name: 'a wake is taken for the lock', find: '        else wasWoken = true;\n', replace: '        else return 1;\n', caughtBy: two },
  { name: 'a queued taker drops WAITERS', find: '} else result = attempt(words, slotAddress, self, inconsistent, WAITERS);', replace: '} else result = attempt(words, slotAddress, self, inconsistent, 0);', caughtBy: three },
  {
    name: 'a queued taker that has spun drops WAITERS',
    find: 'attemptSpinning(segment, slotAddress, self, inconsistent, WAITERS);',
    replace: 'attemptSpinning(segment, slotAddress, self, inconsistent, 0);',
    caughtBy: besideNewcomer,
  },
  { name: 'the wakes are read too late', find: 'park(segment, self, seen, deadline, owner)', replace: 'park(segment, self, wakesOf(segment, self), deadline, owner)', caughtBy: two },
  {
    name: 'a row stays when the lock is taken',
    find: '    if (result > 0) {\n      clearRow(segment, self);\n',
    replace: '    if (result > 0) {\n',
    caughtBy: two,
  },
  {
    name: 'an expired waiter leaves without a look',
    find: "=== 'timed-out') expired = true;",
    replace: "=== 'timed-out') { clearRow(segment, self); return TIMED_OUT; }",
    caughtBy: timed,
  },
  {
    name: 'a waiter that gives up looks, then clears its row',
    find: '    clearRow(segment, self);\n    const handed = leave(segment, slotAddress, self);',
    replace: '    const handed = leave(segment, slotAddress, self);\n    clearRow(segment, self);',
    caughtBy: fifoTimed,
  },
  { name: 'a waiter that gives up does not accept', find: 'if ((word & OWNER) === self && word & HANDED) {', replace: 'if (false) {', caughtBy: fifoTimed },
  { name: 'a waiter that gives up wakes nobody', find: '      wakeNext(segment, slotAddress);\n      return 0;', replace: '      return 0;', caughtBy: timed },
  {
    name: 'a waiter that gives up asks for nobody',
    find: 'if (words.compareExchange(slotAddress, word, word | WAITERS) === word) return 0;',
    replace: 'return 0;',
    caughtBy: besideNewcomer,
  },
  { name: 'nothing is taken back', find: 'if (!takeBack(words, slotAddress, heir, self)) return true;', replace: 'return true;', caughtBy: fifoTimed },
  {
    name: 'only the word that was handed is taken back',
    find: 'if ((word & OWNER) !== heir || !(word & HANDED)) return false;',
    replace: 'if (word !== (heir | HANDED | WAITERS)) return false;',
    caughtBy: handedWhileAsked,
  },
  { name: 'what is taken back has lost its flags', find: '(word & ~(OWNER | HANDED)) | self) === word', replace: 'self) === word', caughtBy: fifoTimed },
  { name: 'the row of the heir is not looked at', find: 'if (isBlockedOn(segment, slotAddress, heir)) {', replace: 'if (true) {', caughtBy: fifoTimed },
  { name: 'an heir owns before it has run', find: 'heir | HANDED | WAITERS', replace: 'heir | WAITERS', caughtBy: { ...two, fairness: 'fifo' } },
  { name: 'a lock that is handed over forgets who waits', find: 'heir | HANDED | WAITERS', replace: 'heir | HANDED', caughtBy: { ...two, fairness: 'fifo' } },
  { name: 'release of inconsistent data wakes nobody', find: '      wakeAll(segment, slotAddress);\n      return true;', replace: '      return true;', caughtBy: kept },
  { name: 'a taker clears DIED', find: 'self | flags | (word & DIED)', replace: 'self | flags', caughtBy: deadly },
  { name: 'inconsistent data is taken by who refuses it', find: '    if (word & DIED & ~inconsistent) return INCONSISTENT;\n', replace: '', caughtBy: refused },
  { name: 'inconsistent data is taken in passing', find: 'const TAKEN = OWNER | DIED | CLOSED;', replace: 'const TAKEN = OWNER | CLOSED;', caughtBy: { ...refused, agents: [once, { ...spinning, refuses: true }, refusing] } },
  { name: 'a closed lock is taken in passing', find: 'const TAKEN = OWNER | DIED | CLOSED;', replace: 'const TAKEN = OWNER | DIED;', caughtBy: { ...closed, agents: [spinning, once] } },
  { name: 'release clears DIED', find: 'if (word & (DIED | CLOSED)) {', replace: 'if (word & CLOSED) {', caughtBy: kept },
  { name: 'declaring stores', find: 'words.compareExchange(slotAddress, word, word & ~DIED) === word', replace: '(words.store(slotAddress, word & ~DIED), true)', caughtBy: { ...deadly, name: '3 × 1, a death, one spins', agents: [once, spinning, once], reduction: 'merged' } },
  { name: 'recovery drops DIED', find: '(word & CLOSED) | DIED', replace: 'word & CLOSED', caughtBy: deadly },
  { name: 'recovery stores', find: 'if (words.compareExchange(slotAddress, word, (word & CLOSED) | DIED) === word) return true;', replace: 'words.store(slotAddress, (word & CLOSED) | DIED); return true;', caughtBy: closedDeadly },
  { name: 'recovery leaves what was handed to the dead', find: 'if (words.compareExchange(slotAddress, word, 0) === word) return false;', replace: 'return false;', caughtBy: { ...deadly, fairness: 'fifo' } },
  { name: 'recovery takes a dead heir for an owner', find: 'if (words.compareExchange(slotAddress, word, 0) === word) return false;', replace: 'if (words.compareExchange(slotAddress, word, DIED) === word) return true;', caughtBy: { ...deadly, fairness: 'fifo' } },
  { name: 'recovery does no duty of a dead releaser', find: 'if (owner !== dead && isBlockedOn(segment, slotAddress, owner)) return false;', replace: 'if (owner !== dead) return false;', caughtBy: fifoDeadlyTimed },
  { name: 'close keeps HANDED', find: '(word & HANDED ? 0 : word) | CLOSED', replace: 'word | CLOSED', caughtBy: fifoClosed },
  { name: 'close wakes nobody', find: '    if (words.compareExchange(slotAddress, word, next) === word) break;\n  }\n  wakeAll(segment, slotAddress);', replace: '    if (words.compareExchange(slotAddress, word, next) === word) break;\n  }', caughtBy: { ...closed, name: 'closed while held', agents: [holding, once] } },
  { name: 'close wakes only the next', find: '    if (words.compareExchange(slotAddress, word, next) === word) break;\n  }\n  wakeAll(segment, slotAddress);', replace: '    if (words.compareExchange(slotAddress, word, next) === word) break;\n  }\n  wakeNext(segment, slotAddress);', caughtBy: { ...closed, name: '3 × 1, closed', agents: [once, once, once], reduction: 'merged' } },
  { name: 'an interrupt is looked for only after a wake', find: 'else if (interrupt?.requested())', replace: 'else if (wakes > 0 && interrupt?.requested())', caughtBy: { ...cancelled, name: 'cancelled while held', agents: [holding, cancellable] } },
  {
    name: 'the lock is taken from one who has accepted it',
    find: 'return heirIn(word) === heir ?',
    replace: 'return (word & OWNER) === heir ?',
    caughtBy: passing,
  },
  { name: 'sleep is not announced', file: PARK, find: 'words.add(at, ASLEEP) === seen ? words.wait(at, seen + ASLEEP, timeoutMs)', replace: '(words.add(at, ASLEEP), true) ? words.wait(at, seen, timeoutMs)', caughtBy: two },
  { name: 'sleeps on whatever it reads', file: PARK, find: 'words.add(at, ASLEEP) === seen ? words.wait(at, seen + ASLEEP, timeoutMs)', replace: '(seen = words.add(at, ASLEEP), true) ? words.wait(at, seen + ASLEEP, timeoutMs)', caughtBy: two },
  { name: 'sleep leaves its mark', file: PARK, find: "'not-equal';\n  words.add(at, -ASLEEP);", replace: "'not-equal';", caughtBy: two },
  { name: 'unpark notifies, then counts', file: PARK, find: 'if (words.add(at, ONE_WAKE) & ASLEEP) words.notify(at);', replace: 'if (words.load(at) & ASLEEP) words.notify(at);\n  words.add(at, ONE_WAKE);', caughtBy: two },
  { name: 'unpark does not count', file: PARK, find: 'if (words.add(at, ONE_WAKE) & ASLEEP)', replace: 'if (words.load(at) & ASLEEP)', caughtBy: two },
  { name: 'unpark does not notify', file: PARK, find: 'if (words.add(at, ONE_WAKE) & ASLEEP) words.notify(at);', replace: 'words.add(at, ONE_WAKE);', caughtBy: two },
  { name: 'a record keeps the sleep of its last agent', file: PARK, find: 'if (words.load(at) & ASLEEP) words.add(at, -ASLEEP);', replace: '', caughtBy: anew },
];

// Not listed, since nothing goes wrong: an `ask` that does not look for CLOSED or HANDED, since who closes or hands over wakes; a
// release of inconsistent data that wakes only the next, since one that refuses passes the wake on; a recovery that takes the lock
// from a living heir, which costs it its turn only.
const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/mutex.ts', queue: 'src/raw/queue.ts', park: PARK }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => mutexScenario(modules, mutations[i]!.caughtBy));
});
