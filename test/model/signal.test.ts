import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as mutex from '../../src/raw/mutex.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/signal.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMutants, testRows } from './bounds.js';
import { type Modules, type Plan, signalScenario, type SignalRow } from './signal-cast.js';

const production: Modules = { raw, mutex, queue, park, slots };

const limited: Plan = { limited: true };
const twice: Plan = { limited: true, rounds: 2 };
const cancellable: Plan = { cancellable: true };
const flow: Plan = { by: 'flow', limited: true };
const flows: Plan = { by: 'two flows', limited: true };
const notify: Plan = { by: 'notify' };
const notifyTwo: Plan = { by: 'notify', count: 2 };
const notifyAll: Plan = { by: 'notify all' };
const consume: Plan = { by: 'consume', limited: true };
const produce: Plan = { by: 'produce' };

type CostlyRow = SignalRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: 'a waiter, a notifier, a time-out', agents: [limited, notify] },
  { name: 'a waiter twice, a notifier twice, time-outs', agents: [twice, { ...notify, rounds: 2 }] },
  { name: '2 waiters, a notifier, time-outs', agents: [limited, limited, notify] },
  { name: '2 waiters, a notifier of 2, time-outs', agents: [limited, limited, notifyTwo] },
  { name: '2 waiters, a notifier of all, time-outs', agents: [limited, limited, notifyAll] },
  { name: 'a waiter, cancelled, a notifier', agents: [cancellable, notify], others: ['cancels'] },
  { name: 'a waiter, closed, a notifier', agents: [{}, notify], others: ['closes'] },
  { name: 'a flow, a notifier, a time-out', agents: [flow, notify] },
  { name: 'two flows of a thread, a notifier, a time-out', agents: [flows, notify] },
  { name: 'two flows of a thread, a notifier of 2, a time-out', agents: [flows, notifyTwo] },
  { name: 'two flows of a thread, a notifier of all, a death', agents: [flows, notifyAll], deaths: 1 },
  { name: 'a consumer and a producer', agents: [consume, produce] },
  { name: 'a consumer and a producer that notifies within', agents: [consume, { ...produce, within: true }] },
  { name: 'a consumer and a producer, a death', agents: [consume, produce], deaths: 1 },
  { name: 'a consumer and a producer, two deaths, two recoverers', agents: [consume, produce], deaths: 2, recoverers: 2, only: 'full' },
  { name: '2 waiters, a notifier, time-outs, a death', agents: [limited, limited, notify], deaths: 1 },
  { name: '2 waiters, tickets wrap', agents: [limited, limited, notify], ticketsFrom: 2 ** 31 - 2 },
  { name: 'a waiter and a flow, a notifier, time-outs', agents: [limited, flow, notify] },
  { name: 'a waiter and a flow, a notifier of 2, a death', agents: [limited, flow, notifyTwo], deaths: 1, only: 'full' },
  { name: '2 waiters, 2 notifiers, time-outs', agents: [limited, limited, notify, notify], only: 'full' },
  { name: '2 consumers and a producer', agents: [consume, consume, produce], only: 'full' },
  { name: '2 consumers and a producer, a death', agents: [consume, consume, produce], deaths: 1, only: 'full' },
];

describe('every schedule', () => {
  testRows(rows, (row) => signalScenario(production, row));
});

const SLOTS = 'src/raw/slots.ts';

const one: SignalRow = { name: 'a waiter, a notifier, a time-out', agents: [limited, notify] };
const two: SignalRow = { name: '2 waiters, a notifier, time-outs', agents: [limited, limited, notify] };
const everybody: SignalRow = { name: '2 waiters, a notifier of all', agents: [limited, limited, notifyAll] };
const data: SignalRow = { name: 'a consumer and a producer', agents: [consume, produce] };
const deadly: SignalRow = { ...data, name: 'a consumer and a producer, a death', deaths: 1 };
const oneFlow: SignalRow = { name: 'a flow, a notifier, a time-out', agents: [flow, notify] };
const deadlyFlow: SignalRow = { ...oneFlow, name: 'a flow, a notifier, a death', deaths: 1 };
const closed: SignalRow = { name: 'a waiter, closed', agents: [{}, notify], others: ['closes'] };
const cancelled: SignalRow = { name: 'a waiter, cancelled', agents: [cancellable, notify], others: ['cancels'] };

const RELEASE = '  if (!tryRelease(segment.words, mutexAddress, self)) release(segment, mutexAddress, self);\n';
const PUBLISH = '  publishRow(segment, slotAddress, self, sinceMs);\n';
const LOOK = '    if (result === BUSY && isBlockedOn(segment, slotAddress, self)) {\n';
const MARK = 'if (segment.words.compareExchange(agentAt(segment, id) + WANTS, row, row | SIGNALLED) !== row) return false;\n  unpark(segment, id);';
const WITHDRAW = 'if (segment.words.compareExchange(agentAt(segment, self) + WANTS, row, 0) === row) return true;\n  clearRow(segment, self);\n';
const LEAVE = 'if (words.compareExchange(at, hold, waits ? hold - 1 : (hold - ONE_SIGNAL) | 0) === hold) return waits;';
const MARK_FLOWS = 'if (words.compareExchange(at, hold, (hold - count + count * ONE_SIGNAL) | 0) !== hold) continue;';

