import { describe } from 'vitest';
import * as park from '../../src/park/park.js';
import * as queue from '../../src/raw/queue.js';
import * as raw from '../../src/raw/ring.js';
import * as slots from '../../src/raw/slots.js';
import { type Mutation, mutate } from '../harness/mutants.js';
import { type Costly, testMutants, testRows } from './bounds.js';
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

const make: Plan = { does: 'make' };

const rows: readonly CostlyRow[] = [
  { name: 'one pushes, one pops', capacity: 1, agents: [push, pop] },
  { name: 'one pushes 2, one pops 2', capacity: 1, agents: [pushes, pops] },
  { name: 'one pushes 2, one pops 2, room for 2', capacity: 2, agents: [pushes, pops] },
  { name: 'one pushes, one pops, a death', capacity: 1, agents: [push, pop], deaths: 1 },
  { name: 'one pushes, one pops, two deaths', capacity: 1, agents: [push, pop], deaths: 2 },
  { name: 'one pushes 2, one pops 2, a death', capacity: 1, agents: [pushes, pops], deaths: 1 },
  { name: 'one pushes, one pops, a death, the dead one is started anew', capacity: 1, agents: [push, pop], deaths: 1, respawns: 1, only: 'full' },
  { name: 'one pushes, one pops, two deaths, two recoverers', capacity: 1, agents: [push, pop], deaths: 2, recoverers: 2 },
  { name: 'two push, one pops one', capacity: 1, agents: [push, push, pop], only: 'full' },
  { name: 'two push, one pops 2', capacity: 1, agents: [push, push, pops], only: 'full' },
  { name: 'one pushes 2, two pop', capacity: 2, agents: [pushes, pop, pop], only: 'full' },
  { name: 'one pushes, two pop, a time-out', capacity: 1, agents: [push, { ...pop, ...limited }, pop], only: 'full' },
  { name: 'two push into a full one, a time-out, one pops', capacity: 1, filled: 1, agents: [{ ...push, ...limited }, push, pop], only: 'full' },
  { name: 'one pushes, one pops or is cancelled', capacity: 1, agents: [push, { ...pop, ...cancellable }], others: ['cancels'] },
  { name: 'one pushes, two pop, one may be cancelled', capacity: 1, agents: [push, { ...pop, ...cancellable }, pop], others: ['cancels'], only: 'full' },
  { name: 'one pushes, one pops, the queue is closed', capacity: 1, agents: [push, pop], others: ['ends'] },
  { name: 'one pushes, one pops, the queue is closed, a death', capacity: 1, agents: [push, pop], others: ['ends'], deaths: 1, only: 'full' },
  { name: 'one pushes into a full one that is closed', capacity: 1, filled: 1, agents: [push], others: ['ends'] },
  { name: 'one pops, the manager is closed', capacity: 1, agents: [pop], others: ['closes'] },
  { name: 'one pushes, one pops, the manager is closed', capacity: 1, agents: [push, pop], others: ['closes'], only: 'full' },
  { name: 'one pushes, two pop, a death', capacity: 1, agents: [push, pop, pop], deaths: 1, only: 'full' },
  { name: 'two push, one pops, a death', capacity: 1, agents: [push, push, pop], deaths: 1, only: 'full' },
  { name: 'a flow pushes, a flow pops', capacity: 1, agents: [pushFlow, popFlow] },
  { name: 'a flow pushes, a thread pops, a death', capacity: 1, agents: [pushFlow, pop], deaths: 1 },
  { name: 'a thread pushes, a flow and a thread pop, a time-out', capacity: 1, agents: [push, { ...popFlow, ...limited }, pop], only: 'full' },
  { name: 'a flow pushes into a full one, one pops 2', capacity: 1, filled: 1, agents: [pushFlow, pops] },
  { name: 'one pushes into a full one, one tries to pop', capacity: 1, filled: 1, agents: [push, tryPop] },
  { name: 'one pops, one tries to push', capacity: 1, agents: [pop, tryPush] },
  { name: 'one pushes, one pops beside one that tries', capacity: 1, agents: [push, pop, tryPop] },
  { name: 'two make it', capacity: 1, agents: [make, make] },
  { name: 'two make it, a death', capacity: 1, agents: [make, make], deaths: 1 },
  { name: 'two make it, of one it is too large', capacity: 1, agents: [{ ...make, capacity: 100 }, make] },
  { name: 'two are made at once', capacity: 1, agents: [make, { ...make, other: true }] },
];

