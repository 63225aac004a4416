/**
 * Everything that can be seen of a manager, at once. Only loads: nobody is asked, stopped or made to wait.
 *
 * What changes with a row is read before all rows and again after them. Holds, waits and items are each told from the next one by a number that
 * grows, so of a row whose words are the same, and which is not marked `torn`, it was so all the time between. Of an event that resets itself the
 * set and the reset are not numbered: only what it was before and after is compared.
 */
import { agent, cell, slot } from '../../native-layout/index.js';
import type { LockMode } from '../contract/lock.js';
import { findCycles } from '../deadlock/wait-for.js';
import { processId } from '../host/node.js';
import { type Deadlock, readCycle } from '../locks/deadlock.js';
import { readStatus, type SlotStatus, type ThreadStatus } from '../locks/status.js';
import { isLive, threadOf } from '../raw/agents.js';
import { hasFlows, highestAgent, isBlockedOn, ticketOf, ticketOfFlows } from '../raw/queue.js';
import { countOf, hasEnded, POP, PUSH, ringOf, roomOf } from '../raw/ring.js';
import { namedSlots } from '../registry/registry.js';
import { agentAt, cellAt, type Segment, slotAt } from '../shm/segment.js';
import { type BlockingTree, treesOf } from './blocking-trees.js';
import { renderDOT, renderMermaid } from './snapshot-graph.js';
import { renderText } from './snapshot-text.js';
import { type LockStatistics, modesOf, type ModeStatistics, readStatistics } from './statistics.js';

/** What a thread waits for, asleep. */
export interface BlockedOn {
  readonly lock: string;
  readonly kind: string;
  readonly waitedMs: number;
  /** Of an rwlock: for what it waits. */
  readonly mode?: LockMode;
  /** Of a semaphore: how many it waits for. */
  readonly permits?: number;
  /** Of a queue: to pop or to push. */
  readonly wants?: 'item' | 'room';
}

/** A thread at the moment of a snapshot. */
export interface ThreadSnapshot extends ThreadStatus {
  /**
   * `'blocked'`: it waits for a lock, and does nothing else. `'running'`: it does not, whatever else it does. `'ended'`: it has died, and what it
   * held is about to be given back.
   */
  readonly state: 'running' | 'blocked' | 'ended';
  readonly blockedOn?: BlockedOn;
  /** Locks that it holds, blocking or asynchronously. */
  readonly holds: readonly string[];
  /** Locks that asynchronous flows of it wait for. */
  readonly awaits: readonly string[];
  /** It attached, ended, began a wait or ended one while the snapshot was taken. */
  readonly torn?: true;
}

/** What a lock has seen since it was made; see {@link ModeStatistics} for how exact it is. */
export interface LockCounts {
  readonly totalAcquisitions: number;
  /** Which part of them found it taken: 0 to 1. */
  readonly contendedShare: number;
  readonly deadlocks: number;
  readonly ownerDeaths: number;
  /** By mode, those that the kind has: `exclusive`; `permit`; `read` and `write`; `wait`; `push` and `pop`. */
  readonly modes: Partial<LockStatistics['locks']>;
}

/** A lock at the moment of a snapshot. */
export interface LockSnapshot extends SlotStatus {
  readonly name: string;
  readonly kind: string;
  /** For how long those who are blocked on it have been, added up: five threads for one second are five. */
  readonly blockedMs: number;
  /** Threads of which asynchronous flows wait for it. */
  readonly awaitedBy: readonly ThreadStatus[];
  readonly statistics: LockCounts;
  /** It was acquired or released, or a wait for it began or ended, while the snapshot was taken. */
  readonly torn?: true;
}

