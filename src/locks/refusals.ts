/**
 * The errors that acquiring and releasing end with. Each says in this order: what happened, who holds it, since when, what to do;
 * and claims no more than what was read.
 */
import { shared, slot } from '../../native-layout/index.js';
import { LockError, type LockReport } from '../contract/errors.js';
import { threadId } from '../host/node.js';
import { type Segment, sharedAt, slotAt } from '../shm/segment.js';
import { readDeath } from './deaths.js';
import { type HolderStatus, readStatus, type ThreadStatus, type WaiterStatus } from './status.js';

/** What a refusal speaks of. */
export interface Refused {
  readonly segment: Segment;
  readonly slotNumber: number;
  readonly name: string;
  readonly kind: string;
  readonly mode: string;
}

type Within = (...args: never[]) => unknown;

export function timedOut(lock: Refused, waitedMs: number, timeoutMs: number, within: Within): LockError {
  const { state, holders, waiters } = readStatus(lock.segment, lock.slotNumber);
  const [holder] = holders;
  const ahead = waiters.filter((waiter) => waiter.waitedMs > waitedMs);
  const hint = hintFor(state, holder);
  const lines = [
    `${title(lock)} not acquired within ${timeoutMs} ms`,
    ...holderLines(state, holders[0]),
    ...(waiters.length > 0 ? [`queue    ${ahead.length} ahead of you, ${waiters.length} still waiting${ahead.length > 0 ? `: ${ahead.slice(0, 3).map(waiterText).join(', ')}` : ''}`] : []),
  ];
  const report = { ...reportOf(lock), timeoutMs, waitedMs, state, holders, ahead: ahead.slice(0, 10), waiting: waiters.length, hint };
  return new LockError('ERR_LOCK_TIMEOUT', compose(lines, hint), report, within);
}

export function aborted(lock: Refused, waitedMs: number, reason: string, within: Within): LockError {
  const { state, holders } = readStatus(lock.segment, lock.slotNumber);
  const lines = [`${title(lock)} not acquired: the wait was ended from outside after ${duration(waitedMs)}: ${reason}`, ...holderLines(state, holders[0])];
  return new LockError('ERR_LOCK_ABORTED', compose(lines), { ...reportOf(lock), waitedMs, reason, state, holders }, within);
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
  const { state, holders } = readStatus(lock.segment, lock.slotNumber);
  const hint = "await acquireAsync() or runAsync() on the main thread; LockManager.create({ blockingOnMain: 'allow' }) lifts this";
  const lines = [`${title(lock)} is not free, and waiting for it would block the main thread, with its timers, signals and workers' output`, ...holderLines(state, holders[0])];
  return new LockError('ERR_LOCK_WOULD_BLOCK_MAIN', compose(lines, hint), { ...reportOf(lock), state, holders, hint }, within);
}

export function notHeld(lock: Refused, action: string, why: string, within: Within): LockError {
  const { state, holders } = readStatus(lock.segment, lock.slotNumber);
  const lines = [`${action}: ${title(lock)} ${why}`, ...holderLines(state, holders[0])];
  return new LockError('ERR_LOCK_NOT_HELD', compose(lines), { ...reportOf(lock), state, holders }, within);
}

export function asyncBody(lock: Refused, what: string, within: Within): LockError {
  const hint = what === 'repair' ? 'mend the data synchronously, or use acquireInconsistent() and markConsistent()' : 'use runAsync(), which holds the lock until the promise settles';
  const line = `the function given as ${what} of ${title(lock)} returned a promise; the lock is not held until that settles`;
  return new LockError('ERR_LOCK_ASYNC_BODY', compose([line], hint), { ...reportOf(lock), hint }, within);
}

export function closed(lock: Pick<Refused, 'name' | 'kind' | 'mode'>, within: Within): LockError {
  return new LockError('ERR_LOCK_CLOSED', compose([`${title(lock)} not acquired: its manager was closed`]), reportOf(lock), within);
}

function reportOf({ name, kind, mode }: Pick<Refused, 'name' | 'kind' | 'mode'>): LockReport {
  return { lock: name, kind, mode };
}

function title({ name, kind, mode }: Pick<Refused, 'name' | 'kind' | 'mode'>): string {
  return `"${name}" (${kind}, ${mode})`;
}

/** First line, details, hint. */
function compose([first, ...details]: string[], hint?: string): string {
  return [first, ...details.map((line) => `    ${line}`), ...(hint === undefined ? [] : [`  hint: ${hint}`])].join('\n');
}

function holderLines(state: string, holder: HolderStatus | undefined): string[] {
  if (state === 'free') return ['held by  nobody at the moment of this report'];
  if (holder === undefined) return state === 'held' ? ['held by  another thread than before: the holder changed while this was written'] : [`held by  nobody that can be named: the lock is ${state}`];
  const atLeast = holder.heldSinceKnown ? '' : 'at least ';
  return [`held by  ${who(holder)} for ${holder.heldSinceKnown || holder.heldForMs > 0 ? atLeast + duration(holder.heldForMs) : 'an unknown time'}`];
}

function hintFor(state: string, holder: HolderStatus | undefined): string {
  if (state !== 'held' && state !== 'free') return `the lock is ${state}`;
  if (holder === undefined || state === 'free') return 'no single holder: the lock changes hands, but others came first. Shorter critical sections, or a longer timeoutMs';
  if (holder.threadId === threadId) return 'this very thread holds it: by an acquisition of its own that it has not released';
  return holder.threadId === 0 ? 'the main thread holds it' : 'if the holder is stuck, look at what that thread does; if it is busy, its critical section is long';
}

function who({ threadId: id }: ThreadStatus): string {
  return id === 0 ? 'the main thread' : `worker ${id}`;
}

function waiterText(waiter: WaiterStatus): string {
  return `${who(waiter)} (${duration(waiter.waitedMs)})`;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** Counts a refused acquisition. */
export function count({ segment, slotNumber, mode }: Pick<Refused, 'segment' | 'slotNumber' | 'mode'>, what: 'timeouts' | 'aborts'): void {
  const at = mode === 'shared' ? sharedAt(segment, slotNumber) + shared.fields[what].at : slotAt(segment, slotNumber) + slot.fields[what].at;
  segment.words.add(at, 1);
}
