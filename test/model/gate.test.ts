import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as raw from '../../src/raw/gate.js';
import * as queue from '../../src/raw/queue.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMutants, testRows } from './bounds.js';
import { gateScenario, type GateRow, type Modules, type Plan } from './gate-cast.js';

const production: Modules = { raw, queue, park, slots };

const wait: Plan = {};
const limited: Plan = { limited: true };
const twice: Plan = { limited: true, rounds: 2 };
const flow: Plan = { by: 'flow' };
const limitedFlow: Plan = { by: 'flow', limited: true };
const set: Plan = { by: 'set' };
const setTwice: Plan = { by: 'set', rounds: 2 };
const pulse: Plan = { by: 'set and reset' };
const count: Plan = { by: 'count' };
const countTwo: Plan = { by: 'count', amount: 2 };

type CostlyRow = GateRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: 'latch of 2: 2 wait, 2 count', gate: 'latch', count: 2, agents: [wait, wait, count, count] },
  { name: 'latch of 2: 3 count, one of them too much', gate: 'latch', count: 2, agents: [limited, count, countTwo, count] },
  { name: 'latch of 1: a thread and a flow wait, a death', gate: 'latch', count: 1, agents: [limited, limitedFlow, count], deaths: 1 },
  { name: 'latch of 1: closed', gate: 'latch', count: 1, agents: [wait, flow], others: ['closes'] },
  { name: 'event: 2 wait, one sets', gate: 'event', agents: [wait, wait, set] },
  { name: 'event: 2 wait, set and reset at once', gate: 'event', agents: [limited, limited, pulse] },
  { name: 'event: a thread waits twice, set and reset twice', gate: 'event', agents: [twice, { ...pulse, rounds: 2 }] },
  { name: 'event: a thread and a flow wait, set and reset', gate: 'event', agents: [limited, limitedFlow, pulse] },
  { name: 'event: a thread and a flow wait, two deaths', gate: 'event', agents: [limited, limitedFlow, set], deaths: 2 },
  { name: 'auto: one waits, one sets', gate: 'auto', agents: [wait, set] },
  { name: 'auto: one waits twice, one sets twice', gate: 'auto', agents: [twice, setTwice] },
  { name: 'auto: 2 wait, one sets twice', gate: 'auto', agents: [limited, limited, setTwice], only: 'full' },
  { name: 'auto: 2 wait, 2 set', gate: 'auto', agents: [limited, limited, set, set], only: 'full' },
  { name: 'auto: one waits, 2 set', gate: 'auto', agents: [limited, set, set] },
  { name: 'auto: a flow and a thread wait, one sets twice', gate: 'auto', agents: [limitedFlow, limited, setTwice], only: 'full' },
  { name: 'auto: a flow waits, one sets twice', gate: 'auto', agents: [limitedFlow, setTwice] },
  { name: 'auto: one waits, one sets, a death', gate: 'auto', agents: [limited, set], deaths: 1 },
  { name: 'auto: a flow waits, one sets, a death', gate: 'auto', agents: [limitedFlow, set], deaths: 1 },
  { name: 'auto: 2 wait, one sets', gate: 'auto', agents: [limited, limited, set] },
  { name: 'auto: 2 wait, one sets, a death', gate: 'auto', agents: [limited, limited, set], deaths: 1, only: 'full' },
  { name: 'auto: a flow and a thread wait, one sets, a death', gate: 'auto', agents: [limitedFlow, limited, set], deaths: 1, only: 'full' },
  { name: 'auto: one waits, one sets, two deaths, two recoverers', gate: 'auto', agents: [limited, set], deaths: 2, recoverers: 2 },
];

describe('every schedule', () => {
  testRows(rows, (row) => gateScenario(production, row));
});

const SIGNAL = 'src/raw/signal.ts';
const SLOTS = 'src/raw/slots.ts';

