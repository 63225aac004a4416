/**
 * Which lock is waited for because its holder waits for another one. A lock whose holder goes on is a root; one whose holder is blocked
 * stands below the lock which that thread waits for.
 */
import type { Deadlock } from '../locks/deadlock.js';
import type { HolderStatus, WaiterStatus } from '../locks/status.js';
import type { LockSnapshot, ThreadSnapshot } from './snapshot.js';

/** A lock that threads are blocked on, and all that is blocked by them in turn. Each lock is in one place of one tree. */
export interface BlockingTree {
  readonly lock: string;
  readonly kind: string;
  /** None, if the wait is not for a holder, but for a signal or an item. */
  readonly holders: readonly BlockingHolder[];
  /** So many threads are blocked, here and below, */
  readonly threads: number;
  /** and for so long, added up. */
  readonly blockedMs: number;
  /** It is part of a deadlock: then no holder at the root could go on. */
  readonly inCycle?: true;
  readonly waiters: readonly BlockedThread[];
}

/** Who holds it, and what that thread does. */
export interface BlockingHolder extends HolderStatus {
  readonly state: ThreadSnapshot['state'];
}

/** A blocked thread, and what others wait for that it holds. */
export interface BlockedThread extends WaiterStatus {
  readonly blocks: readonly BlockingTree[];
}

/** The trees of a snapshot, those first in which most time is lost. */
export function treesOf(locks: readonly LockSnapshot[], threads: readonly ThreadSnapshot[], cycles: readonly Deadlock[]): BlockingTree[] {
  const threadOf = new Map(threads.map((thread) => [thread.threadId, thread]));
  const circular = new Set(cycles.flatMap(({ cycle }) => cycle.map(({ waitsFor }) => waitsFor)));
  const lockOf = new Map(locks.map((lock) => [lock.name, lock]));
  const below = new Map<number, LockSnapshot[]>();
  const roots: LockSnapshot[] = [];
  const left = new Set(locks.filter((lock) => blockedAt(lock).length > 0));

  function blockedAt(lock: LockSnapshot): readonly WaiterStatus[] {
    // A thread that moved on while the locks were read shows at two of them.
    return lock.waiters.filter(({ threadId }) => threadOf.get(threadId)?.blockedOn?.lock === lock.name);
  }

  for (const lock of left) {
    const blocker = blockedHolder(lock, threadOf);
    if (blocker === undefined) roots.push(lock);
    else below.set(blocker.threadId, [...(below.get(blocker.threadId) ?? []), lock]);
  }

  function grow(lock: LockSnapshot): BlockingTree {
    left.delete(lock);
    const waiters = blockedAt(lock).map((waiter) => ({ ...waiter, blocks: (below.get(waiter.threadId) ?? []).filter((one) => left.has(one)).map(grow) }));
    const trees = waiters.flatMap(({ blocks }) => blocks);
    return {
      lock: lock.name,
      kind: lock.kind,
      holders: lock.holders.map((holder) => ({ ...holder, state: threadOf.get(holder.threadId)?.state ?? 'running' })),
      threads: waiters.length + trees.reduce((sum, tree) => sum + tree.threads, 0),
      blockedMs: [...waiters.map(({ waitedMs }) => waitedMs), ...trees.map((tree) => tree.blockedMs)].reduce((sum, ms) => sum + ms, 0),
      ...(circular.has(lock.name) && { inCycle: true as const }),
      waiters,
    };
  }

  /** Up, from holder to what it waits for, until it goes round: there is no root. */
  function onCircle(start: LockSnapshot): LockSnapshot {
    const seen = new Set<LockSnapshot>();
    let lock = start;
    while (!seen.has(lock)) {
      seen.add(lock);
      lock = lockOf.get(blockedHolder(lock, threadOf)!.blockedOn!.lock)!;
    }
    return lock;
  }

  const trees = roots.map(grow);
  for (const lock of left) trees.push(grow(onCircle(lock)));
  return trees.sort((a, b) => b.blockedMs - a.blockedMs);
}

/**
 * The holder because of which others wait though it does not run: of several the one that has been blocked for longest. Of a semaphore none, if
 * another of them runs: that one may give back enough.
 */
function blockedHolder({ name, kind, holders }: LockSnapshot, threadOf: ReadonlyMap<number, ThreadSnapshot>): ThreadSnapshot | undefined {
  const threads = holders.map(({ threadId }) => threadOf.get(threadId)).filter((thread) => thread !== undefined);
  if (kind === 'semaphore' && threads.some(({ state }) => state === 'running')) return undefined;
  const blocked = threads.filter(({ blockedOn }) => blockedOn !== undefined && blockedOn.lock !== name);
  return blocked.sort((a, b) => b.blockedOn!.waitedMs - a.blockedOn!.waitedMs)[0];
}