/** The data of a {@link Snapshot}. */
export interface SnapshotData {
  /** Of the manager; left out if it has none. */
  readonly name?: string;
  readonly processId: number;
  /** When it was taken, ms since the epoch. */
  readonly at: number;
  readonly threads: readonly ThreadSnapshot[];
  /** Those first that most time is lost at now; then those at which most was lost before. */
  readonly locks: readonly LockSnapshot[];
  readonly cycles: readonly Deadlock[];
  /** What threads are blocked by, the cause at the root; most time lost first. */
  readonly trees: readonly BlockingTree[];
}

/**
 * A manager at one moment, made by `manager.snapshot()`: plain data, which `structuredClone` and `JSON.stringify` keep, and ways to draw it.
 * Does not change when the locks do.
 */
export class Snapshot implements SnapshotData {
  declare readonly name?: string;
  declare readonly processId: number;
  declare readonly at: number;
  declare readonly threads: readonly ThreadSnapshot[];
  declare readonly locks: readonly LockSnapshot[];
  declare readonly cycles: readonly Deadlock[];
  declare readonly trees: readonly BlockingTree[];

  /** @internal */
  constructor(data: SnapshotData) {
    Object.assign(this, data);
  }

  /** Threads, and locks that are held or waited for, in the language of Graphviz. Edges of a deadlock are red. */
  toDOT(): string {
    return renderDOT(this);
  }

  /** The same as a flow chart of Mermaid. */
  toMermaid(): string {
    return renderMermaid(this);
  }

