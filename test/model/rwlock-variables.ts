/** As live-variables.ts, for the bodies of rwlock scenarios that block, or only try. */
import { agent, CLOSED, DIED, DRAINING, EXCLUSIVE, header, OWNER, UPGRADABLE } from '../../native-layout/index.js';
import { agentAt, type Segment } from '../../src/shm/segment.js';
import { TIMED_OUT } from '../harness/model-words.js';
import type { Place, Recorded, Request, ThreadPlan } from '../harness/scenario.js';
import { firstSlot } from './small-segment.js';

const { park, ticket, wants, amount } = agent.fields;
/** What a wake adds to a parking word. */
const ONE_WAKE = 2;

/** Where the last value of the lock word is still to be read. */
const HAS_WORD = ['release', 'leave', 'wakeDrainer', 'askShared', 'askExclusive', 'claim', 'drain', 'beginUpgrade', 'endUpgrade', 'declareConsistent', 'recover', 'recoverSlot', 'close'];

/** `self`: the agent, or 0 for a thread that is none. */
export function liveInRwlock(segment: Segment, self: number, cancelWord: number): NonNullable<ThreadPlan['merge']> {
  const lock = firstSlot(segment);
  const high = segment.header + header.fields.agentHigh.at;
  const record = agentAt(segment, self);
  const own = { park: record + park.at, wants: record + wants.at, ticket: record + ticket.at };
  const parks = new Set(Array.from({ length: segment.agentLimit }, (_, i) => agentAt(segment, i + 1) + park.at));

  const isLoad = ({ request }: Recorded, at: number): boolean => request.kind === 'load' && request.at === at;
  const last = (history: readonly Recorded[], at: number): number | undefined => history.findLast((one) => isLoad(one, at))?.result;
  const fieldOf = (at: number): { readonly id: number; readonly offset: number } => {
    const id = Math.floor((at - segment.agents) / agent.size);
    return { id, offset: at - agentAt(segment, id) };
  };
  const isTicket = (at: number): boolean => fieldOf(at).id <= segment.agentLimit && fieldOf(at).offset === ticket.at;

  /** Whether the present wait has timed out: where the drain begins, nothing has, whatever the claim before it has seen. */
  const isExpired = (history: readonly Recorded[], isClaiming: boolean): boolean => {
    const begun = isClaiming ? -1 : history.findLastIndex(({ request }) => request.kind === 'compareExchange' && (request.b & DRAINING) !== 0);
    return history.slice(begun + 1).some(({ request, result }) => request.kind === 'wait' && result === TIMED_OUT);
  };

  /** What the lock word has told since this look began; up to the end of the wait, if that is over. */
  const toldOf = (history: readonly Recorded[]): string => {
    const cleared = history.findLastIndex(({ request }) => request.kind === 'store' && request.at === own.wants && request.a === 0);
    const queued = history.findLastIndex(({ request }) => request.kind === 'store' && request.at === own.wants && request.a !== 0);
    const until = cleared > queued ? cleared : history.length;
    const isStart = ({ request }: Recorded): boolean =>
      (request.kind === 'load' && request.at === own.park) ||
      (request.at === lock && (request.kind === 'claim' || (request.kind === 'compareExchange' && (request.b & DRAINING) !== 0)));
    const look = history.slice(0, until);
    return look.slice(look.findLastIndex(isStart) + 1).filter((one) => isLoad(one, lock)).map(({ result }) => outcomeOf(result)).join('');
  };

  /** Of `wakeTurn`: the first in the queue that is to be alone, and whether a reader was woken. */
  const turnOf = (history: readonly Recorded[], isFinding: boolean): string => {
    const start = history.findLastIndex((one, i) => i > 0 && isLoad(one, high) && isLoad(history[i - 1]!, high));
    let first = 0;
    let scans = 0;
    let woken = false;
    const scan = history.slice(start + 1);
    for (const [i, { request, result }] of scan.entries()) {
      const { id, offset } = fieldOf(request.at);
      if (request.kind === 'load' && id === 1 && offset === wants.at) scans++;
      if (scans > 1 && !isFinding && request.kind === 'add' && parks.has(request.at) && request.a === ONE_WAKE) woken = true;
      if (scans > 1 || request.kind !== 'load' || id > segment.agentLimit) continue;
      if (offset === amount.at && result === EXCLUSIVE && first === 0) first = id;
      // The tickets of a later one and of the first, compared.
      const before = scan[i - 1];
      if (offset === ticket.at && before !== undefined && isTicket(before.request.at) && id === first && ((before.result - result) | 0) < 0) first = fieldOf(before.request.at).id;
    }
    return `${first} ${woken}`;
  };

  return (next: Request, history: readonly Recorded[], place: Place): string | undefined => {
    if (!['load', 'add', 'notify'].includes(next.kind)) return undefined;
    // A bundle numbers functions of one name.
    const within = new Set(place.map((frame) => frame.slice(0, frame.indexOf(':')).replace(/\d+$/, '')));
    const isIn = (...names: readonly string[]): boolean => names.some((name) => within.has(name));
    const previous = history.at(-1);
    const live: unknown[] = [];
    if (self === 0) live.push(history.find(({ request }) => request.kind === 'exited')?.result);
    // At the head of a loop, and asleep, nothing is remembered of the look before.
    if (next.at !== own.park && !isIn('releaseRead')) live.push(toldOf(history), last(history, cancelWord));
    if (isIn('#useUpgradable', '#useDowngrade')) live.push(history.findLast(({ request }) => request.kind === 'ghostGet' && request.name === 'writes')?.result);
    if (isIn('awaitClaim', 'awaitDrain', 'acquireReadQueued', 'acquireExclusiveQueued', 'upgradeQueued')) live.push(isExpired(history, isIn('awaitClaim', 'acquireReadQueued')));
    if (isIn('awaitClaim', 'awaitDrain', 'acquireReadQueued') && !(next.kind === 'load' && next.at === own.park)) live.push(last(history, own.park));
    if (isIn('awaitClaim')) live.push(last(history, own.ticket));
    if (isIn(...HAS_WORD) && !isIn('wakeTurn', 'wakeAll') && next.at !== lock) live.push(last(history, lock));
    if (isIn('wakeTurn') && !isIn('wakeFlows') && next.at !== high) live.push(turnOf(history, isIn('firstExclusive')));
    if (isTicket(next.at) && previous !== undefined && isTicket(previous.request.at)) live.push(previous.result);
    return live.join();
  };
}

function outcomeOf(word: number): string {
  if (word & CLOSED) return 'c';
  const died = word & DIED ? 'd' : '';
  return (word & OWNER) === 0 ? `f${died}` : word & UPGRADABLE ? `u${died}` : 'o';
}
