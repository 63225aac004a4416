import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/mutex.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { testMutants, testRows } from './bounds.js';
import { type Modules, mutexScenario, type MutexRow } from './mutex-cast.js';

// That recovery runs once more where its recoverer dies: agents.test.ts. What it does to a mutex: mutex.test.ts.

const production: Modules = { raw, queue, park, slots };

const blocked: MutexRow = { name: 'a death beside one that blocks', agents: [{}, {}], deaths: 1 };
const flow: MutexRow = { name: 'the death of an event loop', agents: [{}, { by: 'flow' }], deaths: 1, reduction: 'merged' };

describe('every schedule', () => {
  testRows([blocked, flow], (row) => mutexScenario(production, row));
});

const mutations: readonly (Mutation & { readonly caughtBy: MutexRow })[] = [
  { name: 'a dead owner keeps the lock', find: '  if (!recoverOwner(segment, slotAddress, dead)) return false;\n', replace: '', caughtBy: blocked },
  { name: 'the death of an owner is not told', find: '  words.add(slotAddress + ownerDeaths.at, 1);\n  return true;', replace: '  mutex.declareConsistent(words, slotAddress, dead);\n  words.store(slotAddress, 0);\n  return true;', caughtBy: blocked },
  { name: 'a dead event loop stays in the queue', find: 'if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);', replace: '', caughtBy: flow },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ slots: 'src/raw/slots.ts', raw: 'src/raw/mutex.ts', queue: 'src/raw/queue.ts', park: 'src/park/park.ts' }, mutations);

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => mutexScenario(modules, mutations[i]!.caughtBy));
});
