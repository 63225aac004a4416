import type { Interrupt } from '../raw/mutex.js';
import type { LockError } from '../contract/errors.js';
import type { Site } from './site.js';

/**
 * How the locks of one kind, or in one mode, are acquired: what differs where waiting is the same for all. `wish` is what is asked
 * for: of a mutex or an rwlock, whether inconsistent data is taken over; of a semaphore, how many permits; of a queue, the item. Results are outcomes of
 * src/raw/mutex.ts, or a token.
 */
export interface Protocol<Wish = number> {
  /** Without waiting. */
  attempt(site: Site<Wish>, wish: Wish): number;
  /** The same for a flow of this thread that has just come, and before which no other waits. */
  attemptAtOnce(site: Site<Wish>, wish: Wish): number;
  /** Looks for a few microseconds. */
  attemptSpinning(site: Site<Wish>, wish: Wish): number;
  /** Blocks the thread. Times are on the shared clock. */
  acquireQueued(site: Site<Wish>, wish: Wish, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number;
  /** For the oldest flow of this thread, whose ticket is in the agent's cell. BUSY: it will be rung. */
  attemptForFlow(site: Site<Wish>, wish: Wish): number;
  /** No flow of this thread waits any more. */
  withdrawFlows(site: Site<Wish>): void;
  /** The oldest flow of this thread has left the queue, and the next has taken its place. */
  passOn(site: Site<Wish>): void;
  /** Of kinds whose waiters are signalled: one more flow of this thread waits. */
  joinFlow?(site: Site<Wish>): void;
  /** Of those: one of them gives up, with that outcome. `false`: it had been signalled before, so it has what it waited for. */
  leaveFlow?(site: Site<Wish>, wish: Wish, outcome: number): boolean;
  /** A flow of this thread was granted. */
  countFlow(site: Site<Wish>): void;
  /** What a wait leaves in the statistics, by the one who has acquired with that token. */
  noteWait(site: Site<Wish>, waitedMs: number, nowMs: number, token: number): void;
  /** Has the segment see whether those still live for whom flows wait. */
  patrol(site: Site<Wish>): void;
  /** The error for a counted outcome that is no token, where it is another than that of a lock. */
  refuse?(site: Site<Wish>, outcome: number, waitedMs: number, timeoutMs: number, reason: string, within: (...args: never[]) => unknown): LockError;
}
