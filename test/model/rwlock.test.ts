import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as codes from '../../src/raw/mutex.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/rwlock.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMerging, testMutants, testRows } from './bounds.js';
import { type Modules, type Plan, rwlockScenario, type RwlockRow } from './rwlock-cast.js';

const production: Modules = { raw, codes, queue, park, slots };

const read: Plan = { by: 'read' };
const write: Plan = { by: 'write' };
const tryRead: Plan = { by: 'try-read' };
const tryWrite: Plan = { by: 'try-write' };
const upgradable: Plan = { by: 'upgradable' };
const upgrade: Plan = { by: 'upgrade' };
const downgrade: Plan = { by: 'downgrade' };
const readFlow: Plan = { by: 'read-flow' };
const writeFlow: Plan = { by: 'write-flow' };
const holdsRead: Plan = { by: 'read', holds: true };
const holdsWrite: Plan = { by: 'write', holds: true };

function twice(plan: Plan): Plan {
  return { ...plan, rounds: 2 };
}

function limited(plan: Plan): Plan {
  return { ...plan, limited: true };
}

function cancellable(plan: Plan): Plan {
  return { ...plan, cancellable: true };
}

function refusing(plan: Plan): Plan {
  return { ...plan, refuses: true };
}

const rows: readonly (RwlockRow & Costly)[] = [
  { name: '1 reader, 1 writer, twice', agents: [twice(read), twice(write)] },
  { name: 'one that reads and then writes, 1 writer', agents: [{ by: 'either', rounds: 2 }, write] },
  { name: '2 writers, twice', agents: [twice(write), twice(write)] },
  { name: '2 readers, 1 writer', agents: [read, read, write] },
  { name: '1 reader, 2 writers', agents: [read, write, write], only: 'full' },
  { name: '1 reader, 1 writer, twice, time-outs', agents: [twice(limited(read)), twice(limited(write))], only: 'full' },
  { name: '2 readers, 1 writer, its time-out', agents: [read, read, limited(write)], only: 'full' },
  { name: '2 readers, 1 writer, a reader times out', agents: [limited(read), read, write], only: 'full' },
  { name: '1 reader, 2 writers, a writer times out', agents: [read, write, limited(write)], only: 'full' },
  { name: '2 readers, 1 writer, one tries', agents: [read, tryRead, write], only: 'full' },
  { name: '1 reader, 1 writer, one tries to write', agents: [read, write, twice(tryWrite)], only: 'full' },
  { name: 'reads for ever, two time out', agents: [holdsRead, limited(write), limited(write)], only: 'full' },
  { name: 'reads for ever, a writer is cancelled, a reader comes', agents: [holdsRead, cancellable(write), read], others: ['cancels'], only: 'full' },
  { name: 'writes for ever, two time out', agents: [holdsWrite, limited(write), limited(read)], only: 'full' },
  { name: 'writes for ever, a reader is cancelled', agents: [holdsWrite, cancellable(read)], others: ['cancels'] },
  { name: 'reads for ever, closed', agents: [holdsRead, write], others: ['closes'] },
  { name: 'writes for ever, closed', agents: [holdsWrite, read, write], others: ['closes'], only: 'full' },
  { name: '1 reader, 1 writer, closed', agents: [read, write], others: ['closes'] },
  { name: '1 reader, 1 writer, twice, a death', agents: [twice(read), twice(write)], deaths: 1, only: 'full' },
  { name: '1 reader, 1 writer, two deaths', agents: [read, write], deaths: 2 },
  { name: '1 reader, 1 writer, two deaths, two recoverers', agents: [read, write], deaths: 2, recoverers: 2 },
  { name: '1 reader, 1 writer, a death, the dead one is started anew', agents: [read, write], deaths: 1, respawns: 1 },
  { name: '2 readers, 1 writer, a death', agents: [read, read, write], deaths: 1, only: 'full' },
  { name: '1 reader, 2 writers, a death', agents: [read, write, write], deaths: 1, only: 'full' },
  { name: 'a writer, a reader that refuses, one that declares, a death', agents: [write, refusing(read), write], deaths: 1, only: 'full' },
  { name: '1 reader, 1 writer, a time-out, a death', agents: [read, limited(write)], deaths: 1 },
  { name: '1 reader, 1 writer, closed, a death', agents: [read, write], others: ['closes'], deaths: 1, only: 'full' },
  { name: 'an upgrade beside a reader, twice', agents: [twice(upgrade), twice(read)], only: 'full' },
  { name: 'two upgrades', agents: [upgrade, upgrade] },
  { name: 'an upgrade beside a reader and a writer', agents: [upgrade, read, write], only: 'full' },
  { name: 'an upgrade beside a reader, a time-out', agents: [limited(upgrade), read, read], only: 'full' },
  { name: 'an upgrade beside one who reads for ever', agents: [{ ...limited(upgrade), holds: true }, holdsRead, read], only: 'full' },
  { name: 'an upgradable reader, a reader and a writer', agents: [upgradable, read, write], only: 'full' },
  { name: 'an upgrade beside a reader, a death', agents: [upgrade, read], deaths: 1 },
  { name: 'two upgrades, a death', agents: [upgrade, upgrade], deaths: 1 },
  { name: 'an upgrade, closed', agents: [upgrade, read], others: ['closes'], only: 'full' },
  { name: 'a downgrade beside a reader and a writer', agents: [downgrade, read, write], only: 'full' },
  { name: 'a downgrade beside a writer, a death', agents: [downgrade, write], deaths: 1 },
  { name: 'flows: a reader and a writer', agents: [readFlow, writeFlow] },
  { name: 'flows beside a blocked writer', agents: [readFlow, write] },
  { name: 'a flow that writes, a blocked reader', agents: [read, writeFlow] },
  { name: 'a flow that writes, a reader and a writer', agents: [read, writeFlow, write], only: 'full' },
  { name: 'a flow that reads, a reader and a writer', agents: [read, readFlow, write], only: 'full' },
  { name: 'flows that time out', agents: [limited(readFlow), limited(writeFlow)] },
  { name: 'a flow that writes times out, a reader comes', agents: [read, limited(writeFlow)] },
  { name: 'flows, a death', agents: [readFlow, writeFlow], deaths: 1 },
  { name: 'flows, closed', agents: [readFlow, writeFlow], others: ['closes'], only: 'full' },
  { name: '2 readers, 2 writers', agents: [read, read, write, write], only: 'full' },
  { name: '2 readers, 1 writer, twice', agents: [twice(read), twice(read), twice(write)], only: 'full' },
  { name: '2 readers, 1 writer, two deaths', agents: [read, read, write], deaths: 2, only: 'full' },
  { name: '2 readers, 1 writer, its time-out, a death', agents: [read, read, limited(write)], deaths: 1, only: 'full' },
  { name: 'an upgrade beside a reader and a writer, a death', agents: [upgrade, read, write], deaths: 1, only: 'full' },
];

