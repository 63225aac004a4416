/**
 * The errors that acquiring and releasing end with. Each says in this order: what happened, who holds it, since when, what to do;
 * and claims no more than what was read.
 */
import { shared, slot } from '../../native-layout/index.js';
import { LockError, type LockReport } from '../contract/errors.js';
import { threadId } from '../host/node.js';
import { type Segment, sharedAt, slotAt } from '../shm/segment.js';
import { readDeath } from './deaths.js';
import { type BarrierBreak, type HolderStatus, readStatus, type SlotStatus, type ThreadStatus, type WaiterStatus } from './status.js';

/** What a refusal speaks of. */
export interface Refused {
  readonly segment: Segment;
  readonly slotNumber: number;
  readonly name: string;
  readonly kind: string;
  readonly mode: string;
}

/** Holders, where there are several, that a message names. */
const MOST_NAMED = 3;

/** What has not come about when a wait for such a slot ends, where nobody holds it. */
const notDone: Readonly<Record<string, string>> = { condition: 'not notified', event: 'not set', latch: 'not open', barrier: 'not passed' };

type Within = (...args: never[]) => unknown;

export function timedOut(lock: Refused, waitedMs: number, timeoutMs: number, within: Within): LockError {
  const status = readStatus(lock.segment, lock.slotNumber);
  const { state, holders, waiters, permits } = status;
  const ahead = waiters.filter((waiter) => waiter.waitedMs > waitedMs);
  const hint = lock.kind in notDone ? hintForSignals : permits === undefined ? hintFor(state, holders[0]) : hintForPermits(status);
  const lines = [
    `${title(lock)} ${refusalOf(lock)} within ${timeoutMs} ms`,
    ...holderLines(lock, status),
    ...(waiters.length > 0 ? [`queue    ${ahead.length} ahead of you, ${waiters.length} still waiting${ahead.length > 0 ? `: ${ahead.slice(0, 3).map(waiterText).join(', ')}` : ''}`] : []),
  ];
  const report = { ...reportOf(lock), timeoutMs, waitedMs, state, holders, ...(permits && { permits }), ahead: ahead.slice(0, 10), waiting: waiters.length, hint };
  return new LockError('ERR_LOCK_TIMEOUT', compose(lines, hint), report, within);
}

export function aborted(lock: Refused, waitedMs: number, reason: string, within: Within): LockError {
  const status = readStatus(lock.segment, lock.slotNumber);
  const { state, holders, permits } = status;
  const lines = [`${title(lock)} ${refusalOf(lock)}: the wait was ended from outside after ${duration(waitedMs)}: ${reason}`, ...holderLines(lock, status)];
  return new LockError('ERR_LOCK_ABORTED', compose(lines), { ...reportOf(lock), waitedMs, reason, state, holders, ...(permits && { permits }) }, within);
}

export function recursive(lock: Refused, holding: 'blocking' | 'asynchronous', within: Within): LockError {
  const hint =
    holding === 'blocking'
      ? lock.kind === 'rwlock'
        ? 'release it first; a write guard can be downgraded, an upgradable one upgraded'
        : 'release it first, or open the lock with { reentrant: true }'
      : 'an asynchronous hold of this thread can not end while the thread is blocked: use acquireAsync, or release first';
  const line = `${title(lock)} is already held by this thread (${who({ threadId })}), ${holding === 'blocking' ? 'which would wait for itself' : 'by an asynchronous hold'}`;
  return new LockError('ERR_LOCK_RECURSIVE', compose([line], hint), { ...reportOf(lock), threadId, holding, hint }, within);
}

export function heldBySelf(lock: Refused, within: Within): LockError {
  const { permits, holders } = readStatus(lock.segment, lock.slotNumber);
  const held = holders.find((holder) => holder.threadId === threadId)?.permits ?? 0;
  const total = permits?.total ?? 0;
  const hint = 'release some of them first; acquire all that is needed at once; or use acquireAsync, for guards that others of this thread release';
  const line = `${title(lock)} not acquired: this thread (${who({ threadId })}) itself holds ${held} of ${total} permits, and would wait for itself`;
  return new LockError('ERR_LOCK_RECURSIVE', compose([line], hint), { ...reportOf(lock), threadId, held, permits, holders, hint }, within);
}

export function overReleased(lock: Refused, released: number, within: Within): LockError {
  const status = readStatus(lock.segment, lock.slotNumber);
  const line = `${title(lock)}: ${released} permits not released: this thread (${who({ threadId })}) holds fewer; something else has written to its record`;
  return new LockError('ERR_LOCK_OVER_RELEASE', compose([line, ...holderLines(lock, status)]), { ...reportOf(lock), threadId, released, holders: status.holders, permits: status.permits }, within);
}

