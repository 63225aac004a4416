/** `holdfast/testing`: for the tests of those who use locks, in whichever framework. */
import { circleOf, type Deadlock } from '../locks/deadlock.js';
import { duration, who } from '../locks/refusals.js';
import type { LockManager, LockStatus } from '../manager/manager.js';
import { whichManager } from './which-manager.js';

/**
 * Throws if a lock is held or a thread is blocked on one, with all of them and since when: for the end of each test.
 *
 * When to use: where a test must not leave a lock behind. What other threads do at the same moment is seen too, so let them finish first. An
 * asynchronous wait shows by its lock, which somebody holds. For deadlocks see {@link assertNoDeadlocks}.
 *
 * @param manager the manager or its name; omitted, the default one.
 * @throws Error whose `cause` is the status of each such lock.
 *
 * @example
 * import { expectNoLocksHeld } from 'holdfast/testing';
 * manager.mutex('ledger').run(() => {});
 * expectNoLocksHeld(manager); // afterEach(() => expectNoLocksHeld()) in a test
 */
export function expectNoLocksHeld(manager?: LockManager | string): void {
  const taken = Object.values(whichManager(manager).getLockStatus()).filter(isTaken);
  if (taken.length === 0) return;
  const first = taken.length === 1 ? '1 lock is held or waited for' : `${taken.length} locks are held or waited for`;
  throw new Error([first, ...taken.flatMap(linesOf)].join('\n'), { cause: taken });
}

/** Refusals that were reported already, by lock. */
const reported = new WeakMap<LockManager, Map<string, number>>();

/**
 * Throws if threads wait for each other in a circle, or if a wait was refused for that reason since the last call for the same manager: for
 * the end of each test.
 *
 * When to use: where a deadlock that was refused and tried again would go unnoticed, and shall not.
 *
 * @param manager the manager or its name; omitted, the default one.
 * @throws Error whose `cause` has the cycles there are, and how often a wait for which lock was refused.
 *
 * @example
 * import { assertNoDeadlocks } from 'holdfast/testing';
 * manager.mutex('ledger').run(() => {});
 * await assertNoDeadlocks(manager); // afterEach(() => assertNoDeadlocks()) in a test
 */
export async function assertNoDeadlocks(manager?: LockManager | string): Promise<void> {
  const looked = whichManager(manager);
  const cycles = await looked.detectDeadlocks();
  const known = reported.get(looked);
  const refused = new Map(Object.entries(looked.getStatistics()).map(([name, { deadlocks }]) => [name, deadlocks]));
  reported.set(looked, refused);
  const fresh = [...refused].map(([lock, count]) => ({ lock, refused: count - (known?.get(lock) ?? 0) })).filter((one) => one.refused > 0);
  if (cycles.length === 0 && fresh.length === 0) return;
  const lines = [...cycles.map(({ cycle }: Deadlock) => `now: ${circleOf(cycle)}`), ...fresh.map((one) => `refused: ${one.refused} × a wait for "${one.lock}"`)];
  throw new Error(['threads waited for each other in a circle', ...lines.map((line) => `    ${line}`)].join('\n'), { cause: { cycles, refused: fresh } });
}

/** The holder is not named if it changed while it was read. */
function isTaken({ state, holders, waiters }: LockStatus): boolean {
  return holders.length > 0 || waiters.length > 0 || state === 'held' || state === 'handed';
}

function linesOf({ name, kind, state, holders, waiters }: LockStatus): string[] {
  const held = holders.map((holder) => {
    const since = holder.heldSinceKnown ? duration(holder.heldForMs) : holder.heldForMs > 0 ? `at least ${duration(holder.heldForMs)}` : 'an unknown time';
    return `held by ${who(holder)} for ${since}`;
  });
  const waited = waiters.map((waiter) => `waited for by ${who(waiter)} for ${duration(waiter.waitedMs)}`);
  return [`    "${name}" (${kind}): ${held.length === 0 ? state : held.join(', ')}`, ...waited.map((line) => `        ${line}`)];
}
