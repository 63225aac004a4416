/**
 * The bounded queue of items.
 *
 * Word. `slot.word` of the queue: OWNER (16 bits), the agent that is in the section; CLOSED: the manager is closed. It is entered and left as
 * that of a semaphore, and is the only place from which the ring is touched. `ring.head`, `ring.tail`: the places of the next item
 * out and of the next one in, modulo twice the capacity, so that full and empty differ. `ring.closed`. `ring.itemsAwaited`,
 * `ring.roomAwaited`. The rows of the queue's slot are those who wait for an item, the rows of the slot `ring.room` those who wait for room.
 *
 * States. Of the ring: #1 empty: head = tail. #2 some items. #3 full: capacity items. #4, #5, #6 the same, closed. Of the queue's slot: #7 no
 * storage yet. Of the place at the tail: anything.
 *
 * Transitions.
 *   #1 → #2 → #3 `push`: bytes and shape into the place at the tail, then one store of the tail.
 *   #3 → #2 → #1, #6 → #5 → #4 `pop`: bytes and shape out of the place at the head, then one store of the head.
 *   #1 → #4, #2 → #5, #3 → #6 `end`. #7 → #1 `reserve`.
 *   None by a death: the ring is as before that store, or as after it.
 *
 * Invariants. INV-item: an item is pushed by one store and popped by one store, so whoever dies takes with it no item but the one that it
 * has popped, and leaves none but whole ones. INV-alone: between entering the section and leaving it an agent alone writes the ring, but for
 * `closed`. INV-baton: while somebody waits for what is there, an agent has yet to look: one that was woken, or one that
 * will wake the first before it does anything else; if it dies, the sweep after its recovery wakes all. INV-last: who finds the queue closed
 * and empty has found it so for good.
 *
 * Order. Waiter: in the section, set the flag and publish the row (flows: publish the cell, then set the flag in the section), then look at
 * the ring. Pusher and popper: store the tail or head, then, if the ring was empty or full before, read the flag of the other side, still in
 * the section, and then the rows. Who gives up: clear the row, then read the ring; so whoever has woken it in place of another is made good
 * for. Closer: set `closed`, then read the rows; pusher: enter, then read `closed`; so a popper that finds it set and the ring empty knows
 * that no pusher is still inside.
 */
import { CACHE_LINE, CLOSED, header, item as place, mask, OWNER, primitives, ring, slot } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { park, wakesOf } from '../park/park.js';
import { type Segment, slotAt } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { BUSY, type Interrupt, INTERRUPTED, SHUT, TIMED_OUT } from './mutex.js';
import { clearCell, clearRow, isAwaited, publishRow, wakeAll, wakeNext } from './queue.js';
import { AT_ONCE, CONTENDING, enter, ENTERED } from './semaphore.js';

const HEAD = ring.fields.head.at;
const TAIL = ring.fields.tail.at;
const ENDED_AT = ring.fields.closed.at;
const ITEMS_AWAITED = ring.fields.itemsAwaited.at;
const ROOM_AWAITED = ring.fields.roomAwaited.at;
const CAPACITY = ring.fields.capacity.at;
const ITEM_BYTES = ring.fields.itemBytes.at;
const ROOM = ring.fields.room.at;
const SHAPE = place.fields.shape.at;
const JSON_BIT = mask(place.fields.shape.bits.json);
const LENGTH = place.fields.shape.bits.length.bit;
const KIND = slot.fields.kind.at;
const PRIMITIVE = mask(slot.fields.kind.bits.primitive);
const STORAGE = slot.fields.storage.at;
const TOKEN = slot.fields.token.at;
const CONTENDED = slot.fields.contended.at;
const HEAP_BYTES = header.fields.heapBytes.at;
const HEAP_USED = header.fields.heapUsed.at;

export { AT_ONCE, BUSY, CONTENDING, SHUT };

/** Nothing is pushed any more, and of one who pops: nothing is left. */
export const ENDED = -8;
/** The heap has not that much left. */
export const NO_STORAGE = -9;
/** The storage is there. */
export const READY = 1;

/** What an agent wants of a queue: to take an item out, or to put one in. */
export const POP = 0;
export const PUSH = 1;

/** Looks at the ring in about a microsecond. */
const LOOKS = 30;

/** Where a queue lies. */
export interface Queue {
  /** Address of its slot; a closed one once the thread has left the segment. */
  readonly items: number;
  /** Address of the slot of those who wait for room. */
  readonly room: number;
  /** Address of its storage. */
  readonly ring: number;
}

