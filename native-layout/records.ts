/**
 * Every word that threads share. An all-zero region is valid: unused and unlocked. The layout is neither durable nor a wire
 * format: both sides run the same fingerprint or refuse each other. LAYOUT.md is rendered from this file.
 */
import { mask, record } from './dsl.js';

/** Bytes of a cache line; words that different threads write do not share one with strangers. */
export const CACHE_LINE = 64;

const NOBODY_TICKET = 'compared by signed difference, so it may wrap';

export const header = record({
  name: 'header',
  means: 'One per segment. Written by the creator before `magic`; afterwards only the words marked so.',
  size: 192,
  align: CACHE_LINE,
  fields: {
    magic: { at: 0, type: 'i32', means: '0x484F4C44 ("HOLD")', writers: 'creator, last of all: a reader that sees it sees the rest' },
    version: { at: 4, type: 'i32', means: 'version of the layout', writers: 'creator' },
    fingerprint: { at: 8, type: 'i32', means: 'hash of all records, fields, offsets and bits', writers: 'creator' },
    size: { at: 12, type: 'i32', means: 'bytes of the segment', writers: 'creator' },
    agentLimit: { at: 16, type: 'i32', means: 'number of agent records', writers: 'creator' },
    slotLimit: { at: 20, type: 'i32', means: 'number of lock slots', writers: 'creator' },
    indexLimit: { at: 24, type: 'i32', means: 'number of index cells, a power of two', writers: 'creator' },
    options: {
      at: 28,
      type: 'i32',
      means: 'defaults of the manager',
      writers: 'creator',
      bits: {
        ownerDeathRelease: { bit: 0, width: 1, means: "ownerDeath is 'release', not 'poison'", staleness: 'never stale: written once' },
        blockingOnMain: { bit: 1, width: 1, means: "blockingOnMain is 'allow', not 'refuse'", staleness: 'never stale: written once' },
        deadlock: { bit: 2, width: 2, means: "deadlock is 'throw' (0), 'report' (1) or 'off' (2)", staleness: 'never stale: written once' },
      },
    },
    sharedMs: { at: 32, type: 'f64', means: 'default time-out of a shared hold, ms', writers: 'creator' },
    exclusiveMs: { at: 40, type: 'f64', means: 'default time-out of an exclusive hold, ms', writers: 'creator' },
    distributedMs: { at: 48, type: 'f64', means: 'default time-out of a distributed lock, ms', writers: 'creator' },
    heapBytes: { at: 56, type: 'i32', means: 'bytes of the heap, from which queues take their storage', writers: 'creator' },
    reserved0: { at: 60, type: 'bytes', length: 4, means: 'unused', writers: 'nobody' },
    agentHigh: { at: 64, type: 'i32', means: 'highest agent id ever claimed', writers: 'an agent that attaches, by compare-exchange, upward only, before it waits for anything' },
    slotHigh: { at: 68, type: 'i32', means: 'number of slots ever claimed', writers: 'an agent that claims a slot, by compare-exchange, upward only, before it publishes it' },
    closed: { at: 72, type: 'i32', means: '1: the manager is closed for every thread', writers: 'creator, once' },
    heapUsed: { at: 76, type: 'i32', means: 'bytes of the heap that are reserved, for good', writers: 'who makes a queue, by compare-exchange, upward only' },
    reserved1: { at: 80, type: 'bytes', length: 48, means: 'unused', writers: 'nobody' },
    recoverer: {
      at: 128,
      type: 'i32',
      means: 'who runs the recovery of the dead',
      writers: 'recoverers, by compare-exchange',
      bits: {
        agent: { bit: 0, width: 16, means: 'agent id of the recoverer, 0 = nobody', staleness: 'may name a dead recoverer until the next one takes over' },
        sequence: { bit: 16, width: 16, means: 'grows with every change of the agent', staleness: 'never stale: changes with the agent' },
      },
    },
    reserved2: { at: 132, type: 'bytes', length: 60, means: 'unused', writers: 'nobody' },
  },
});