describe('every schedule', () => {
  testRows(rows, (row) => rwlockScenario(production, { ...row, reduction: 'merged' }));
});

describe('merging local states leaves the ends as they are', () => {
  const merging: readonly RwlockRow[] = [
    { name: '1 reader, 1 writer, a death', agents: [read, write], deaths: 1 },
    { name: '1 reader, 1 writer, a time-out', agents: [limited(read), write] },
    { name: 'two upgrades, a death', agents: [upgrade, upgrade], deaths: 1 },
    { name: 'a downgrade beside a writer', agents: [downgrade, write] },
    { name: 'flows', agents: [readFlow, writeFlow] },
  ];
  testMerging(merging, (row, reduction) => rwlockScenario(production, { ...row, reduction }));
});

const ordered: RwlockRow = { name: 'in order', agents: [write, read, write], checks: 'order' };

describe('whoever is blocked comes before those who come later', () => {
  testRows<RwlockRow & Costly>([{ ...ordered, only: 'full' }, { ...ordered, name: 'in order, twice', agents: [twice(write), write, read], only: 'full' }], (row) => rwlockScenario(production, { ...row, reduction: 'merged' }));
});

const QUEUE = 'src/raw/queue.ts';
const SLOTS = 'src/raw/slots.ts';

const one: RwlockRow = { name: '1 reader, 1 writer', agents: [read, write] };
const more: RwlockRow = { name: '1 reader, 1 writer, twice', agents: [twice(read), twice(write)] };
const readers: RwlockRow = { name: '2 readers, 1 writer', agents: [read, read, write] };
const writers: RwlockRow = { name: '1 reader, 2 writers', agents: [read, write, write] };
const timedWrite: RwlockRow = { name: '2 readers, 1 writer, its time-out', agents: [read, read, limited(write)] };
const timedWriters: RwlockRow = { name: '1 reader, 2 writers, a time-out', agents: [read, write, limited(write)] };
const deadly: RwlockRow = { name: '1 reader, 1 writer, a death', agents: [read, write], deaths: 1 };
const deadlyWriters: RwlockRow = { name: '2 writers, a death', agents: [write, write], deaths: 1 };
const deadlyUpgrade: RwlockRow = { name: 'an upgrade beside a reader, a death', agents: [upgrade, read], deaths: 1 };
const refused: RwlockRow = { name: 'a reader refuses, a death', agents: [write, refusing(read)], deaths: 1 };
const upgrading: RwlockRow = { name: 'an upgrade beside a reader', agents: [upgrade, read] };
const timedUpgrade: RwlockRow = { name: 'an upgrade that times out, and reads for ever', agents: [{ ...limited(upgrade), holds: true }, holdsRead, read] };
const downgrading: RwlockRow = { name: 'a downgrade beside a writer', agents: [downgrade, write] };
const closed: RwlockRow = { name: 'closed', agents: [read, write], others: ['closes'] };
const flows: RwlockRow = { name: 'flows', agents: [readFlow, writeFlow] };