/** An item on its way in or out. */
export interface Parcel {
  bytes: Uint8Array;
  isJson: boolean;
}

/** Whether a slot is a queue. */
export function isQueue(words: SharedWords, slotAddress: number): boolean {
  return (words.load(slotAddress + KIND) & PRIMITIVE) === primitives.queue;
}

/** Bytes of the heap that a queue takes. May be more than there can be. */
export function storageOf(capacity: number, itemBytes: number): number {
  return roundUp(ring.size + capacity * strideOf(itemBytes), CACHE_LINE);
}

function strideOf(itemBytes: number): number {
  return roundUp(place.size + itemBytes, Int32Array.BYTES_PER_ELEMENT);
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Bytes that all queues together may take. */
export function heapBytesOf({ words, header: start }: Segment): number {
  return words.load(start + HEAP_BYTES);
}

/** Bytes of the heap that nobody has reserved. */
export function heapLeft(segment: Segment): number {
  return heapBytesOf(segment) - segment.words.load(segment.header + HEAP_USED);
}

/** Address of the ring of a queue, 0 = it has none yet. */
export function ringOf(words: SharedWords, slotAddress: number): number {
  return words.load(slotAddress + STORAGE);
}

export function capacityOf(words: SharedWords, at: number): number {
  return words.load(at + CAPACITY);
}

export function itemBytesOf(words: SharedWords, at: number): number {
  return words.load(at + ITEM_BYTES);
}

/** Address of the slot of those who wait for room. */
export function roomOf(segment: Segment, at: number): number {
  return slotAt(segment, segment.words.load(at + ROOM));
}

/**
 * #7 → #1, unless the queue has storage already. READY, NO_STORAGE, SHUT, or BUSY: somebody has been in the section for too long. A death leaks
 * what was reserved, at most.
 */
export function reserve(segment: Segment, slotAddress: number, self: number, capacity: number, itemBytes: number, room: number): number {
  const { words } = segment;
  const entered = enter(segment, slotAddress, self, 0);
  if (entered !== ENTERED) return entered === SHUT ? SHUT : BUSY;
  let result = READY;
  if (ringOf(words, slotAddress) === 0) {
    const at = takeStorage(segment, storageOf(capacity, itemBytes));
    if (at === 0) result = NO_STORAGE;
    else {
      words.store(at + CAPACITY, capacity);
      words.store(at + ITEM_BYTES, itemBytes);
      words.store(at + ROOM, room);
      // Last: whoever reads it finds the rest.
      words.store(slotAddress + STORAGE, at);
    }
  }
  leave(segment, slotAddress, self);
  return result;
}

/** Memory of the heap is zero, and is never given back. 0 = there is not that much. */
function takeStorage(segment: Segment, bytes: number): number {
  const { words, header: start, heap } = segment;
  for (;;) {
    const used = words.load(start + HEAP_USED);
    if (bytes > heapBytesOf(segment) - used) return 0;
    if (words.compareExchange(start + HEAP_USED, used, used + bytes) === used) return heap + used;
  }
}

/** Items now. */
export function lengthOf(words: SharedWords, at: number): number {
  for (;;) {
    const head = words.load(at + HEAD);
    const length = between(head, words.load(at + TAIL), words.load(at + CAPACITY));
    if (words.load(at + HEAD) === head) return length;
  }
}

function between(head: number, tail: number, capacity: number): number {
  return tail >= head ? tail - head : tail - head + 2 * capacity;
}

/** How many items were ever pushed, or popped: also by one that died before it had counted. */
export function countOf(words: SharedWords, queue: Queue, side: number): number {
  return settledCount(words, slotOf(queue, side), words.load(queue.ring + (side === PUSH ? TAIL : HEAD)));
}

/** The places go round in an even number of steps, so a count that lacks one tells by being odd where the place is even. */
function settledCount(words: SharedWords, slotAddress: number, at: number): number {
  const count = words.loadNumber(slotAddress + TOKEN);
  return (count - at) % 2 === 0 ? count : count + 1;
}

export function hasEnded(words: SharedWords, at: number): boolean {
  return words.load(at + ENDED_AT) !== 0;
}

/** Nobody pushes any more; everybody who waits looks. Whether it was not so before. */
export function end(segment: Segment, queue: Queue): boolean {
  const ended = segment.words.compareExchange(queue.ring + ENDED_AT, 0, 1) === 0;
  wakeAll(segment, queue.items);
  wakeAll(segment, queue.room);
  return ended;
}

/** The slot whose rows are those who wait for that side. */
export function slotOf(queue: Queue, side: number): number {
  return side === PUSH ? queue.room : queue.items;
}

function awaitedAt(queue: Queue, side: number): number {
  return queue.ring + (side === PUSH ? ROOM_AWAITED : ITEMS_AWAITED);
}

/** Moves the item if that can be done now: how often that side has moved one, BUSY, ENDED or SHUT. */
export function attempt(segment: Segment, queue: Queue, self: number, side: number, parcel: Parcel, contended: number): number {
  const entered = enter(segment, queue.items, self, 0);
  if (entered !== ENTERED) return entered === SHUT ? SHUT : BUSY;
  const result = move(segment, queue, side, parcel, contended);
  const wakesOthers = result > 0 && hasOpened(segment, queue, side);
  leave(segment, queue.items, self);
  if (wakesOthers) wakeNext(segment, slotOf(queue, opposite(side)));
  return result;
}

/** `attempt` again and again for a few microseconds. */
export function attemptSpinning(segment: Segment, queue: Queue, self: number, side: number, parcel: Parcel): number {
  for (let untilMs = 0, contended = AT_ONCE; ; contended = CONTENDING) {
    const result = attempt(segment, queue, self, side, parcel, contended);
    if (result !== BUSY) return result;
    for (let looks = LOOKS; looks > 0 && !canMove(segment.words, queue, side); ) looks--;
    const nowMs = performance.now();
    if (untilMs === 0) untilMs = nowMs + segment.spinMs;
    if (nowMs >= untilMs) return BUSY;
  }
}

/**
 * Queues, sleeps and looks until the item is moved, or until `deadline`, or until `interrupt` is requested. `sinceMs` and `deadline` are on the
 * shared clock.
 */
export function moveQueued(
  segment: Segment,
  queue: Queue,
  self: number,
  side: number,
  parcel: Parcel,
  sinceMs: number,
  deadline: number,
  interrupt: Interrupt | undefined,
): number {
  let isQueued = false;
  let expired = false;
  for (;;) {
    const seen = wakesOf(segment, self);
    const entered = enter(segment, queue.items, self, 0);
    let result = entered === SHUT ? SHUT : BUSY;
    if (entered === ENTERED) {
      if (!isQueued) {
        segment.words.store(awaitedAt(queue, side), 1);
        publishRow(segment, slotOf(queue, side), self, sinceMs);
        isQueued = true;
      }
      result = move(segment, queue, side, parcel, CONTENDING);
      if (result > 0) clearRow(segment, self);
      const wakesOthers = result > 0 && hasOpened(segment, queue, side);
      leave(segment, queue.items, self);
      if (wakesOthers) wakeNext(segment, slotOf(queue, opposite(side)));
    }
    if (result === BUSY) {
      if (expired) result = TIMED_OUT;
      else if (interrupt?.requested()) result = INTERRUPTED;
      else if (entered === ENTERED) {
        // Of those who move items none is waited for in particular: whatever one that died has left undone is seen at the next look.
        expired = park(segment, self, seen, deadline, 0) === 'timed-out';
        continue;
      } else {
        // It has not looked since it was last woken, so it must not sleep.
        expired = now() >= deadline;
        continue;
      }
    }
    // It may have been woken in place of others, or there may be more than one item or place.
    if (result <= 0) clearRow(segment, self);
    passOn(segment, queue, side);
    return result;
  }
}

/** One look on behalf of the calling agent's flows, whose cell is published. BUSY: it will be rung. */
export function attemptForFlow(segment: Segment, queue: Queue, self: number, side: number, parcel: Parcel): number {
  const entered = enter(segment, queue.items, self, 0);
  if (entered !== ENTERED) return entered === SHUT ? SHUT : BUSY;
  segment.words.store(awaitedAt(queue, side), 1);
  const result = move(segment, queue, side, parcel, CONTENDING);
  const wakesOthers = result > 0 && hasOpened(segment, queue, side);
  leave(segment, queue.items, self);
  if (wakesOthers) wakeNext(segment, slotOf(queue, opposite(side)));
  return result;
}

/** Withdraws the interest of the calling agent's flows. They owe nothing: a thread is never woken in their place, nor they in that of another. */
export function withdrawFlows(segment: Segment, queue: Queue, self: number, side: number): void {
  clearCell(segment, slotOf(queue, side), self);
}

/** Wakes the next who can be served, after a thread has left those who wait. */
function passOn(segment: Segment, queue: Queue, side: number): void {
  if (canMove(segment.words, queue, side)) wakeNext(segment, slotOf(queue, side));
}

/** Who is in the section, 0 = nobody. */
export function insideOf(words: SharedWords, queue: Queue): number {
  return words.load(queue.items) & OWNER;
}

/** An atomic add: the manager may be closed meanwhile. */
function leave(segment: Segment, slotAddress: number, self: number): void {
  segment.words.add(slotAddress, -self);
}

function opposite(side: number): number {
  return side === PUSH ? POP : PUSH;
}

/** Whether an item is there to be popped, or room to push one. */
function canMove(words: SharedWords, queue: Queue, side: number): boolean {
  const length = lengthOf(words, queue.ring);
  return side === PUSH ? length < capacityOf(words, queue.ring) : length > 0;
}

/**
 * In the section, after a move: whether somebody must be woken who waits for the opposite. If the ring was not empty before a push, or not full
 * before a pop, whoever waited for that was woken then, and has yet to look.
 */
function hasOpened(segment: Segment, queue: Queue, side: number): boolean {
  const { words } = segment;
  const edge = side === PUSH ? 1 : capacityOf(words, queue.ring) - 1;
  const flag = awaitedAt(queue, opposite(side));
  if (words.load(flag) === 0 || lengthOf(words, queue.ring) !== edge) return false;
  if (isAwaited(segment, slotOf(queue, opposite(side)))) return true;
  words.store(flag, 0);
  return false;
}

/** In the section. */
function move(segment: Segment, queue: Queue, side: number, parcel: Parcel, contended: number): number {
  const { words } = segment;
  // It may have been closed by one who has looked for rows before this one's was published.
  if (words.load(slotOf(queue, side)) & CLOSED) return SHUT;
  return side === PUSH ? push(words, queue, parcel, contended) : pop(words, queue, parcel, contended);
}

/** #1 → #2, #2 → #3. */
function push(words: SharedWords, queue: Queue, { bytes, isJson }: Parcel, contended: number): number {
  const { ring: at } = queue;
  if (hasEnded(words, at)) return ENDED;
  const capacity = capacityOf(words, at);
  const tail = words.load(at + TAIL);
  if (between(words.load(at + HEAD), tail, capacity) === capacity) return BUSY;
  const target = placeAt(words, at, tail, capacity);
  words.writeBytes(target + place.size, bytes);
  words.store(target + SHAPE, (bytes.length << LENGTH) | (isJson ? JSON_BIT : 0));
  // All of the item or nothing: this store alone pushes it.
  words.store(at + TAIL, after(tail, capacity));
  return count(words, queue.room, tail, contended);
}

/** #3 → #2, #2 → #1, #6 → #5, #5 → #4. */
function pop(words: SharedWords, queue: Queue, parcel: Parcel, contended: number): number {
  const { ring: at } = queue;
  const head = words.load(at + HEAD);
  if (head === words.load(at + TAIL)) return hasEnded(words, at) ? ENDED : BUSY;
  const capacity = capacityOf(words, at);
  const source = placeAt(words, at, head, capacity);
  const shape = words.load(source + SHAPE);
  parcel.isJson = (shape & JSON_BIT) !== 0;
  parcel.bytes = words.readBytes(source + place.size, shape >>> LENGTH);
  // Until this store the item is the queue's; from then on it is this agent's alone.
  words.store(at + HEAD, after(head, capacity));
  return count(words, queue.items, head, contended);
}

/** Counted after it is moved: a death in between leaves a count that the next one makes good for. */
function count(words: SharedWords, slotAddress: number, before: number, contended: number): number {
  const moved = settledCount(words, slotAddress, before) + 1;
  words.storeNumber(slotAddress + TOKEN, moved);
  if (contended !== AT_ONCE) words.storeNumber(slotAddress + CONTENDED, words.loadNumber(slotAddress + CONTENDED) + 1);
  return moved;
}

function after(at: number, capacity: number): number {
  return at + 1 === 2 * capacity ? 0 : at + 1;
}

/** Address of the place that head or tail speak of. */
function placeAt(words: SharedWords, at: number, position: number, capacity: number): number {
  const index = position < capacity ? position : position - capacity;
  return at + ring.size + index * strideOf(itemBytesOf(words, at));
}