export function upgrade(lock: Refused, within: Within): LockError {
  const hint = 'release the read hold first; or read by upgradableRead, whose guard can be upgraded: of those there is one at a time';
  const line = `${title(lock)} not acquired: this thread (${who({ threadId })}) reads, and two readers that both wait to write would wait for each other`;
  return new LockError('ERR_LOCK_UPGRADE', compose([line], hint), { ...reportOf(lock), threadId, hint }, within);
}

export function ownerDied(lock: Refused, within: Within): LockError {
  const death = readDeath(lock.segment, lock.slotNumber);
  const hint = 'its data may be half-written. Take it with acquireInconsistent(), mend the data, call guard.markConsistent(); or open the lock with a repair function';
  const line = `${title(lock)} not acquired: its owner, ${who(death)}, died while it held, ${duration(Date.now() - death.at)} ago`;
  return new LockError('ERR_LOCK_OWNER_DIED', compose([line], hint), { ...reportOf(lock), death, hint }, within);
}

export function wouldBlockMain(lock: Refused, within: Within): LockError {
  const status = readStatus(lock.segment, lock.slotNumber);
  const { state, holders, permits } = status;
  const form = lock.kind in notDone ? 'waitAsync()' : 'acquireAsync() or runAsync()';
  const hint = `await ${form} on the main thread; LockManager.create({ blockingOnMain: 'allow' }) lifts this`;
  const why = lock.kind in notDone ? '' : 'is not free, and ';
  const lines = [`${title(lock)} ${why}waiting for it would block the main thread, with its timers, signals and workers' output`, ...holderLines(lock, status)];
  return new LockError('ERR_LOCK_WOULD_BLOCK_MAIN', compose(lines, hint), { ...reportOf(lock), state, holders, ...(permits && { permits }), hint }, within);
}

export function notHeld(lock: Refused, action: string, why: string, within: Within): LockError {
  const status = readStatus(lock.segment, lock.slotNumber);
  const { state, holders, permits } = status;
  const lines = [`${action}: ${title(lock)} ${why}`, ...holderLines(lock, status)];
  return new LockError('ERR_LOCK_NOT_HELD', compose(lines), { ...reportOf(lock), state, holders, ...(permits && { permits }) }, within);
}

export function overCounted(lock: Refused, amount: number, within: Within): LockError {
  const { left } = readStatus(lock.segment, lock.slotNumber);
  const line = `${title(lock)}: ${amount} not counted down: only ${left} are left`;
  return new LockError('ERR_LOCK_OVER_RELEASE', compose([line]), { ...reportOf(lock), amount, left }, within);
}

export function broken(lock: Refused, within: Within): LockError {
  const by = readStatus(lock.segment, lock.slotNumber).meeting?.broken;
  const hint = 'all who wait at it are told; when they have given up what they were about, reset() makes it whole again';
  const line = `${title(lock)} not passed: it ${by === undefined ? 'was broken, and has been reset since' : `is broken: ${breakText(by)}`}`;
  return new LockError('ERR_LOCK_BARRIER_BROKEN', compose([line], hint), { ...reportOf(lock), ...(by && { broken: by }), hint }, within);
}

function breakText({ why, threadId: id }: BarrierBreak): string {
  return `${id === undefined ? 'a thread' : who({ threadId: id })} ${why}`;
}

/** By a condition, whose wait would not release the mutex. */
export function heldTwice(lock: Refused, mutex: Refused, within: Within): LockError {
  const hint = 'release what the same thread has acquired before; wait where it holds once';
  const line = `${title(lock)} not waited for: ${title(mutex)} is held more than once by this thread (${who({ threadId })}), so waiting would not release it`;
  return new LockError('ERR_LOCK_RECURSIVE', compose([line], hint), { ...reportOf(lock), mutex: mutex.name, threadId, hint }, within);
}

/** What a condition was given is no hold of its mutex. */
export function guardNotHeld(lock: Refused, mutex: Refused, why: string, within: Within): LockError {
  const hint = `acquire "${mutex.name}" first, and give wait() the guard that this returns`;
  return new LockError('ERR_LOCK_NOT_HELD', compose([`${title(lock)} not waited for: the guard ${why}`], hint), { ...reportOf(lock), mutex: mutex.name, hint }, within);
}

/** Of a predicate. */
export function asyncPredicate(lock: Refused, within: Within): LockError {
  const hint = 'the predicate must look at the data and return at once: it runs with the mutex held';
  return new LockError('ERR_LOCK_ASYNC_BODY', compose([`the predicate given to ${title(lock)} returned a promise`], hint), { ...reportOf(lock), hint }, within);
}

export function asyncBody(lock: Refused, what: string, within: Within): LockError {
  const hint = what === 'repair' ? 'mend the data synchronously, or use acquireInconsistent() and markConsistent()' : 'use runAsync(), which holds the lock until the promise settles';
  const line = `the function given as ${what} of ${title(lock)} returned a promise; the lock is not held until that settles`;
  return new LockError('ERR_LOCK_ASYNC_BODY', compose([line], hint), { ...reportOf(lock), hint }, within);
}