export const agent = record({
  name: 'agent',
  means: 'One thread that is attached to the segment. Ids start at 1; 0 is nobody. The first record holds no agent but a slot that was closed from the start, for the handles of threads that have left.',
  size: 256,
  align: CACHE_LINE,
  fields: {
    claim: {
      at: 0,
      type: 'i32',
      means: 'who uses this record',
      writers: 'the thread that attaches (0 → `attaching`, by compare-exchange; → thread) or leaves (→ 0), whoever knows of its end (sets `dead`, by compare-exchange), the recoverer (→ 0)',
      bits: {
        thread: { bit: 0, width: 29, means: 'worker thread id + 1, so that the main thread (0) is not nobody; with `kernel`, that id of the thread', staleness: 'names an ended thread until `dead` is set' },
        kernel: { bit: 29, width: 1, means: "`thread` is the operating system's id; only while `attaching`", staleness: 'never stale' },
        dead: { bit: 30, width: 1, means: 'the thread has ended; its recovery is due', staleness: 'late, never early' },
        attaching: { bit: 31, width: 1, means: 'the next words of the record speak of an earlier user, or of nobody yet', staleness: 'never stale: the store that clears it follows the description' },
      },
    },
    generation: { at: 4, type: 'i32', means: 'grows each time the record is claimed', writers: 'the agent itself, while it is attaching' },
    parent: { at: 8, type: 'i32', means: 'agent id of the thread that made this one, 0 = none', writers: 'the agent itself, while it is attaching' },
    parentGeneration: { at: 12, type: 'i32', means: '`generation` of the parent when this thread was made', writers: 'the agent itself, while it is attaching' },
    kernelThread: { at: 16, type: 'i32', means: "the operating system's id of the thread, 0 = unknown", writers: 'the agent itself, while it is attaching' },
    reserved0: { at: 20, type: 'bytes', length: 4, means: 'unused', writers: 'nobody' },
    kernelStart: { at: 24, type: 'f64', means: 'start time that the operating system gives with that id', writers: 'the agent itself, while it is attaching' },
    reserved1: { at: 32, type: 'bytes', length: 32, means: 'unused', writers: 'nobody' },
    wants: {
      at: 64,
      type: 'i32',
      means: 'wait row: slot that this thread is blocked on, 0 = none',
      writers: 'the agent itself; the recoverer of a dead agent; who signals sets `signalled`, by compare-exchange',
      bits: {
        slot: { bit: 0, width: 30, means: 'number of the slot + 1', staleness: 'may name a slot that its thread has stopped waiting for, if the wait was ended from outside' },
        signalled: { bit: 30, width: 1, means: 'of a condition or an event that resets itself: the wait is over, its thread need only look; of a barrier: it was broken, and has been reset since', staleness: 'never stale: whoever gives up clears the row by compare-exchange, and so finds it' },
      },
    },
    ticket: { at: 68, type: 'i32', means: `wait row: place in the queue of that slot; ${NOBODY_TICKET}`, writers: 'the agent itself, before `wants`' },
    wantsSince: { at: 72, type: 'f64', means: 'wait row: when the wait began, ms on the shared clock', writers: 'the agent itself, before `wants`' },
    wantsToken: { at: 80, type: 'f64', means: 'wait row: `token` of the slot when the wait began; while it is the same, so is the hold', writers: 'the agent itself, before `wants`' },
    amount: { at: 88, type: 'i32', means: 'wait row: permits asked for, if the slot is a semaphore; of an rwlock: 1 = shared, 2 = exclusive; of a barrier: the generation', writers: 'the agent itself, before `wants`' },
    reserved2: { at: 92, type: 'bytes', length: 36, means: 'unused', writers: 'nobody' },
    park: {
      at: 128,
      type: 'i32',
      means: 'parking word of the blocked thread',
      writers: 'wakers add 2; the agent itself adds and takes away 1 around its sleep',
      waitedOn: true,
      bits: {
        asleep: { bit: 0, width: 1, means: 'the agent sleeps or is about to', staleness: 'may stay set when it no longer sleeps; never clear while it does' },
        wakes: { bit: 1, width: 31, means: 'number of wakes, wraps', staleness: 'never stale' },
      },
    },
    reserved3: { at: 132, type: 'bytes', length: 60, means: 'unused', writers: 'nobody' },
    mailbox: {
      at: 192,
      type: 'i32',
      means: "parking word of the thread's event loop; never the same as `park`, since blocking and asynchronous waiters share one queue per address",
      writers: 'wakers add 2; the agent itself adds and takes away 1 around its wait',
      waitedOn: true,
      bits: {
        asleep: { bit: 0, width: 1, means: 'a wait is pending', staleness: 'may stay set when none is; never clear while one is' },
        wakes: { bit: 1, width: 31, means: 'number of wakes, wraps', staleness: 'never stale' },
      },
    },
    reserved4: { at: 196, type: 'bytes', length: 60, means: 'unused', writers: 'nobody' },
  },
});