const mutations: readonly (Mutation & { readonly caughtBy: RwlockRow })[] = [
  {
    name: 'a reader looks, then sets its cell',
    find: '  if (!(segment.words.stepThenLoad(cellAddress + HOLD, slotAddress) & BARS)) return true;\n',
    replace: '  const isFree = !(segment.words.load(slotAddress) & BARS);\n  segment.words.add(cellAddress + HOLD, READS);\n  if (isFree) return true;\n',
    caughtBy: one,
  },
  {
    name: 'a reader does not look again',
    find: '  const result = outcomeForReader(words.stepThenLoad(cellAddress + HOLD, slotAddress), self, inconsistent);\n',
    replace: '  const result = before;\n  words.add(cellAddress + HOLD, READS);\n',
    caughtBy: more,
  },
  { name: 'a reader does not set its cell', find: 'if (!(segment.words.stepThenLoad(cellAddress + HOLD, slotAddress) & BARS)) return true;', replace: 'if (!(segment.words.load(slotAddress) & BARS)) return true;', caughtBy: one },
  { name: 'a writer does not drain', find: '    if (firstReader(segment, slotAddress) !== 0) return BUSY;\n    const token', replace: '    const token', caughtBy: one },
  { name: 'a writer drains the first agent only', find: 'for (let id = 1; id <= high; id++) if (isReading(segment, slotAddress, id)) return id;', replace: 'if (isReading(segment, slotAddress, 1)) return 1;', caughtBy: readers },
  { name: 'a writer drains, then claims', find: '  const result = drain(segment, slotAddress);\n  if (result <= 0) release(segment, slotAddress, self);\n', replace: '  const result = segment.words.claim(slotAddress, segment.words.load(slotAddress), self);\n', caughtBy: one },
  { name: 'a reader that goes wakes nobody', find: '  wakeDrainer(segment, word);\n  return true;\n', replace: '  return true;\n', caughtBy: one },
  { name: 'a reader that goes looks, then clears its cell', find: '  const word = segment.words.stepThenLoad(cellAddress + HOLD, slotAddress);\n', replace: '  const word = segment.words.load(slotAddress);\n  segment.words.add(cellAddress + HOLD, READS);\n', caughtBy: one },
  { name: 'a reader that is not let in wakes no drainer', find: '  if (word & DRAINING) wakeDrainer(segment, word);\n', replace: '', caughtBy: one },
  { name: 'a reader that is not let in keeps its cell', find: '  segment.words.add(cellAddress + HOLD, -READS);\n', replace: '', caughtBy: one },
  { name: 'the event loop of a drainer is not rung', find: '  ring(segment, word & OWNER);\n', replace: '', caughtBy: flows },
  { name: 'a drainer reads its wakes too late', find: 'if (park(segment, self, seen, deadline, reader)', replace: 'if (park(segment, self, wakesOf(segment, self), deadline, reader)', caughtBy: one },
  { name: 'a waiting reader reads its wakes too late', find: 'if (park(segment, self, seen, deadline, owner)', replace: 'if (park(segment, self, wakesOf(segment, self), deadline, owner)', caughtBy: one },
  { name: 'a waiting writer reads its wakes too late', find: 'park(segment, self, seen, deadline, blocker)', replace: 'park(segment, self, wakesOf(segment, self), deadline, blocker)', caughtBy: writers },
  { name: 'a waiting reader does not ask', find: '      const owner = askShared(segment.words, slotAddress);\n      if (owner === 0) continue;\n', replace: '      const owner = segment.words.load(slotAddress) & OWNER;\n      if (owner === 0) continue;\n', caughtBy: one },
  { name: 'a waiting writer does not ask', find: '    const blocker = askExclusive(segment, slotAddress, ticket);\n', replace: '    const blocker = segment.words.load(slotAddress) & OWNER;\n', caughtBy: { name: '2 writers', agents: [write, write] } },
  { name: 'release wakes nobody', find: '    else if (word & WAITERS) wakeTurn(segment, slotAddress);\n    return true;', replace: '    return true;', caughtBy: one },
  {
    name: 'release looks for the next before it frees the word',
    find: "    // Only now: a row that is published after this look belongs to a waiter that will find the word free.\n    if (word & (DIED | CLOSED)) wakeAll(segment, slotAddress);\n    else if (word & WAITERS) wakeTurn(segment, slotAddress);\n    return true;",
    replace: '    if (word & WAITERS && awaited) wakeTurn(segment, slotAddress);\n    return true;',
    caughtBy: writers,
  },
  { name: 'release stores', find: 'if (words.compareExchange(slotAddress, word, (word & (DIED | CLOSED)) | awaited) !== word) continue;', replace: 'words.store(slotAddress, (word & (DIED | CLOSED)) | awaited);', caughtBy: closed },
  { name: 'release always forgets who waits', find: 'const awaited = word & WAITERS && isAwaited(segment, slotAddress) ? WAITERS : 0;', replace: 'const awaited = 0;', caughtBy: ordered },
  { name: 'a writer does not wait for its turn', find: '    if (word & WAITERS && blockedBefore(segment, slotAddress, ticket) !== 0) return BUSY;\n', replace: '', caughtBy: ordered },
  { name: 'one that leaves passes nothing on', find: '    if (word & CLOSED || !isAwaited(segment, slotAddress)) return;\n', replace: '    return;\n', caughtBy: writers },
  { name: 'one that leaves passes on, then clears its row', find: '    clearRow(segment, self);\n    leave(segment, slotAddress);\n    return result;', replace: '    leave(segment, slotAddress);\n    clearRow(segment, self);\n    return result;', caughtBy: writers },
  { name: 'a writer that gives up draining keeps the word', find: '  else if (result <= 0) release(segment, slotAddress, self);\n', replace: '', caughtBy: timedWrite },
  { name: 'a try to write that fails keeps the word', find: '  if (result <= 0) release(segment, slotAddress, self);\n  return result;', replace: '  return result;', caughtBy: { name: 'one tries', agents: [read, tryWrite] } },
  { name: 'a writer that gives up wakes nobody', find: '  if (claimed !== TAKEN) leave(segment, slotAddress);\n  else if (result', replace: '  if (claimed !== TAKEN) return result;\n  else if (result', caughtBy: timedWriters },
  { name: 'an expired drainer leaves without a look', find: "    if (park(segment, self, seen, deadline, reader) === 'timed-out') expired = true;", replace: "    if (park(segment, self, seen, deadline, reader) === 'timed-out') return TAKEN;", caughtBy: timedWrite },
  { name: 'an owner that claims drops DIED', find: '(word & (WAITERS | DIED))) === word) return TAKEN;', replace: '(word & WAITERS)) === word) return TAKEN;', caughtBy: deadlyWriters },
  { name: 'recovery leaves the cell', find: '  if (isReading(segment, slotAddress, dead)) addToHold', replace: '  if (false) addToHold', caughtBy: deadly },
  { name: 'recovery forgets DIED', find: '(word & (CLOSED | DIED)) | (wrote ? DIED : 0)', replace: 'word & (CLOSED | DIED)', caughtBy: deadlyWriters },
  { name: 'recovery takes a drainer for a writer', find: 'const wrote = !(word & (DRAINING | UPGRADABLE));', replace: 'const wrote = !(word & UPGRADABLE);', caughtBy: deadly },
  { name: 'recovery takes an upgradable reader for a writer', find: 'const wrote = !(word & (DRAINING | UPGRADABLE));', replace: 'const wrote = !(word & DRAINING);', caughtBy: deadlyUpgrade },
  { name: 'recovery keeps the owner of a drain', find: '    const wrote = !(word & (DRAINING | UPGRADABLE));\n', replace: '    const wrote = !(word & (DRAINING | UPGRADABLE));\n    if (!wrote) return false;\n', caughtBy: deadly },
  { name: 'a reader is let in to inconsistent data', find: 'return word & DIED & ~inconsistent ? INCONSISTENT : TAKEN;', replace: 'return TAKEN;', caughtBy: refused },
  { name: 'a reader in passing does not look for DIED', find: 'const BARS = OWNER | DIED | CLOSED;', replace: 'const BARS = OWNER | CLOSED;', caughtBy: refused },
  { name: 'an upgrade does not drain', find: '  const result = begun ? awaitDrain(segment, slotAddress, self, deadline, interrupt) : SHUT;\n', replace: '  const result = begun ? segment.words.claim(slotAddress, segment.words.load(slotAddress), self) : SHUT;\n', caughtBy: upgrading },
  { name: 'an upgrade lets readers in', find: '(word & ~UPGRADABLE) | DRAINING', replace: 'word | DRAINING', caughtBy: upgrading },
  { name: 'an upgrade that is given up stays', find: '  if (result <= 0 && begun) endUpgrade(segment, slotAddress);\n', replace: '', caughtBy: timedUpgrade },
  { name: 'an upgrade that is given up wakes nobody', find: '(word & ~DRAINING) | UPGRADABLE) === word) break;\n  }\n  wakeAll(segment, slotAddress);', replace: '(word & ~DRAINING) | UPGRADABLE) === word) break;\n  }', caughtBy: timedUpgrade },
  { name: 'a downgrade releases, then reads', find: '  addToHold(segment.words, slotAddress, cellAddress, READS);\n  release(segment, slotAddress, self);', replace: '  release(segment, slotAddress, self);\n  addToHold(segment.words, slotAddress, cellAddress, READS);', caughtBy: downgrading },
  { name: 'the turn is the writer\'s alone', file: QUEUE, find: '    unpark(segment, id);\n    readers++;\n', replace: '    if (writer === 0) unpark(segment, id);\n    readers++;\n', caughtBy: { ...writers, reduction: undefined } },
  { name: 'the turn is the readers\' alone', file: QUEUE, find: '  if (readers === 0 && writer !== 0) unpark(segment, writer);\n', replace: '', caughtBy: writers },
  {
    name: 'a queued owner does not say that others may wait',
    find: 'ticket, WAITERS);\n    if (result !== BUSY) return result;\n    const blocker',
    replace: 'ticket, 0);\n    if (result !== BUSY) return result;\n    const blocker',
    caughtBy: { name: '3 writers, after others have given up', agents: [write, write, write], begins: 'with WAITERS' },
  },
  { name: 'recovery takes an rwlock for a mutex', file: SLOTS, find: '  if (rwlock.isRwlock(words, slotAddress)) return rwlock.recover(segment, slotAddress, dead);\n', replace: '', caughtBy: deadly },
  { name: 'recovery leaves the flows', file: SLOTS, find: '  if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);\n', replace: '', caughtBy: { ...flows, name: 'flows, a death', deaths: 1 } },
  { name: 'nobody rings when the turn comes', file: QUEUE, find: 'unpark(segment, writer);\n  wakeFlows(segment, slotAddress);', replace: 'unpark(segment, writer);', caughtBy: flows },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/rwlock.ts', codes: 'src/raw/mutex.ts', queue: QUEUE, park: 'src/park/park.ts', slots: SLOTS }, mutations);

// Not listed: an owner that drops WAITERS when it claims. In these bounds nothing goes wrong then, since whoever was woken sets it again.

describe('a mutant is caught', () => {
  testMutants(mutants, (modules, i) => rwlockScenario(modules, { reduction: 'merged', ...mutations[i]!.caughtBy }));
});
