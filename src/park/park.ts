/**
 * Sleeping and waking. Each agent has one word to sleep on and another for its event loop; both count wakes in steps of 2 and
 * carry in bit 0 whether somebody sleeps, so that a wake costs a system call only where it is needed. A wake meant for an
 * agent is lost only with that agent, since no other sleeps on its words.
 */
import { agent } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { agentAt, type Segment } from '../shm/segment.js';

const PARK = agent.fields.park.at;
const MAILBOX = agent.fields.mailbox.at;
const ASLEEP = 1;
const ONE_WAKE = 2;
const PAUSE_MS = 1;

/** Wakes so far of the calling agent; read it before looking at whatever it is about to sleep for. */
export function wakesOf(segment: Segment, self: number): number {
  return segment.words.load(agentAt(segment, self) + PARK);
}

/**
 * Sleeps until a wake after `seen`, or until `deadline` (ms on the shared clock; then `'timed-out'`). From time to time, and
 * before it gives up, it has the segment look whether `owner` still lives (`'patrolled'`, if that was all).
 */
export function park(segment: Segment, self: number, seen: number, deadline: number, owner: number): 'woken' | 'patrolled' | 'timed-out' {
  const { words, patrolMs } = segment;
  const at = agentAt(segment, self) + PARK;
  const leftMs = deadline === Infinity ? Infinity : deadline - now();
  const slept = sleep(words, at, seen, Math.min(leftMs, patrolMs));
  if (slept !== 'timed-out') return 'woken';
  segment.patrol(owner);
  return leftMs <= patrolMs ? 'timed-out' : 'patrolled';
}

function sleep(words: Segment['words'], at: number, seen: number, timeoutMs: number): 'ok' | 'not-equal' | 'timed-out' {
  // The waker's add and this one are ordered by the word: either it sees ASLEEP and notifies, or this sees its count.
  const result = words.add(at, ASLEEP) === seen ? words.wait(at, seen + ASLEEP, timeoutMs) : 'not-equal';
  words.add(at, -ASLEEP);
  return result;
}

/** Sleeps for a moment, for one who waits for something that nobody announces. */
export function pause(segment: Segment, self: number): void {
  sleep(segment.words, agentAt(segment, self) + PARK, wakesOf(segment, self), PAUSE_MS);
}

/** Wakes the thread of an agent, or makes its next sleep end at once. */
export function unpark(segment: Segment, id: number): void {
  wake(segment.words, agentAt(segment, id) + PARK);
}

/** Wakes the event loop of an agent. */
export function ring(segment: Segment, id: number): void {
  wake(segment.words, agentAt(segment, id) + MAILBOX);
}

function wake(words: Segment['words'], at: number): void {
  if (words.add(at, ONE_WAKE) & ASLEEP) words.notify(at);
}

/** Wakes so far of the calling agent's event loop. */
export function ringsOf(segment: Segment, self: number): number {
  return segment.words.load(agentAt(segment, self) + MAILBOX);
}

/**
 * Has the event loop of the calling agent woken after `seen`: the promise settles then, and `disarm` must follow. `undefined` if
 * that has happened already. One at a time.
 */
export function arm(segment: Segment, self: number, seen: number): Promise<unknown> | undefined {
  const { words } = segment;
  const at = agentAt(segment, self) + MAILBOX;
  const pending = words.add(at, ASLEEP) === seen ? words.waitAsync(at, seen + ASLEEP) : undefined;
  if (pending === undefined) words.add(at, -ASLEEP);
  return pending;
}

/** Ends what `arm` began. */
export function disarm(segment: Segment, self: number): void {
  segment.words.add(agentAt(segment, self) + MAILBOX, -ASLEEP);
}

/** Readies the words of a record whose last agent died asleep. Only for the agent that has just claimed it. */
export function resetSleep(segment: Segment, self: number): void {
  const { words } = segment;
  for (const at of [agentAt(segment, self) + PARK, agentAt(segment, self) + MAILBOX]) {
    if (words.load(at) & ASLEEP) words.add(at, -ASLEEP);
  }
}