export const cell = record({
  name: 'cell',
  means: 'One per agent and slot, agent by agent, so that different agents never share a line.',
  size: 8,
  align: 8,
  fields: {
    interest: {
      at: 0,
      type: 'i32',
      means: "asynchronous flows of this agent wait for the slot: the oldest one's ticket, 0 = none",
      writers: 'the agent itself; the recoverer of a dead agent',
    },
    hold: {
      at: 4,
      type: 'i32',
      means:
        'of a condition or an event that resets itself: in the low 16 bits, how many flows of this agent wait and are not signalled; in the high ones, how many signals none of them has taken yet; never stale. Of a barrier: the generation in which flows of this agent have arrived or are about to, with its bits as in `slot.tally`; bit 0, set with it; bit 1: it was broken, and the barrier has been reset since. Of a semaphore: the permits that this agent holds, the only truth about them. Of an rwlock: bit 0 is set while this agent reads or is about to look whether it may, never clear while it reads; the other bits are the number of its shared acquisitions that have ended, which wraps, and stays when the record passes to another agent',
      writers: 'the agent itself: of a semaphore, more only in the section of the slot, fewer at any time; the recoverer of a dead agent (of an rwlock: ends the acquisition; else → 0); of a condition or an event, also who signals, by compare-exchange and atomic add; of a barrier, who resets it sets bit 1, by compare-exchange',
    },
  },
});