describe('every schedule', () => {
  testRows(rows, (row) => ringScenario(production, row));
});

const SLOTS = 'src/raw/slots.ts';
const pair: RingRow = { name: 'one pushes, one pops', capacity: 1, agents: [push, pop] };
const twice: RingRow = { ...pair, name: 'one pushes 2, one pops 2', agents: [pushes, pops] };
const deadly: RingRow = { ...pair, name: 'one pushes, one pops, a death', deaths: 1 };
const deadlyTwice: RingRow = { ...twice, name: 'one pushes 2, one pops 2, a death', deaths: 1 };
const ended: RingRow = { ...pair, name: 'one pushes, one pops, the queue is closed', others: ['ends'] };
const endedFull: RingRow = { name: 'one pushes into a full one that is closed', capacity: 1, filled: 1, agents: [push], others: ['ends'] };
const closed: RingRow = { name: 'one pops, the manager is closed', capacity: 1, agents: [pop], others: ['closes'] };
const twoPop: RingRow = { name: 'one pushes 2, two pop', capacity: 2, agents: [pushes, pop, pop] };
const oneGivesUp: RingRow = { name: 'one pushes, two pop, a time-out', capacity: 1, agents: [push, { ...pop, ...limited }, pop] };
const flowGivesUp: RingRow = { ...oneGivesUp, name: 'one pushes, a flow and a thread pop, a time-out', agents: [push, { ...popFlow, ...limited }, pop] };
const flows: RingRow = { name: 'a flow pushes into a full one, one pops 2', capacity: 1, filled: 1, agents: [pushFlow, pops] };
const made: RingRow = { name: 'two make it', capacity: 1, agents: [make, make] };

const COPY_IN = '  words.writeBytes(target + place.size, bytes);\n';
const SHAPE_IN = '  words.store(target + SHAPE, (bytes.length << LENGTH) | (isJson ? JSON_BIT : 0));\n';
const REMARK = '  // All of the item or nothing: this store alone pushes it.\n';
const PUSHED = '  words.store(at + TAIL, after(tail, capacity));\n';
const COPY_OUT = '  parcel.bytes = words.readBytes(source + place.size, shape >>> LENGTH);\n';
const POPPED = '  words.store(at + HEAD, after(head, capacity));\n';
const PUBLISH =
  '      if (!isQueued) {\n' +
  '        segment.words.store(awaitedAt(queue, side), 1);\n' +
  '        publishRow(segment, slotOf(queue, side), self, sinceMs);\n' +
  '        isQueued = true;\n' +
  '      }\n';
const LOOK = '      result = move(segment, queue, side, parcel, CONTENDING);\n';
const LEAVE = '      leave(segment, queue.items, self);\n';
const WAKE = '      if (wakesOthers) wakeNext(segment, slotOf(queue, opposite(side)));\n';
const CLEAR = '      if (result > 0) clearRow(segment, self);\n';
const LAST = '    if (result <= 0) clearRow(segment, self);\n    passOn(segment, queue, side);\n    return result;';
const IN_FLOW = '  segment.words.store(awaitedAt(queue, side), 1);\n  const result = move(segment, queue, side, parcel, CONTENDING);\n';