export function closed(lock: Pick<Refused, 'name' | 'kind' | 'mode'>, within: Within): LockError {
  return new LockError('ERR_LOCK_CLOSED', compose([`${title(lock)} ${refusalOf(lock)}: its manager was closed`]), reportOf(lock), within);
}

/** A lock as reports name it. */
export function reportOf({ name, kind, mode }: Pick<Refused, 'name' | 'kind' | 'mode'>): LockReport {
  return kind in notDone ? { lock: name, kind } : { lock: name, kind, mode };
}

/** A lock as messages name it. */
export function title({ name, kind, mode }: Pick<Refused, 'name' | 'kind' | 'mode'>): string {
  return kind in notDone ? `"${name}" (${kind})` : `"${name}" (${kind}, ${mode})`;
}

function refusalOf({ kind }: Pick<Refused, 'kind'>): string {
  return notDone[kind] ?? 'not acquired';
}

/** A message: first line, details, hint. */
export function compose([first, ...details]: string[], hint?: string): string {
  return [first, ...details.map((line) => `    ${line}`), ...(hint === undefined ? [] : [`  hint: ${hint}`])].join('\n');
}

function holderLines({ kind }: Pick<Refused, 'kind'>, { state, holders, permits, left, meeting }: SlotStatus): string[] {
  if (meeting !== undefined) return [meeting.broken ? `broken   ${breakText(meeting.broken)}` : `parties  ${meeting.waiting} of ${meeting.parties} have come`];
  if (left !== undefined) return [`count    ${left} still to be counted down`];
  if (kind in notDone) return [];
  const [holder] = holders;
  if (permits !== undefined) {
    const named = holders.slice(0, MOST_NAMED).map((one) => `${who(one)} (${one.permits})`);
    return [`permits  ${permits.available} of ${permits.total} free; held by ${holders.length === 0 ? 'nobody' : named.join(', ')}${othersThan(holders)}`];
  }
  if (holder?.mode === 'shared') return [`read by  ${holders.slice(0, MOST_NAMED).map(who).join(', ')}${othersThan(holders)}`];
  if (state === 'free') return ['held by  nobody at the moment of this report'];
  if (holder === undefined) return state === 'held' ? ['held by  another thread than before: the holder changed while this was written'] : [`held by  nobody that can be named: the lock is ${state}`];
  const atLeast = holder.heldSinceKnown ? '' : 'at least ';
  return [`held by  ${who(holder)} for ${holder.heldSinceKnown || holder.heldForMs > 0 ? atLeast + duration(holder.heldForMs) : 'an unknown time'}`];
}

function othersThan({ length }: readonly HolderStatus[]): string {
  return length > MOST_NAMED ? ` and ${length - MOST_NAMED} more` : '';
}

function hintFor(state: string, holder: HolderStatus | undefined): string {
  if (state !== 'held' && state !== 'free') return `the lock is ${state}`;
  if (holder === undefined || state === 'free') return 'no single holder: the lock changes hands, but others came first. Shorter critical sections, or a longer timeoutMs';
  if (holder.threadId === threadId) return 'this very thread holds it: by an acquisition of its own that it has not released';
  return holder.threadId === 0 ? 'the main thread holds it' : 'if the holder is stuck, look at what that thread does; if it is busy, its critical section is long';
}

const hintForSignals = 'nobody came to end this wait: look at what the threads do that should have';

function hintForPermits({ state, holders, permits }: SlotStatus): string {
  if (state === 'closed') return 'the lock is closed';
  const own = holders.find((holder) => holder.threadId === threadId);
  if (own !== undefined) return `this very thread holds ${own.permits} of them: by guards of its own that it has not released`;
  if (permits!.available > 0) return 'permits go to those who wait in order of arrival: one that wants many has all behind it wait';
  return 'if the holders are stuck, look at what those threads do; if they are busy, more permits or a longer timeoutMs';
}

/** A thread as messages name it. */
export function who({ threadId: id }: ThreadStatus): string {
  return id === 0 ? 'the main thread' : `worker ${id}`;
}

function waiterText(waiter: WaiterStatus): string {
  return `${who(waiter)} (${duration(waiter.waitedMs)})`;
}

/** A length of time as messages give it. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** Counts a refused acquisition. */
export function count({ segment, slotNumber, kind, mode }: Refused, what: 'timeouts' | 'aborts' | 'deadlocks'): void {
  const isShared = kind === 'rwlock' && mode === 'shared';
  segment.words.add(isShared && what !== 'deadlocks' ? sharedAt(segment, slotNumber) + shared.fields[what].at : slotAt(segment, slotNumber) + slot.fields[what].at, 1);
}