export const slot = record({
  name: 'slot',
  means: 'One named lock.',
  size: 192,
  align: CACHE_LINE,
  fields: {
    word: {
      at: 0,
      type: 'i32',
      means: 'the lock word; of a semaphore: who is in its section',
      writers: 'everybody, by compare-exchange, and by atomic add who leaves a section; of a mutex, the only truth about who holds',
      bits: {
        owner: { bit: 0, width: 16, means: 'agent id of the holder, or of the chosen one while `handed`; of a semaphore: of the one in its section', staleness: 'never stale: set and cleared by the operation that acquires and releases. May name a dead agent until its recovery' },
        waiters: { bit: 16, width: 1, means: 'the releaser must look for waiters', staleness: 'may stay set without a waiter; clear while one sleeps only if a woken agent is on its way to the word' },
        handed: { bit: 17, width: 1, means: 'the owner was chosen by a releaser and has not run yet', staleness: 'never stale: cleared by the compare-exchange that accepts, takes back or passes on' },
        starved: { bit: 18, width: 1, means: 'a waiter has been overtaken for too long: the next release hands over', staleness: 'may outlive the waiter that asked' },
        died: { bit: 19, width: 1, means: 'an owner died and nobody has declared the data good', staleness: 'never stale: set by recovery, cleared by the owner that declares' },
        closed: { bit: 20, width: 1, means: 'the manager was closed: nobody may acquire', staleness: 'never cleared' },
        draining: { bit: 21, width: 1, means: 'of an rwlock: the owner waits until the readers have gone and has written nothing', staleness: 'never stale: cleared by the compare-exchange that ends the wait' },
        upgradable: { bit: 22, width: 1, means: 'of an rwlock: the owner reads, and so may others', staleness: 'never stale: set and cleared with the owner, or cleared by its upgrade' },
      },
      states: [
        'free: 0',
        'held: owner',
        'held, waited for: owner + waiters (+ starved)',
        'handed: owner + handed + waiters (+ starved)',
        'inconsistent, free: died',
        'inconsistent, held: owner + died (+ waiters + starved)',
        'closed: closed (+ owner + died + waiters + starved)',
        'rwlock, free, waited for: waiters (+ died)',
        'rwlock, draining: owner + draining (+ waiters + died + closed)',
        'rwlock, upgradable: owner + upgradable (+ waiters + died + closed)',
      ],
    },
    tickets: { at: 4, type: 'i32', means: `places in the queue given so far, twice: a ticket is one more, so never 0; ${NOBODY_TICKET}`, writers: 'waiters, by atomic add' },
    token: { at: 8, type: 'f64', means: 'fencing token: number of acquisitions so far', writers: 'the agent that has just acquired, as part of acquiring' },
    since: { at: 16, type: 'f64', means: 'when the hold `sinceToken` began, ms on the shared clock; unset for a hold that did not have to sleep first', writers: 'the owner' },
    sinceToken: { at: 24, type: 'f64', means: '`token` of the hold that `since` speaks of', writers: 'the owner, after `since`' },
    contended: { at: 32, type: 'f64', means: 'acquisitions that found the lock taken, or inconsistent', writers: 'the owner, as part of acquiring' },
    done: { at: 40, type: 'i32', means: 'of a once: 1 as soon as its function has returned', writers: 'the owner' },
    late: { at: 44, type: 'i32', means: 'of a semaphore: flows with older tickets than this one have let their turn pass and hold nobody back; after half a round of tickets it may speak of newer ones, which then hold nobody back either', writers: 'the one in the section' },
    readWraps: { at: 48, type: 'i32', means: 'of an rwlock: how often the count in a `cell.hold` has wrapped', writers: 'the agent of that cell or its recoverer, by atomic add' },
    tally: {
      at: 52,
      type: 'i32',
      means: 'of an event: bit 0, it is set; of one that does not reset itself, above it how often it has become set, which wraps. Of a latch: how much has been counted down. Of a barrier: how many have arrived (16 bits), or who broke it (thread id + 1, 0 = not said); why it is broken (3 bits, 0 = it is not); the generation (13 bits, wraps). Never stale',
      writers: 'everybody, by compare-exchange',
    },
    storage: { at: 56, type: 'i32', means: 'of a queue: address of its ring, 0 = not yet', writers: 'the one in the section, once, when the ring is ready' },
    reserved0: { at: 60, type: 'bytes', length: 4, means: 'unused', writers: 'nobody' },
    holdSamples: { at: 64, type: 'i32', means: 'of a mutex: holds that began with a sleep and were released', writers: 'the owner, before it releases' },
    deadlocks: { at: 68, type: 'i32', means: 'acquisitions refused because the wait would have closed a cycle', writers: 'waiters, by atomic add' },
    waitMsSum: { at: 72, type: 'f64', means: 'time that acquisitions slept, ms', writers: 'the owner' },
    waitMsMax: { at: 80, type: 'f64', means: 'longest of them, ms', writers: 'the owner' },
    timeouts: { at: 88, type: 'i32', means: 'acquisitions given up because of their deadline', writers: 'waiters, by atomic add' },
    aborts: { at: 92, type: 'i32', means: 'acquisitions given up because of a signal or a cancel token', writers: 'waiters, by atomic add' },
    ownerDeaths: { at: 96, type: 'i32', means: 'owners that died while holding; may miss one if its recoverer died as well', writers: 'recoverer, under `recoverer`' },
    deathThread: { at: 100, type: 'i32', means: 'worker thread id + 1 of the last owner that died', writers: 'recoverer, before it sets `died`' },
    deathAt: { at: 104, type: 'f64', means: 'when that death was recovered, ms since the epoch', writers: 'recoverer, before it sets `died`' },
    holdMsSum: { at: 112, type: 'f64', means: 'how long those holds took, ms', writers: 'the owner, before it releases' },
    holdMsMax: { at: 120, type: 'f64', means: 'longest of them, ms', writers: 'the owner, before it releases' },
    waits: { at: 128, type: 'bytes', length: 48, means: 'histogram of waits: twelve 32-bit counts; the first takes waits below 16 µs, each next one waits up to four times as long, the last all others', writers: 'the owner' },
    state: {
      at: 176,
      type: 'i32',
      means: 'life of the slot',
      writers: 'the agent that claims it (0 → its id), publishes it or gives it back; the recoverer of a dead claimer',
      bits: {
        claimant: { bit: 0, width: 16, means: 'agent id that is filling the slot in', staleness: 'may name a dead agent until its recovery' },
        published: { bit: 16, width: 1, means: 'the slot is in the index for good', staleness: 'late, never early: the index decides' },
      },
    },
    hash: { at: 180, type: 'i32', means: 'hash of the name', writers: 'claimant' },
    kind: {
      at: 184,
      type: 'i32',
      means: 'what the slot is and with which parameters; compared as a whole when it is opened again',
      writers: 'claimant',
      bits: {
        primitive: { bit: 0, width: 8, means: '1 mutex, 2 once, 3 semaphore, 4 rwlock, 5 condition, 6 event, 7 latch, 8 barrier, 9 queue, 10 room of a queue: the slot of those who wait to push', staleness: 'never stale: written before the slot is published' },
        fifo: { bit: 8, width: 1, means: "fairness is 'fifo'", staleness: 'never stale' },
        reentrant: { bit: 9, width: 1, means: 'reentrant', staleness: 'never stale' },
        ownerDeathRelease: { bit: 10, width: 1, means: "ownerDeath is 'release'", staleness: 'never stale' },
        parameter: { bit: 12, width: 20, means: 'permits of a semaphore; slot number of the mutex of a condition; of an event, whether it resets itself; count of a latch; parties of a barrier', staleness: 'never stale' },
      },
    },
    nameLength: { at: 188, type: 'i32', means: 'bytes of the name', writers: 'claimant' },
  },
});

