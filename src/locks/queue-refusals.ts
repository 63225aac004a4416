/** The errors that pushing and popping end with. */
import { LockError, type LockErrorCode } from '../contract/errors.js';
import { INTERRUPTED, TIMED_OUT } from '../raw/mutex.js';
import * as raw from '../raw/ring.js';
import { slotNumber } from '../shm/segment.js';
import { duration, type Refused } from './refusals.js';
import { readStatus } from './status.js';

type Within = (...args: never[]) => unknown;

interface Wait {
  readonly waitedMs: number;
  readonly timeoutMs: number;
  readonly reason: string;
}

/** The error for an outcome of src/raw/ring.ts that moved nothing. */
export function refuseTransfer(lock: Refused, queue: raw.Queue, side: number, outcome: number, { waitedMs, timeoutMs, reason }: Wait, within: Within): LockError {
  const what = side === raw.PUSH ? 'not pushed' : 'nothing popped';
  switch (outcome) {
    case TIMED_OUT:
      return compose('ERR_LOCK_TIMEOUT', lock, queue, `${what} within ${timeoutMs} ms`, side, { timeoutMs, waitedMs, hint: hintFor(side) }, within);
    case INTERRUPTED:
      return compose('ERR_LOCK_ABORTED', lock, queue, `${what}: the wait was ended from outside after ${duration(waitedMs)}: ${reason}`, side, { waitedMs, reason }, within);
    case raw.ENDED:
      return compose('ERR_LOCK_QUEUE_CLOSED', lock, queue, side === raw.PUSH ? `${what}: the queue is closed` : `${what}: the queue is closed, and all its items are taken`, side, {}, within);
    default:
      return new LockError('ERR_LOCK_CLOSED', `${title(lock)} ${what}: its manager was closed`, { lock: lock.name, kind: lock.kind }, within);
  }
}

/** On the main thread, where a wait would keep the event loop. */
export function wouldBlockMain(lock: Refused, queue: raw.Queue, side: number, within: Within): LockError {
  const what = side === raw.PUSH ? 'full, and waiting for room' : 'empty, and waiting for an item';
  const hint = `await ${side === raw.PUSH ? 'pushAsync() on the main thread, or tryPush()' : 'popAsync() on the main thread, or tryPop()'}; LockManager.create({ blockingOnMain: 'allow' }) lifts this`;
  return compose('ERR_LOCK_WOULD_BLOCK_MAIN', lock, queue, `is ${what} would block the main thread, with its timers, signals and workers' output`, side, { hint }, within);
}

interface Facts extends Partial<Wait> {
  readonly hint?: string;
}

function compose(code: LockErrorCode, lock: Refused, queue: raw.Queue, what: string, side: number, facts: Facts, within: Within): LockError {
  const { segment } = lock;
  const { words } = segment;
  const { items, waiters } = readStatus(segment, slotNumber(segment, queue.items));
  const pushed = raw.countOf(words, queue, raw.PUSH);
  const popped = raw.countOf(words, queue, raw.POP);
  const waiting = { toPush: waiters.filter((one) => one.wants === 'room').length, toPop: waiters.filter((one) => one.wants === 'item').length };
  const lines = [
    `${title(lock)} ${what}`,
    `    items    ${items!.length} of ${items!.capacity}; ${pushed} pushed and ${popped} popped so far; blocked now: ${waiting.toPush} to push, ${waiting.toPop} to pop`,
    ...(facts.hint === undefined ? [] : [`  hint: ${facts.hint}`]),
  ];
  const report = { lock: lock.name, kind: lock.kind, wants: side === raw.PUSH ? 'room' : 'item', ...facts, items, pushed, popped, waiting };
  return new LockError(code, lines.join('\n'), report, within);
}

function hintFor(side: number): string {
  return side === raw.PUSH
    ? 'look at what those threads do that pop: fewer items are taken than are made'
    : 'look at what those threads do that push; they can end the wait with close() when nothing more will come';
}

function title({ name, kind }: Refused): string {
  return `"${name}" (${kind})`;
}