const mutations: readonly (Mutation & { readonly caughtBy: RingRow })[] = [
  { name: 'pushes, then writes the bytes', find: COPY_IN + SHAPE_IN + REMARK + PUSHED, replace: SHAPE_IN + PUSHED + COPY_IN, caughtBy: deadly },
  { name: 'pushes, then writes the shape', find: SHAPE_IN + REMARK + PUSHED, replace: PUSHED + SHAPE_IN, caughtBy: deadly },
  { name: 'pops, then copies', find: COPY_OUT + '  // Until this store the item is the queue\'s; from then on it is this agent\'s alone.\n' + POPPED, replace: POPPED + COPY_OUT, caughtBy: pair },
  { name: 'forgets what is JSON', find: '(shape & JSON_BIT) !== 0', replace: 'false', caughtBy: pair },
  { name: 'pushes into a full one', find: '  if (between(words.load(at + HEAD), tail, capacity) === capacity) return BUSY;\n', replace: '', caughtBy: twice },
  { name: 'takes full for empty', find: 'at + 1 === 2 * capacity ? 0', replace: 'at + 1 === capacity ? 0', caughtBy: twice },
  { name: 'pops from an empty one', find: '  if (head === words.load(at + TAIL)) return hasEnded(words, at) ? ENDED : BUSY;\n', replace: '', caughtBy: pair },
  { name: 'all items in one place', find: 'const index = position < capacity ? position : position - capacity;', replace: 'const index = position < capacity ? 0 : position - capacity;', caughtBy: { ...twice, name: 'one pushes 2, one pops 2, room for 2', capacity: 2 } },
  { name: 'who moves an item wakes nobody', find: CLEAR + '      const wakesOthers = result > 0 && hasOpened(segment, queue, side);\n' + LEAVE + WAKE, replace: CLEAR + LEAVE, caughtBy: pair },
  { name: 'who tries wakes nobody', find: '  const result = move(segment, queue, side, parcel, contended);\n  const wakesOthers = result > 0 &&', replace: '  const result = move(segment, queue, side, parcel, contended);\n  const wakesOthers = result > 1e9 &&', caughtBy: { ...pair, name: 'one pops, one tries to push', agents: [pop, tryPush] } },
  { name: 'a flow that moves an item wakes nobody', find: IN_FLOW + '  const wakesOthers = result > 0 &&', replace: IN_FLOW + '  const wakesOthers = result > 1e9 &&', caughtBy: { ...pair, name: 'a flow pushes, one pops', agents: [pushFlow, pop] } },
  { name: 'wakes its own side', find: WAKE, replace: '      if (wakesOthers) wakeNext(segment, slotOf(queue, side));\n', caughtBy: pair },
  { name: 'looks, then publishes', find: PUBLISH + LOOK, replace: LOOK + PUBLISH, caughtBy: ended },
  { name: 'publishes after the section', find: PUBLISH + LOOK, replace: LOOK.replace('CONTENDING);', 'CONTENDING);\n      const isFirst = !isQueued && result <= 0;\n      isQueued = true;').concat('      if (isFirst) { leave(segment, queue.items, self); publishRow(segment, slotOf(queue, side), self, sinceMs); continue; }\n'), caughtBy: pair },
  { name: 'who waits does not say so', find: '        segment.words.store(awaitedAt(queue, side), 1);\n        publishRow', replace: '        publishRow', caughtBy: pair },
  { name: 'a flow that waits does not say so', find: IN_FLOW, replace: '  const result = move(segment, queue, side, parcel, CONTENDING);\n', caughtBy: flows },
  { name: 'one who waits counts as nobody', find: '  if (isAwaited(segment, slotOf(queue, opposite(side)))) return true;\n', replace: '', caughtBy: pair },
  { name: 'who looks for waiters looks on the wrong side', find: '  if (isAwaited(segment, slotOf(queue, opposite(side)))) return true;', replace: '  if (isAwaited(segment, slotOf(queue, side))) return true;', caughtBy: pair },
  { name: 'a push wakes one item too late', find: 'side === PUSH ? 1 :', replace: 'side === PUSH ? 2 :', caughtBy: { ...twice, name: 'one pushes 2, one pops 2, room for 2', capacity: 2 } },
  { name: 'a pop wakes one item too late', find: 'capacityOf(words, queue.ring) - 1;', replace: 'capacityOf(words, queue.ring) - 2;', caughtBy: { ...pair, name: 'one pushes into a full one, one pops', capacity: 2, filled: 2, agents: [push, pop] } },
  { name: 'who has moved an item leaves its row', find: CLEAR, replace: '', caughtBy: pair },
  { name: 'who was woken wakes no further one', find: LAST, replace: LAST.replace('    passOn(segment, queue, side);\n', '    if (result <= 0) passOn(segment, queue, side);\n'), caughtBy: twoPop },
  { name: 'who gives up wakes nobody', find: LAST, replace: LAST.replace('    passOn(segment, queue, side);\n', '    if (result > 0) passOn(segment, queue, side);\n'), caughtBy: oneGivesUp },
  { name: 'who gives up wakes the next, then clears its row', find: LAST, replace: '    passOn(segment, queue, side);\n    if (result <= 0) clearRow(segment, self);\n    return result;', caughtBy: oneGivesUp },
  { name: 'who gives up leaves its row', find: '    if (result <= 0) clearRow(segment, self);\n', replace: '', caughtBy: oneGivesUp },
  { name: 'flows that give up leave their cell', find: '  clearCell(segment, slotOf(queue, side), self);\n', replace: '', caughtBy: flowGivesUp },
  { name: 'who may be cancelled does not ask', find: '      else if (interrupt?.requested()) result = INTERRUPTED;\n', replace: '', caughtBy: { name: 'one pops and is cancelled', capacity: 1, agents: [{ ...pop, ...cancellable }], others: ['cancels'] } },
  { name: 'the wakes are read too late', find: 'park(segment, self, seen, deadline, 0)', replace: 'park(segment, self, wakesOf(segment, self), deadline, 0)', caughtBy: pair },
  { name: 'pushes after the end', find: '  if (hasEnded(words, at)) return ENDED;\n', replace: '', caughtBy: ended },
  { name: 'waits for items after the end', find: 'return hasEnded(words, at) ? ENDED : BUSY;', replace: 'return BUSY;', caughtBy: ended },
  { name: 'the end wakes nobody who pops', find: '  wakeAll(segment, queue.items);\n', replace: '', caughtBy: ended },
  { name: 'the end wakes nobody who pushes', find: '  wakeAll(segment, queue.room);\n', replace: '', caughtBy: endedFull },
  { name: 'the end wakes, then closes', find: '  const ended = segment.words.compareExchange(queue.ring + ENDED_AT, 0, 1) === 0;\n  wakeAll(segment, queue.items);\n  wakeAll(segment, queue.room);\n', replace: '  wakeAll(segment, queue.items);\n  wakeAll(segment, queue.room);\n  const ended = segment.words.compareExchange(queue.ring + ENDED_AT, 0, 1) === 0;\n', caughtBy: endedFull },
  { name: 'closing is seen at the entry only', find: '  if (words.load(slotOf(queue, side)) & CLOSED) return SHUT;\n', replace: '', caughtBy: closed },
  { name: 'leaves by a store', find: '  segment.words.add(slotAddress, -self);', replace: '  segment.words.store(slotAddress, 0);', caughtBy: closed },
  { name: 'a count that a death has left out stays out', find: '(count - at) % 2 === 0 ? count : count + 1', replace: 'count', caughtBy: deadlyTwice },
  { name: 'recovery leaves the section', file: SLOTS, find: '    // Its ring is as before or as after, so nobody is told.\n    semaphore.leaveFor(words, slotAddress, dead);\n', replace: '', caughtBy: deadly },
  { name: 'recovery takes a queue for a mutex', file: SLOTS, find: 'if (isQueue(words, slotAddress)) {', replace: 'if (false) {', caughtBy: deadly },
  { name: 'says where the ring is before it is ready', find: '      words.store(at + CAPACITY, capacity);\n', replace: '      words.store(slotAddress + STORAGE, at);\n      words.store(at + CAPACITY, capacity);\n', caughtBy: { ...made, name: 'two make it, a death', deaths: 1 } },
  { name: 'makes what there is', find: 'if (ringOf(words, slotAddress) === 0) {', replace: 'if (true) {', caughtBy: made },
  { name: 'reserves more than there is', find: '    if (bytes > heapBytesOf(segment) - used) return 0;\n', replace: '', caughtBy: { ...made, name: 'two make it, of one it is too large', agents: [{ ...make, capacity: 100 }, make] } },
  { name: 'reserves by a store', find: 'if (words.compareExchange(start + HEAP_USED, used, used + bytes) === used) return heap + used;', replace: 'words.store(start + HEAP_USED, used + bytes);\n    return heap + used;', caughtBy: { ...made, name: 'two are made at once', agents: [make, { ...make, other: true }] } },
];

const mutants = mutate<{ [K in keyof Modules]: Modules[K] }>({ raw: 'src/raw/ring.ts', queue: 'src/raw/queue.ts', park: 'src/park/park.ts', slots: SLOTS }, mutations);

describe('catches', () => {
  testMutants<Modules>(mutants, (modules, i) => ringScenario(modules, mutations[i]!.caughtBy));
});