const latch: GateRow = { name: 'latch of 2: 2 count', gate: 'latch', count: 2, agents: [wait, count, count] };
const greedy: GateRow = { name: 'latch of 2: 3 count', gate: 'latch', count: 2, agents: [limited, count, countTwo] };
const event: GateRow = { name: 'event: one waits, one sets', gate: 'event', agents: [limited, set] };
const pulsed: GateRow = { name: 'event: set and reset at once', gate: 'event', agents: [limited, pulse] };
const auto: GateRow = { name: 'auto: one waits, one sets', gate: 'auto', agents: [limited, set] };
const autoTwo: GateRow = { name: 'auto: 2 wait, one sets twice', gate: 'auto', agents: [limited, limited, setTwice] };
const autoFlow: GateRow = { name: 'auto: a flow waits, one sets twice', gate: 'auto', agents: [limitedFlow, setTwice] };
const deadly: GateRow = { name: 'auto: one waits, one sets, a death', gate: 'auto', agents: [limited, set], deaths: 1 };
const deadlyFlow: GateRow = { ...deadly, name: 'auto: a flow waits, one sets, a death', agents: [limitedFlow, set] };
const closed: GateRow = { name: 'latch: closed', gate: 'latch', count: 1, agents: [flow], others: ['closes'] };

const PUBLISH = '  publishRow(segment, slotAddress, self, sinceMs);\n';
const COUNT = 'if (words.compareExchange(slotAddress + TALLY, tally, tally + amount) !== tally) continue;';
const PLACE = 'if (words.compareExchange(slotAddress + TALLY, 0, SET) !== 0) return;';
const SET_ONCE = 'if (words.compareExchange(slotAddress + TALLY, tally, ((tally + ONE_SET) | SET) | 0) !== tally) continue;\n    wakeAll(segment, slotAddress);\n';