  /** As `console.log` shows it: threads, a table of locks, deadlocks, and who blocks whom. */
  toString(): string {
    return renderText(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** Takes a snapshot; `name`: of the manager. */
export function readSnapshot(segment: Segment, name: string | undefined): Snapshot {
  const agents = Array.from({ length: highestAgent(segment) }, (_, i) => i + 1);
  const slots = [...namedSlots(segment)];
  // Before the rows that they speak for.
  const agentsBefore = agents.map((id) => agentEvidence(segment, id));
  const slotsBefore = slots.map(({ slotNumber }) => slotEvidence(segment, slotNumber));
  const threads = agents.map((id) => ({ id, threadId: threadOf(segment, id), isEnded: !isLive(segment, id) })).filter(({ threadId }) => threadId >= 0);
  const rows = slots.map((one) => readLock(segment, one));
  const cycles = findCycles(segment).map((cycle) => readCycle(segment, cycle));
  const torn = { torn: true } as const;
  const locks = rows.map((row, i) => ({ ...row, ...(!isSame(slotsBefore[i]!, slotEvidence(segment, slots[i]!.slotNumber)) && torn) }));
  const found = threads.map(({ id, threadId, isEnded }) => ({
    ...describeThread(threadId, isEnded, locks),
    ...(!isSame(agentsBefore[id - 1]!, agentEvidence(segment, id)) && torn),
  }));
  found.sort((a, b) => a.threadId - b.threadId);
  locks.sort((a, b) => b.blockedMs - a.blockedMs || lostBefore(b) - lostBefore(a) || (a.name < b.name ? -1 : 1));
  return new Snapshot({ ...(name !== undefined && { name }), processId, at: Date.now(), threads: found, locks, cycles, trees: treesOf(locks, found, cycles) });
}

function readLock(segment: Segment, { slotNumber, name, kind: { kind } }: { readonly slotNumber: number; readonly name: string; readonly kind: { readonly kind: keyof typeof modesOf } }): LockSnapshot {
  const status = readStatus(segment, slotNumber);
  // A thread that has left meanwhile is −1.
  const isThere = ({ threadId }: ThreadStatus): boolean => threadId >= 0;
  const waiters = status.waiters.filter(isThere);
  const awaitedBy: ThreadStatus[] = [];
  for (let id = 1; id <= highestAgent(segment); id++) {
    if (slotsOf(segment, slotNumber).some((at) => hasFlows(segment, at, id))) awaitedBy.push({ threadId: threadOf(segment, id) });
  }
  const blockedMs = waiters.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
  const { locks, deadlocks, ownerDeaths } = readStatistics(segment, slotNumber);
  const modes = Object.fromEntries(modesOf[kind].map((mode) => [mode, locks[mode]])) as Partial<LockStatistics['locks']>;
  const counts = Object.values(modes);
  const totalAcquisitions = sumOf(counts, 'totalAcquisitions');
  // The one is written a moment before the other.
  const contendedShare = totalAcquisitions === 0 ? 0 : Math.min(1, sumOf(counts, 'contendedAcquisitions') / totalAcquisitions);
  const statistics = { totalAcquisitions, contendedShare, deadlocks, ownerDeaths, modes };
  return { name, kind, ...status, holders: status.holders.filter(isThere), waiters, blockedMs, awaitedBy: awaitedBy.filter(isThere), statistics };
}

function sumOf(modes: readonly ModeStatistics[], what: 'totalAcquisitions' | 'contendedAcquisitions' | 'totalWaitTimeMs'): number {
  return modes.reduce((sum, mode) => sum + mode[what], 0);
}

function lostBefore({ statistics }: LockSnapshot): number {
  return sumOf(Object.values(statistics.modes), 'totalWaitTimeMs');
}

/** What the locks say of a thread, so that both agree. */
function describeThread(threadId: number, isEnded: boolean, locks: readonly LockSnapshot[]): ThreadSnapshot {
  const isIt = (one: ThreadStatus): boolean => one.threadId === threadId;
  const holds = locks.filter(({ holders }) => holders.some(isIt)).map(({ name }) => name);
  const awaits = locks.filter(({ awaitedBy }) => awaitedBy.some(isIt)).map(({ name }) => name);
  const waits = locks.flatMap(({ name, kind, waiters }) => waiters.filter(isIt).map(({ threadId: _, ...wait }) => ({ lock: name, kind, ...wait })));
  // One that has moved on while the locks were read may show at two of them: it is at the later one.
  const [blockedOn] = waits.sort((a, b) => a.waitedMs - b.waitedMs);
  return { threadId, state: isEnded ? 'ended' : blockedOn === undefined ? 'running' : 'blocked', ...(blockedOn && { blockedOn }), holds, awaits };
}

/** Whatever changes when an agent attaches, ends, begins a wait or ends one. */
function agentEvidence(segment: Segment, id: number): number[] {
  const at = agentAt(segment, id);
  return [agent.fields.claim.at, agent.fields.generation.at, agent.fields.wants.at, agent.fields.ticket.at].map((field) => segment.words.load(at + field));
}

/** Whatever changes when a lock is acquired or released, or a wait for it begins or ends. */
function slotEvidence(segment: Segment, slotNumber: number): number[] {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const evidence = [words.load(at + slot.fields.word.at), words.loadNumber(at + slot.fields.token.at), words.load(at + slot.fields.tally.at)];
  const ring = ringOf(words, at);
  if (ring !== 0) {
    const queue = { items: at, room: roomOf(segment, ring), ring };
    evidence.push(countOf(words, queue, POP), countOf(words, queue, PUSH), hasEnded(words, ring) ? 1 : 0);
  }
  const slots = slotsOf(segment, slotNumber);
  for (let id = 1; id <= highestAgent(segment); id++) {
    evidence.push(words.load(cellAt(segment, id, slotNumber) + cell.fields.hold.at));
    for (const one of slots) evidence.push(ticketOfFlows(segment, one, id), isBlockedOn(segment, one, id) ? ticketOf(segment, id) : 0);
  }
  return evidence;
}

/** Where those stand who wait for it: those who push to a queue have a slot of their own. */
function slotsOf(segment: Segment, slotNumber: number): number[] {
  const at = slotAt(segment, slotNumber);
  const ring = ringOf(segment.words, at);
  return ring === 0 ? [at] : [at, roomOf(segment, ring)];
}

/** Records that have come into use since were all 0 before. */
function isSame(before: readonly number[], now: readonly number[]): boolean {
  return now.every((value, i) => value === (before[i] ?? 0));
}