export const shared = record({
  name: 'shared',
  means: 'What shared acquisitions of an rwlock that had to wait leave behind. Memory that is never touched costs nothing.',
  size: 128,
  align: CACHE_LINE,
  fields: {
    contended: { at: 0, type: 'i32', means: 'shared acquisitions that had to sleep', writers: 'readers, by atomic add' },
    timeouts: { at: 4, type: 'i32', means: 'shared acquisitions given up because of their deadline', writers: 'waiters, by atomic add' },
    aborts: { at: 8, type: 'i32', means: 'shared acquisitions given up because of a signal or a cancel token', writers: 'waiters, by atomic add' },
    waitUsMax: { at: 12, type: 'i32', means: 'longest of the waits, µs', writers: 'readers, by compare-exchange, upward only' },
    waitUsLow: { at: 16, type: 'i32', means: 'time that shared acquisitions slept, µs: its low 32 bits', writers: 'readers, by atomic add' },
    waitUsHigh: { at: 20, type: 'i32', means: 'its high bits', writers: 'the reader whose add has carried, by atomic add' },
    waits: { at: 24, type: 'bytes', length: 48, means: 'histogram of the waits, as `slot.waits`', writers: 'readers, by atomic add' },
    reserved0: { at: 72, type: 'bytes', length: 56, means: 'unused', writers: 'nobody' },
  },
});

export const name = record({
  name: 'name',
  means: 'The first bytes of the name of a slot, UTF-8.',
  size: 48,
  align: 16,
  fields: {
    bytes: { at: 0, type: 'bytes', length: 48, means: 'the name or its beginning', writers: 'claimant of the slot' },
  },
});

export const nameTail = record({
  name: 'nameTail',
  means: 'The rest of a name of more than 48 bytes. Memory that is never touched costs nothing.',
  size: 208,
  align: 16,
  fields: {
    bytes: { at: 0, type: 'bytes', length: 208, means: 'the rest of the name', writers: 'claimant of the slot' },
  },
});

export const index = record({
  name: 'index',
  means: 'Hash table from names to slots: open addressing, linear probing, nothing is ever taken out.',
  size: 4,
  align: 4,
  fields: {
    slot: { at: 0, type: 'i32', means: 'slot number + 1, 0 = empty', writers: 'claimant of that slot, by compare-exchange from 0: this is the moment at which the name exists' },
  },
});