const mutations: readonly (Mutation & { readonly caughtBy: GateRow })[] = [
  { name: 'waits without a row', find: PUBLISH, replace: '', caughtBy: { ...greedy, agents: [limited, count] } },
  { name: 'sleeps without a look', file: SIGNAL, find: 'let result = look(segment, slotAddress, wish);', replace: 'let result = expired ? look(segment, slotAddress, wish) : BUSY;', caughtBy: event },
  { name: 'counts by a store', find: COUNT, replace: 'words.store(slotAddress + TALLY, tally + amount);', caughtBy: latch },
  { name: 'counts below zero', find: '    if (amount > left) return false;\n', replace: '', caughtBy: greedy },
  { name: 'the last to count wakes nobody', find: '    if (amount === left) wakeAll(segment, slotAddress);\n', replace: '', caughtBy: latch },
  { name: 'a latch is open before the last', find: 'return leftOf(segment, slotAddress) === 0 ? DONE : BUSY;', replace: 'return leftOf(segment, slotAddress) <= 1 ? DONE : BUSY;', caughtBy: latch },
  { name: 'setting wakes nobody', find: SET_ONCE, replace: SET_ONCE.replace('    wakeAll(segment, slotAddress);\n', ''), caughtBy: event },
  { name: 'wakes, then sets', find: SET_ONCE, replace: `wakeAll(segment, slotAddress);\n    ${SET_ONCE.replace('    wakeAll(segment, slotAddress);\n', '')}`, caughtBy: event },
  { name: 'setting is not counted', find: '((tally + ONE_SET) | SET) | 0', replace: 'tally | SET', caughtBy: pulsed },
  { name: 'only a set event lets pass', find: 'return tally & SET || (tally & ~SET) !== (wish & ~SET) ? DONE : BUSY;', replace: 'return tally & SET ? DONE : BUSY;', caughtBy: pulsed },
  { name: 'sets, also if somebody waits', find: '    if (signal(segment, slotAddress, 1) > 0) return;\n', replace: '', caughtBy: autoTwo },
  { name: 'signals one, and sets', find: 'if (signal(segment, slotAddress, 1) > 0) return;', replace: 'signal(segment, slotAddress, 1);', caughtBy: auto },
  { name: 'signals two', find: 'signal(segment, slotAddress, 1) > 0', replace: 'signal(segment, slotAddress, 2) > 0', caughtBy: autoTwo },
  { name: 'sets by a store', find: PLACE, replace: 'words.store(slotAddress + TALLY, SET);', caughtBy: { ...auto, agents: [limited, set, set] } },
  { name: 'does not look who has come meanwhile', find: 'if (!isUnsignalled(segment, slotAddress) || !takeSet(segment, slotAddress)) return;', replace: 'return;', caughtBy: auto },
  { name: 'signals one who has come meanwhile, and leaves it set', find: '|| !takeSet(segment, slotAddress)) return;', replace: ') return;', caughtBy: auto },
  { name: 'takes by a store', find: 'return words.compareExchange(slotAddress + TALLY, SET, 0) === SET;', replace: 'return words.load(slotAddress + TALLY) === SET && (words.store(slotAddress + TALLY, 0), true);', caughtBy: { ...auto, name: 'auto: 2 wait, one sets', agents: [limited, limited, set] } },
  { name: 'who finds it set and is signalled as well keeps both', find: '  setAuto(segment, slotAddress);\n  return DONE;', replace: '  return DONE;', caughtBy: { ...auto, agents: [limited, set, set] } },
  { name: 'who finds it set is signalled as well, and does not know', file: SIGNAL, find: 'return result === DONE ? TWICE : DONE;', replace: 'return DONE;', caughtBy: { ...auto, agents: [limited, set, set] } },
  { name: 'a flow that finds it set waits on', find: 'if (!leaveFlow(segment, slotAddress, self)) setAuto(segment, slotAddress);\n', replace: '', caughtBy: autoFlow },
  { name: 'a flow that finds it set and is signalled as well keeps both', find: 'if (!leaveFlow(segment, slotAddress, self)) setAuto(segment, slotAddress);', replace: 'leaveFlow(segment, slotAddress, self);', caughtBy: { ...autoFlow, agents: [limitedFlow, set, set] } },
  { name: 'a flow does not see that it is set', find: 'if (result !== BUSY || !takeSet(segment, slotAddress)) return result;', replace: 'if (result !== 99) return result;', caughtBy: autoFlow },
  { name: 'flows do not join', find: 'if (isAuto(segment.words, slotAddress)) joinFlow(segment, slotAddress, self);', replace: '', caughtBy: autoFlow },
  { name: 'flows do not see that it is closed', find: 'return result === BUSY && words.load(slotAddress) & CLOSED ? SHUT : result;', replace: 'return result;', caughtBy: closed },
  { name: 'a signal dies with its thread', find: 'if (isAuto(segment.words, slotAddress)) setAuto(segment, slotAddress);\n}', replace: '}', caughtBy: deadly },
  { name: 'signals die with the flows of their thread', find: '  for (let i = 0; i < signals; i++) setAuto(segment, slotAddress);\n', replace: '', caughtBy: deadlyFlow },
  { name: 'the signals of dead flows are passed on and kept', find: '  if (signals > 0) forgetSignals(segment, slotAddress, dead);\n', replace: '', caughtBy: deadlyFlow },
  { name: 'the row of the dead is cleared, whatever it says', file: SIGNAL, find: '    if (row & SIGNALLED) return slotAt(segment, (row & ~SIGNALLED) - 1);\n', replace: '', caughtBy: deadly },
  { name: 'the dead can still be signalled', file: SIGNAL, find: 'if (words.compareExchange(at, row, 0) === row) return 0;', replace: 'if (at > 0) return 0;', caughtBy: deadly },
  { name: 'recovery takes an event for a mutex', file: SLOTS, find: 'if (condition || isMeeting || gate.isGate(words, slotAddress)) {', replace: 'if (condition) {', caughtBy: deadlyFlow },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/gate.ts', queue: 'src/raw/queue.ts', park: 'src/park/park.ts', slots: SLOTS }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => gateScenario(modules, mutations[i]!.caughtBy));
});