const mutations: readonly (Mutation & { readonly caughtBy: SignalRow })[] = [
  { name: 'releases the mutex, then publishes', find: PUBLISH + RELEASE, replace: RELEASE + PUBLISH, caughtBy: data },
  { name: 'does not release a mutex that others wait for', find: RELEASE, replace: '  tryRelease(segment.words, mutexAddress, self);\n', caughtBy: data },
  { name: 'does not look at its row before it sleeps', find: LOOK, replace: '    if (!expired || isBlockedOn(segment, slotAddress, self)) {\n', caughtBy: one },
  { name: 'the wakes are read too late', find: 'park(segment, self, seen, deadline, suspect)', replace: 'park(segment, self, wakesOf(segment, self), deadline, suspect)', caughtBy: one },
  { name: 'who is signalled is not woken', find: MARK, replace: MARK.replace('\n  unpark(segment, id);', ''), caughtBy: one },
  { name: 'who is signalled is woken, then marked', find: MARK, replace: `unpark(segment, id);\n  ${MARK.replace('\n  unpark(segment, id);', '')}`, caughtBy: one },
  { name: 'signals by a store', find: MARK, replace: 'segment.words.store(agentAt(segment, id) + WANTS, row | SIGNALLED);\n  unpark(segment, id);', caughtBy: one },
  { name: 'gives up by a store', find: WITHDRAW, replace: 'segment.words.store(agentAt(segment, self) + WANTS, 0);\n  if (row > 0) return true;\n', caughtBy: one },
  { name: 'leaves a row that was signalled', find: WITHDRAW, replace: WITHDRAW.replace('  clearRow(segment, self);\n', ''), caughtBy: one },
  { name: 'says that it gave up, though it was signalled', find: 'if (withdraw(segment, slotAddress, self)) return result;', replace: 'if (withdraw(segment, slotAddress, self) || result < 0) return result;', caughtBy: one },
  { name: 'who is out of time leaves its row', find: 'else if (expired) result = TIMED_OUT;', replace: 'else if (expired) return TIMED_OUT;', caughtBy: one },
  { name: 'a signal to one who has given up counts', find: 'markFlows(segment, slotAddress, -first, 1) > 0) done++;', replace: 'markFlows(segment, slotAddress, -first, 1) > 0) done++;\n    else done++;', caughtBy: two },
  { name: 'signals whoever has the lowest id', find: '      if (isOlder(ticket, oldest)) {\n', replace: '      if (first === 0) {\n', caughtBy: two },
  { name: 'signals one too many', find: 'while (done < count)', replace: 'while (done <= count)', caughtBy: { ...two, agents: [limited, {}, notifyTwo], deaths: 0, name: '2 waiters, one without a limit, a notifier of 2' } },
  { name: 'ends the wait of one', find: 'markRow(segment, slotAddress, id)) done++;', replace: 'done === 0 && markRow(segment, slotAddress, id)) done++;', caughtBy: everybody },
  { name: 'does not see that it is closed', find: 'if (words.load(slotAddress) & CLOSED) result = SHUT;\n      else if', replace: 'if', caughtBy: { ...closed, agents: [{}, {}] } },
  { name: 'who may be cancelled does not ask', find: '      else if (interrupt?.requested()) result = INTERRUPTED;\n', replace: '', caughtBy: { ...cancelled, agents: [cancellable, cancellable] } },
  { name: 'signals pass flows by', find: 'if ((segment.words.load(holdAt(segment, slotAddress, id)) & WAITING_FLOWS) === 0) continue;', replace: 'if (first === 0) continue;', caughtBy: oneFlow },
  { name: 'flows are not among all', find: '    done += markFlows(segment, slotAddress, id, WAITING_FLOWS);\n', replace: '', caughtBy: { ...oneFlow, agents: [flow, notifyAll] } },
  { name: 'nobody rings', find: '    ring(segment, id);\n', replace: '', caughtBy: oneFlow },
  { name: 'signals flows by a store', find: MARK_FLOWS, replace: 'words.store(at, (hold - count + count * ONE_SIGNAL) | 0);', caughtBy: oneFlow },
  { name: 'a flow gives up by a store', find: LEAVE, replace: 'words.store(at, waits ? hold - 1 : (hold - ONE_SIGNAL) | 0);\n    if (at > 0) return waits;', caughtBy: oneFlow },
  { name: 'a flow gives up, though it was signalled', find: LEAVE, replace: LEAVE.replace('return waits;', 'return true;'), caughtBy: oneFlow },
  { name: 'a flow leaves the signal that it has taken', find: '  words.add(at, -ONE_SIGNAL);\n', replace: '', caughtBy: oneFlow },
  { name: 'more flows are signalled than wait', find: 'Math.min(hold & WAITING_FLOWS, most)', replace: 'most', caughtBy: oneFlow },
  { name: 'a death signals nobody', find: '  signalAll(segment, slotAddress);\n', replace: '', caughtBy: deadly },
  { name: 'the flows of the dead wait on', find: '  if (segment.words.load(at) !== 0) segment.words.store(at, 0);\n', replace: '', caughtBy: deadlyFlow },
  { name: 'recovery takes a condition for a mutex', file: SLOTS, find: 'const condition = isCondition(words, slotAddress);', replace: 'const condition = false;', caughtBy: deadly },
];

// Not listed, since nothing goes wrong: signals to those who came after it began, so that one who signals may go on for long.

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>(
  { raw: 'src/raw/signal.ts', mutex: 'src/raw/mutex.ts', queue: 'src/raw/queue.ts', park: 'src/park/park.ts', slots: SLOTS },
  mutations,
);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => signalScenario(modules, mutations[i]!.caughtBy));
});