export const ring = record({
  name: 'ring',
  means: 'The items of one queue, in the heap: this record, and then as many places as the queue has, each an item and room for its bytes.',
  size: 64,
  align: CACHE_LINE,
  fields: {
    head: { at: 0, type: 'i32', means: 'place from which is popped next, counted modulo twice the capacity', writers: 'the one in the section; the one store that pops' },
    tail: { at: 4, type: 'i32', means: 'place into which is pushed next, counted as `head`; the same as `head`: empty', writers: 'the one in the section; the one store that pushes' },
    closed: { at: 8, type: 'i32', means: '1: nobody pushes any more', writers: 'anybody, once' },
    itemsAwaited: { at: 12, type: 'i32', means: 'somebody may wait for an item; 0 only if nobody does who has looked', writers: 'the one in the section' },
    roomAwaited: { at: 16, type: 'i32', means: 'somebody may wait for room; 0 only if nobody does who has looked', writers: 'the one in the section' },
    capacity: { at: 20, type: 'i32', means: 'number of places', writers: 'who makes the ring' },
    itemBytes: { at: 24, type: 'i32', means: 'bytes that an item may take', writers: 'who makes the ring' },
    room: { at: 28, type: 'i32', means: 'number of the slot in which those wait who push', writers: 'who makes the ring' },
    reserved0: { at: 32, type: 'bytes', length: 32, means: 'unused', writers: 'nobody' },
  },
});

export const item = record({
  name: 'item',
  means: 'One place of a ring; the bytes of the item follow.',
  size: 4,
  align: 4,
  fields: {
    shape: {
      at: 0,
      type: 'i32',
      means: 'what lies here',
      writers: 'the one in the section, while the place is empty',
      bits: {
        json: { bit: 0, width: 1, means: 'the bytes are JSON', staleness: 'never stale while the place is full' },
        length: { bit: 1, width: 31, means: 'number of bytes', staleness: 'never stale while the place is full' },
      },
    },
  },
});

/** All records, in the order of their regions. */
export const records = [header, agent, cell, slot, shared, name, nameTail, index, ring, item] as const;

export const MAGIC = 0x484f4c44;
export const LAYOUT_VERSION = 1;
/** Longest name, in bytes of UTF-8. */
export const NAME_LIMIT = 255;

const word = slot.fields.word.bits;
export const OWNER = mask(word.owner);
export const WAITERS = mask(word.waiters);
export const HANDED = mask(word.handed);
export const STARVED = mask(word.starved);
export const DIED = mask(word.died);
export const CLOSED = mask(word.closed);
export const DRAINING = mask(word.draining);
export const UPGRADABLE = mask(word.upgradable);

/** Of `cell.hold` of an rwlock: the agent reads, and one more acquisition that has ended. */
export const READS = 1;
export const ONE_TAKEN = 2;

/** Of `agent.amount`, if the slot is an rwlock. */
export const SHARED = 1;
export const EXCLUSIVE = 2;

export const SIGNALLED = mask(agent.fields.wants.bits.signalled);

/** Of `slot.tally` of a barrier. */
export const ARRIVED = 0xffff;
export const REASON = 0x70000;
export const ONE_GENERATION = 0x80000;
export const GENERATION = -0x80000;
/** Values of REASON. */
export const breaks = { timeout: 0x10000, cancelled: 0x20000, died: 0x30000, reset: 0x40000, aborted: 0x50000 } as const;

/** Of `cell.hold` of a barrier. */
export const ARRIVES = 1;
export const BROKE = 2;

/** Of `slot.tally` of an event. */
export const SET = 1;

/** Of `cell.hold` of a condition or an event that resets itself: the flows that wait, and one signal. */
export const WAITING_FLOWS = 0xffff;
export const ONE_SIGNAL = 0x10000;

/** Values of `slot.kind.primitive`. */
export const primitives = { mutex: 1, once: 2, semaphore: 3, rwlock: 4, condition: 5, event: 6, latch: 7, barrier: 8, queue: 9, room: 10 } as const;
