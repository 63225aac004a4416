import { afterAll, expect, test } from 'vitest';
import { Agent } from '../src/agent/agent.js';
import { allocate } from '../src/agent/memory.js';
import { readSnapshot, type Snapshot } from '../src/manager/snapshot.js';
import { claimAgent, leaveSegment } from '../src/raw/agents.js';
import * as mutex from '../src/raw/mutex.js';
import { clearRow, publishRow } from '../src/raw/queue.js';
import * as rwlock from '../src/raw/rwlock.js';
import * as semaphore from '../src/raw/semaphore.js';
import { openNamed } from '../src/registry/registry.js';
import { writeHeader } from '../src/shm/header.js';
import { cellAt, placeRegions, type Segment, slotAt } from '../src/shm/segment.js';
import type { SharedWords } from '../src/shm/words.js';

const options = { slotLimit: 5, agentLimit: 3, heapBytes: 0, sharedMs: 1, exclusiveMs: 1, distributedMs: 1, ownerDeath: 'poison', blockingOnMain: 'refuse', deadlock: 'off' } as const;
const { words, start } = allocate(placeRegions(0, options).size);
writeHeader(words, start, options);
const self = new Agent(words, start, 'torn');
afterAll(() => self.detach());

const { segment } = self;
/** Made by nobody, and not known to the kernel. */
const ALONE = { parent: 0, parentGeneration: 0, kernelThread: 0, kernelStart: 0 };
const other = claimAgent(segment, 77, ALONE);
const mutexes = { kind: 'mutex', fairness: 'eventual', reentrant: false, ownerDeath: 'poison' } as const;
const [a, b] = ['a', 'b'].map((name) => openNamed(self, name, mutexes)) as [number, number];
const permits = openNamed(self, 's', { kind: 'semaphore', permits: 2 });
const [read, alsoRead] = ['r', 'q'].map((name) => openNamed(self, name, { kind: 'rwlock', ownerDeath: 'poison' })) as [number, number];
const at = (number: number): number => slotAt(segment, number);

type Action = () => unknown;
const lock = (number: number, id = other): Action => () => expect(mutex.tryAcquire(words, at(number), id)).toBeGreaterThan(0);
const unlock = (number: number, id = other): Action => () => expect(mutex.tryRelease(words, at(number), id)).toBe(true);
const wait = (number: number, id = other): Action => () => publishRow(segment, at(number), id, 0);
const goOn: Action = () => clearRow(segment, other);
const enter = (number: number): Action => () => expect(rwlock.tryRead(segment, at(number), cellAt(segment, other, number))).toBe(true);
const leave = (number: number): Action => () => rwlock.releaseRead(segment, at(number), cellAt(segment, other, number));
/** All at one moment: what is so of one of them and not of the other is never so. */
const together = (...actions: readonly Action[]): Action => () => actions.forEach((action) => action());
const twice = (on: Action, off: Action): Action[] => [on, off, on, off];

/** Each ends as it began, but for what is counted. */
const scripts: Readonly<Record<string, readonly Action[]>> = {
  'one mutex after the other': [lock(a), unlock(a), lock(b), unlock(b)],
  'two mutexes, hand over hand': [lock(a), lock(b), unlock(a), unlock(b)],
  'one wait after the other': [wait(a), goOn, wait(b), goOn],
  'a wait for a mutex that is held, and then is not': [lock(a, self.id), wait(a), unlock(a, self.id), goOn],
  'permits and reads': [
    () => expect(semaphore.tryAcquire(segment, at(permits), other, 2)).toBeGreaterThan(0),
    () => semaphore.release(segment, at(permits), other, 2),
    enter(read),
    leave(read),
  ],
  'two mutexes as one, twice': twice(together(lock(a), lock(b)), together(unlock(a), unlock(b))),
  'two reads as one, twice': twice(together(enter(read), enter(alsoRead)), together(leave(read), leave(alsoRead))),
  'two waits as one, twice': twice(together(wait(a), wait(b, self.id)), together(goOn, () => clearRow(segment, self.id))),
  'a thread that comes and goes': [() => expect(claimAgent(segment, 88, ALONE)).toBe(3), lock(b, 3), unlock(b, 3), () => expect(leaveSegment(segment, 3, 0)).toBe(true)],
};

/** By row, what it tells, times and counts left out; `undefined`: it is marked. */
function rowsOf({ locks, threads }: Snapshot): Map<string, string | undefined> {
  const lockRows = locks.map(({ name, state, holders, waiters, torn }) => [name, torn ? undefined : JSON.stringify([state, holders.map((one) => [one.threadId, one.permits]), waiters.map((one) => one.threadId)])] as const);
  const threadRows = threads.map(({ threadId, state, blockedOn, torn }) => [String(threadId), torn ? undefined : JSON.stringify([state, blockedOn?.lock])] as const);
  return new Map([...lockRows, ...threadRows]);
}

/** The segment, of which each load counts, and may first have something done. */
function watched(onLoad: (count: number) => void): Segment {
  let count = 0;
  const load = (at: number): number => {
    onLoad(count++);
    return words.load(at);
  };
  const loadNumber = (at: number): number => {
    onLoad(count++);
    return words.loadNumber(at);
  };
  const counting: SharedWords = Object.assign(Object.create(words) as SharedWords, { load, loadNumber });
  return { ...segment, words: counting };
}

test.each(Object.entries(scripts))('%s: what is not marked was so at one moment, wherever in the reading it happens', (_, actions) => {
  let loads = 0;
  readSnapshot(watched(() => loads++), undefined);
  const truths = [rowsOf(readSnapshot(segment, undefined))];
  for (const action of actions) {
    action();
    truths.push(rowsOf(readSnapshot(segment, undefined)));
  }
  expect(truths.flatMap((truth) => [...truth.values()])).not.toContain(undefined);
  let marked = 0;
  let whole = 0;
  for (let first = 0; first < loads; first++) {
    for (let gap = 1; gap < loads / 2; gap += 13) {
      let done = 0;
      const seen = rowsOf(readSnapshot(watched((count) => {
        if (done < actions.length && count >= first + done * gap) actions[done++]!();
      }), undefined));
      while (done < actions.length) actions[done++]!();
      const isTrue = truths.some((truth) => [...seen].every(([row, told]) => told === undefined || !truth.has(row) || truth.get(row) === told));
      if (!isTrue) expect.fail(`actions from load ${first}, every ${gap}: ${JSON.stringify([...seen])}`);
      if ([...seen.values()].includes(undefined)) marked++;
      else whole++;
    }
  }
  expect(Math.min(marked, whole)).toBeGreaterThan(0);
});
