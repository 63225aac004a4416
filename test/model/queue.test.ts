import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/mutex.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMutants, testRows } from './bounds.js';
import { type Modules, mutexScenario, type MutexRow, type Plan } from './mutex-cast.js';

const production: Modules = { raw, queue, park, slots };

const once: Plan = {};
const limited: Plan = { limited: true };
const flow: Plan = { by: 'flow' };

type CostlyRow = MutexRow & Costly;

// The mutex that waits in this queue has more rows, in mutex.test.ts and flows.test.ts.
const ordered: CostlyRow = { name: '3 × 1, in order', agents: [once, once, once], fairness: 'fifo', checks: 'order', reduction: 'merged' };
const mixed: CostlyRow = { ...ordered, name: '3 × 1, in order, one a flow', agents: [once, flow, once] };
// The first ticket is the largest number, and the second the least odd one.
const wrapping: CostlyRow = { ...ordered, name: '3 × 1, in order, tickets wrap', ticketsFrom: 2 ** 31 - 2 };
const twice: CostlyRow = { ...ordered, name: '2 × 2, in order', agents: [{ rounds: 2 }, { rounds: 2 }] };

describe('every schedule', () => {
  testRows<CostlyRow>(
    [
      ordered,
      mixed,
      wrapping,
      twice,
      { ...wrapping, name: '3 × 1, in order, tickets wrap, a flow', agents: [once, flow, once] },
      { ...ordered, name: '3 × 1, in order, a time-out', agents: [once, limited, once] },
      { ...ordered, name: '2 + 2 + 1, in order', agents: [{ rounds: 2 }, { rounds: 2 }, once], only: 'full' },
      { ...ordered, name: '4 × 1, in order', agents: [once, once, once, once], only: 'full' },
    ],
    (row) => mutexScenario(production, row),
  );
});

const two: MutexRow = { name: '2 × 1', agents: [once, once] };
const timed: MutexRow = { name: '3 × 1, a time-out', agents: [once, limited, once], reduction: 'merged' };
const closed: MutexRow = { name: 'held for ever, closed', agents: [{ holds: true }, once, once], others: ['closes'], reduction: 'merged' };

const TICKET_STORE = '  words.store(row + TICKET, takeTicket(segment, slotAddress));\n';
const REST =
  '  words.storeNumber(row + WANTS_SINCE, sinceMs);\n' +
  '  words.storeNumber(row + WANTS_TOKEN, words.loadNumber(slotAddress + TOKEN));\n' +
  '  words.store(row + WANTS, slotNumber(segment, slotAddress) + 1);\n';

const mutations: readonly (Mutation & { readonly caughtBy: MutexRow })[] = [
  { name: 'the ticket comes after the row', find: TICKET_STORE + REST, replace: REST + TICKET_STORE, caughtBy: ordered },
  { name: 'tickets are compared as numbers', find: '((ticket - than) | 0) < 0', replace: 'ticket < than', caughtBy: wrapping },
  { name: 'the youngest is first', find: '((ticket - than) | 0) < 0', replace: '((ticket - than) | 0) > 0', caughtBy: ordered },
  { name: 'the last record is first', find: '    if (first !== 0 && !isOlder(ticket, oldest)) continue;\n', replace: '', caughtBy: ordered },
  { name: 'two take the same ticket', find: 'return segment.words.add(slotAddress + TICKETS, TICKET_STEP) + 1;', replace: 'const ticket = segment.words.load(slotAddress + TICKETS) + 1;\n  segment.words.store(slotAddress + TICKETS, ticket + 1);\n  return ticket;', caughtBy: ordered },
  { name: 'the first ticket is none', find: 'segment.words.add(slotAddress + TICKETS, TICKET_STEP) + 1', replace: 'segment.words.add(slotAddress + TICKETS, TICKET_STEP)', caughtBy: { name: 'two flows', agents: [flow, flow] } },
  { name: 'the last agent is overlooked', find: 'let oldest = 0;\n  for (let id = 1; id <= high; id++)', replace: 'let oldest = 0;\n  for (let id = 1; id < high; id++)', caughtBy: two },
  { name: 'agents that have left the queue are in it', find: 'if (!isBlockedOn(segment, slotAddress, id)) continue;', replace: '', caughtBy: two },
  { name: 'a row is not cleared', find: 'segment.words.store(agentAt(segment, id) + WANTS, 0);', replace: '', caughtBy: two },
  { name: 'a cell is not cleared', find: '  publishCell(segment, slotAddress, id, 0);', replace: '', caughtBy: { name: 'two flows', agents: [flow, flow] } },
  { name: 'only one of all is woken', find: 'if (isBlockedOn(segment, slotAddress, id)) unpark(segment, id);', replace: 'if (isBlockedOn(segment, slotAddress, id)) { unpark(segment, id); break; }', caughtBy: closed },
  { name: 'the next is not woken', find: '  if (first !== 0) unpark(segment, first);\n', replace: '', caughtBy: two },
  { name: 'nobody is awaited for', find: 'if (isBlockedOn(segment, slotAddress, id) || hasFlows(segment, slotAddress, id)) return true;', replace: '', caughtBy: timed },
  { name: 'flows come after all threads', find: 'if (flow !== 0 && isOlder(flow, ticket)) return true;', replace: '', caughtBy: mixed },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ queue: 'src/raw/queue.ts', raw: 'src/raw/mutex.ts', park: 'src/park/park.ts', slots: 'src/raw/slots.ts' }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => mutexScenario(modules, mutations[i]!.caughtBy));
});
