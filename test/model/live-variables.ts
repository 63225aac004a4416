/**
 * Where two histories of a round have left the same values in all variables that are still to be read, they count as one. The
 * checker compares some of them, and refuses a claim that is wrong.
 */
import { agent, HANDED, header, OWNER } from '../../native-layout/index.js';
import { agentAt, type Segment } from '../../src/shm/segment.js';
import { OK, TIMED_OUT } from '../harness/model-words.js';
import type { Place, Recorded, Request, ThreadPlan } from '../harness/scenario.js';
import { firstSlot } from './small-segment.js';

const PARK = agent.fields.park.at;
const MAILBOX = agent.fields.mailbox.at;
const TICKET = agent.fields.ticket.at;

/** For the bodies of mutex scenarios. `self`: the agent, or 0 for a thread that is none. */
export function liveVariables(segment: Segment, self: number): NonNullable<ThreadPlan['merge']> {
  const lock = firstSlot(segment);
  const high = segment.header + header.fields.agentHigh.at;
  const parkWord = agentAt(segment, self) + PARK;
  const mailbox = agentAt(segment, self) + MAILBOX;

  /** Of `acquireQueued`: whether it was woken, and whether its time is up. */
  const wakesOf = (history: readonly Recorded[]): string => {
    let wakes = 0;
    let expired = false;
    for (const { request, result } of history) {
      if (request.at !== parkWord) continue;
      if (request.kind === 'add' && request.a === 1) wakes++;
      if (request.kind === 'wait' && result === TIMED_OUT) {
        wakes--;
        expired = true;
      }
    }
    return `${wakes > 0} ${expired}`;
  };

  const last = (history: readonly Recorded[], at: number): number | undefined =>
    history.findLast(({ request }) => request.kind === 'load' && request.at === at)?.result;

  /** What the first row found so far is, and its ticket. */
  const scanOf = (history: readonly Recorded[]): string => {
    const scan = history.slice(history.findLastIndex(({ request }) => request.at === high) + 1);
    let first = 0;
    let oldest = 0;
    for (const { request, result } of scan) {
      const id = Math.floor((request.at - segment.agents) / agent.size);
      if (request.at !== agentAt(segment, id) + TICKET || (first !== 0 && ((result - oldest) | 0) >= 0)) continue;
      first = id;
      oldest = result;
    }
    return `${first} ${oldest}`;
  };

  return (next: Request, history: readonly Recorded[], place: Place): string | undefined => {
    if (!['load', 'add', 'notify'].includes(next.kind)) return undefined;
    const within = new Set(place.map((frame) => frame.slice(0, frame.indexOf(':'))));
    const live: unknown[] = [];
    if (self === 0) live.push(history.find(({ request }) => request.kind === 'exited')?.result);
    if (within.has('leave')) {
      const clear = history.findLastIndex(({ request }) => request.kind === 'store');
      live.push(wakesOf(history), last(history.slice(0, clear), lock), history.findLast(({ request }) => request.kind === 'settled')?.result ?? OK);
    } else if (within.has('acquireQueued')) {
      live.push(wakesOf(history), last(history, parkWord));
    }
    if (within.has('#arm')) live.push(last(history, mailbox));
    if (within.has('heirOf') || within.has('isAwaited') || within.has('recover')) live.push(last(history, lock));
    if (within.has('firstBlocked')) live.push(scanOf(history));
    if (within.has('flowIsBefore')) {
      const ticket = history.findLast(({ request }) => (request.at - TICKET - segment.agents) % agent.size === 0);
      live.push(ticket?.request.at, ticket?.result);
    }
    if (within.has('takeBack')) live.push((history.findLast(({ request }) => request.kind === 'compareExchange' && request.b & HANDED)?.request.b ?? 0) & OWNER);
    return live.join();
  };
}
