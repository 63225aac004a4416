import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/ring.js';
import * as slots from '../../src/raw/slots.js';
import { type Costly, testRows } from './bounds.js';
import { type Modules, type Plan, ringScenario, type RingRow } from './ring-cast.js';

const production: Modules = { raw, queue, park, slots };

const push: Plan = { does: 'push' };
const pop: Plan = { does: 'pop' };
const pushes: Plan = { ...push, rounds: 2 };
const pops: Plan = { ...pop, rounds: 2 };
const tryPush: Plan = { ...push, by: 'try' };
const tryPop: Plan = { ...pop, by: 'try' };
const pushFlow: Plan = { ...push, by: 'flow' };
const popFlow: Plan = { ...pop, by: 'flow' };
const limited = { limited: true } as const;
const cancellable = { cancellable: true } as const;

type CostlyRow = RingRow & Costly;

const rows: readonly CostlyRow[] = [
  { name: 'one pushes, one pops', capacity: 1, agents: [push, pop] },
  { name: 'one pushes 2, one pops 2', capacity: 1, agents: [pushes, pops] },
  { name: 'one pushes 2, one pops 2, room for 2', capacity: 2, agents: [pushes, pops] },
  { name: 'one pushes, one pops, a death', capacity: 1, agents: [push, pop], deaths: 1 },
  { name: 'one pushes, one pops, two deaths', capacity: 1, agents: [push, pop], deaths: 2 },
  { name: 'one pushes 2, one pops 2, a death', capacity: 1, agents: [pushes, pops], deaths: 1 },
];

describe('every schedule', () => {
  testRows(rows, (row) => ringScenario(production, row));
});
