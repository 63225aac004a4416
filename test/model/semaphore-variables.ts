/** As live-variables.ts, for the bodies of semaphore scenarios. */
import { agent, cell, CLOSED, header, slot } from '../../native-layout/index.js';
import { agentAt, cellAt, type Segment } from '../../src/shm/segment.js';
import { TIMED_OUT } from '../harness/model-words.js';
import type { Place, Recorded, Request, ThreadPlan } from '../harness/scenario.js';
import { firstSlot } from './small-segment.js';

const { park, mailbox, ticket, wants } = agent.fields;
const { hold } = cell.fields;
const { tickets, late } = slot.fields;
/** The limit of `pause` in src/park. */
export const PAUSE_MS = 1;
/** Limits of time-outs are far beyond that, and of a moment's grace far below. */
const LONG_MS = 1e6;

/** `self`: the agent, or 0 for a thread that is none. */
export function liveInSemaphore(segment: Segment, self: number, cancelWord: number): NonNullable<ThreadPlan['merge']> {
  const lock = firstSlot(segment);
  const high = segment.header + header.fields.agentHigh.at;
  const record = agentAt(segment, self);
  const cells = cellAt(segment, self, 0);
  const own = { park: record + park.at, mailbox: record + mailbox.at, wants: record + wants.at, ticket: record + ticket.at, hold: cells + hold.at, interest: cells };
  const holds = new Set(Array.from({ length: segment.agentLimit }, (_, i) => cellAt(segment, i + 1, 0) + hold.at));

  const isLoad = ({ request }: Recorded, at: number): boolean => request.kind === 'load' && request.at === at;
  const last = (history: readonly Recorded[], at: number): number | undefined => history.findLast((one) => isLoad(one, at))?.result;

  /** Of `acquireQueued`: whether it is queued, has waited in vain for flows, and for too long. */
  const waitOf = (history: readonly Recorded[]): string => {
    let past = false;
    let expired = false;
    for (const { request, result } of history) {
      if (request.kind !== 'wait' || result !== TIMED_OUT || request.b === PAUSE_MS) continue;
      if (request.b > LONG_MS) expired = true;
      else past = true;
    }
    const isQueued = history.some(({ request }) => request.kind === 'store' && request.at === own.wants && request.a !== 0);
    return `${isQueued} ${past} ${expired}`;
  };

  /** The wakes that were counted before the last look: not by `pause`, which sleeps at once. */
  const seenOf = (history: readonly Recorded[], isPausing: boolean): string => {
    const loads = history.flatMap((one, i) => (isLoad(one, own.park) ? [i] : []));
    const isOfPause = (i: number): boolean => (i === history.length - 1 ? isPausing : history[i + 1]!.request.kind === 'add');
    const seen = loads.findLast((i) => !isOfPause(i));
    return `${seen === undefined ? '' : history[seen]!.result} ${isPausing ? history[loads.at(-1) ?? 0]?.result : ''}`;
  };

  /** The first row found so far, and its ticket. */
  const firstOf = (scan: readonly Recorded[]): string => {
    let first = 0;
    let oldest = 0;
    for (const { request, result } of scan) {
      const id = Math.floor((request.at - segment.agents) / agent.size);
      if (request.kind !== 'load' || request.at !== agentAt(segment, id) + ticket.at || (first !== 0 && ((result - oldest) | 0) >= 0)) continue;
      first = id;
      oldest = result;
    }
    return `${first} ${oldest}`;
  };

  const sumOf = (scan: readonly Recorded[]): number => scan.reduce((sum, { request, result }) => sum + (request.kind === 'load' && holds.has(request.at) ? result : 0), 0);

  return (next: Request, history: readonly Recorded[], place: Place): string | undefined => {
    if (!['load', 'add', 'notify'].includes(next.kind)) return undefined;
    // A bundle numbers functions of one name.
    const within = new Set(place.map((frame) => frame.slice(0, frame.indexOf(':')).replace(/\d+$/, '')));
    const scans = history.flatMap((one, i) => (isLoad(one, high) ? [i] : []));
    const scan = history.slice(scans.at(-1) ?? history.length);
    const scanBefore = history.slice(scans.at(-2) ?? history.length, scans.at(-1));
    const live: unknown[] = [];
    if (self === 0) live.push(history.find(({ request }) => request.kind === 'exited')?.result);
    if (within.has('acquireQueued')) live.push(waitOf(history), seenOf(history, within.has('pause')), last(history, cancelWord), (last(history, lock) ?? 0) & CLOSED);
    else if (within.has('pause')) live.push(last(history, own.park));
    if (within.has('#arm')) live.push(last(history, own.mailbox));
    if (within.has('#giveUp')) live.push((last(history, lock) ?? 0) & CLOSED, history.findLast(({ request }) => request.kind === 'settled')?.result);
    const entered = history.findLastIndex(({ request, result }) => request.kind === 'compareExchange' && request.at === lock && result === request.a);
    const section = history.slice(entered + 1);
    const hasTaken = section.some(({ request }) => request.kind === 'store' && request.at === own.hold);
    // What `look` has found, and returns once the section is left.
    live.push(hasTaken, (section.find((one) => isLoad(one, lock))?.result ?? 0) & CLOSED, section.some((one) => isLoad(one, lock + late.at)));
    if (within.has('look')) {
      live.push(last(section, lock));
      live.push(last(section, own.ticket), last(section, own.interest), last(section, lock + tickets.at), last(section, lock + late.at));
    }
    if (within.has('firstBlocked')) live.push(firstOf(scan));
    // About to read how many agents there are, it has yet to begin the next scan.
    else if (within.has('freePermits')) live.push(sumOf(scan), within.has('passOn') && firstOf(next.at === high ? scan : scanBefore));
    else if (within.has('passOn') && !within.has('wakeFlows')) live.push(sumOf(scan), firstOf(scanBefore));
    if (within.has('recover')) live.push(history.findLast(({ request }) => request.kind === 'load' && holds.has(request.at))?.result);
    return live.join();
  };
}
