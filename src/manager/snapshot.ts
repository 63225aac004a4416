/**
 * Everything that can be seen of a manager, at once. Only loads: nobody is asked, stopped or made to wait.
 *
 * All is read twice. Acquisitions, waits and items are numbered, so of a row that is the same both times, with the same numbers, it was so all the
 * time between, and all rows that are not marked `torn` were so at one moment. Not numbered, and so missed, if all of it falls between: that an
 * event which resets itself is set and reset; a wait, if its thread had drawn its number and not yet begun.
 */
import { agent, cell, slot } from '../../native-layout/index.js';
import type { LockMode } from '../contract/lock.js';
import { findCycles } from '../deadlock/wait-for.js';
import { processId } from '../host/node.js';
import { type Deadlock, readCycle } from '../locks/deadlock.js';
import { readStatus, type SlotStatus, type ThreadStatus } from '../locks/status.js';
import { isLive, threadOf } from '../raw/agents.js';
import { hasFlows, highestAgent, ticketOf } from '../raw/queue.js';
import { ringOf, roomOf } from '../raw/ring.js';
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

/** What of a lock is so at a moment. */
type LockState = SlotStatus & Pick<LockSnapshot, 'awaitedBy'>;

type NamedSlot = ReturnType<typeof namedSlots> extends Generator<infer One> ? One : never;

/** Takes a snapshot; `name`: of the manager. */
export function readSnapshot(segment: Segment, name: string | undefined): Snapshot {
  const slots = [...namedSlots(segment)];
  const agents = Array.from({ length: highestAgent(segment) }, (_, i) => i + 1).filter((id) => threadOf(segment, id) >= 0);
  // Numbers before what they number, and below after it: if they are the same, nothing was numbered between.
  const rowsBefore = agents.map((id) => [...readAgentNumbers(segment, id), ...readRow(segment, id)]);
  const threads = agents.map((id) => ({ threadId: threadOf(segment, id), isEnded: !isLive(segment, id) }));
  const numbersBefore = slots.map((one) => readNumbers(segment, one));
  const states = slots.map((one) => readState(segment, one));
  const counts = slots.map((one) => readCounts(segment, one));
  const cycles = findCycles(segment).map((cycle) => readCycle(segment, cycle));
  const locks = slots.map((one, i): LockSnapshot => {
    const isStill = withoutTimes(readState(segment, one)) === withoutTimes(states[i]!) && isSame(numbersBefore[i]!, readNumbers(segment, one));
    const blockedMs = states[i]!.waiters.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
    return { name: one.name, kind: one.kind.kind, ...states[i]!, blockedMs, statistics: counts[i]!, ...(!isStill && { torn: true }) };
  });
  const found = agents.map((id, i): ThreadSnapshot => {
    const row = readRow(segment, id);
    const thread = describeThread(threads[i]!, locks);
    const isStill = isSame(rowsBefore[i]!, [...readAgentNumbers(segment, id), ...row]) && (thread.blockedOn !== undefined) === (row[1] !== 0);
    return { ...thread, ...(!isStill && { torn: true }) };
  });
  found.sort((a, b) => a.threadId - b.threadId);
  locks.sort((a, b) => b.blockedMs - a.blockedMs || lostBefore(b) - lostBefore(a) || (a.name < b.name ? -1 : 1));
  return new Snapshot({ ...(name !== undefined && { name }), processId, at: Date.now(), threads: found, locks, cycles, trees: treesOf(locks, found, cycles) });
}

function readState(segment: Segment, { slotNumber }: NamedSlot): LockState {
  const status = readStatus(segment, slotNumber);
  const slots = slotsOf(segment, slotNumber);
  const awaitedBy: ThreadStatus[] = [];
  for (let id = 1; id <= highestAgent(segment); id++) {
    if (slots.some((at) => hasFlows(segment, at, id))) awaitedBy.push({ threadId: threadOf(segment, id) });
  }
  // A thread that has left meanwhile is −1.
  const isThere = ({ threadId }: ThreadStatus): boolean => threadId >= 0;
  return { ...status, holders: status.holders.filter(isThere), waiters: status.waiters.filter(isThere), awaitedBy: awaitedBy.filter(isThere) };
}

function readCounts(segment: Segment, { slotNumber, kind }: NamedSlot): LockCounts {
  const { locks, deadlocks, ownerDeaths } = readStatistics(segment, slotNumber);
  const modes = Object.fromEntries(modesOf[kind.kind].map((mode) => [mode, locks[mode]])) as Partial<LockStatistics['locks']>;
  const counts = Object.values(modes);
  const totalAcquisitions = sumOf(counts, 'totalAcquisitions');
  // The one is written a moment before the other.
  const contendedShare = totalAcquisitions === 0 ? 0 : Math.min(1, sumOf(counts, 'contendedAcquisitions') / totalAcquisitions);
  return { totalAcquisitions, contendedShare, deadlocks, ownerDeaths, modes };
}

function sumOf(modes: readonly ModeStatistics[], what: 'totalAcquisitions' | 'contendedAcquisitions' | 'totalWaitTimeMs'): number {
  return modes.reduce((sum, mode) => sum + mode[what], 0);
}

function lostBefore({ statistics }: LockSnapshot): number {
  return sumOf(Object.values(statistics.modes), 'totalWaitTimeMs');
}

/** What the locks say of a thread, so that both agree. */
function describeThread({ threadId, isEnded }: { readonly threadId: number; readonly isEnded: boolean }, locks: readonly LockSnapshot[]): ThreadSnapshot {
  const isIt = (one: ThreadStatus): boolean => one.threadId === threadId;
  const holds = locks.filter(({ holders }) => holders.some(isIt)).map(({ name }) => name);
  const awaits = locks.filter(({ awaitedBy }) => awaitedBy.some(isIt)).map(({ name }) => name);
  const waits = locks.flatMap(({ name, kind, waiters }) => waiters.filter(isIt).map(({ threadId: _, ...wait }) => ({ lock: name, kind, ...wait })));
  // One that has moved on while the locks were read may show at two of them: it is at the later one.
  const [blockedOn] = waits.sort((a, b) => a.waitedMs - b.waitedMs);
  return { threadId, state: isEnded ? 'ended' : blockedOn === undefined ? 'running' : 'blocked', ...(blockedOn && { blockedOn }), holds, awaits };
}

/** How often a record was used, and the last wait of its thread. */
function readAgentNumbers(segment: Segment, id: number): number[] {
  return [segment.words.load(agentAt(segment, id) + agent.fields.generation.at), ticketOf(segment, id)];
}

/** Who uses a record, and what its thread is blocked on. */
function readRow(segment: Segment, id: number): [claim: number, wants: number] {
  return [segment.words.load(agentAt(segment, id) + agent.fields.claim.at), segment.words.load(agentAt(segment, id) + agent.fields.wants.at)];
}

/** Numbers of acquisitions, of waits, of shared holds and of items. */
function readNumbers(segment: Segment, { slotNumber }: NamedSlot): number[] {
  const { words } = segment;
  const at = slotAt(segment, slotNumber);
  const slots = slotsOf(segment, slotNumber);
  const numbers = [words.load(at + slot.fields.tally.at), ...slots.flatMap((one) => [words.loadNumber(one + slot.fields.token.at), words.load(one + slot.fields.tickets.at)])];
  for (let id = 1; id <= highestAgent(segment); id++) numbers.push(words.load(cellAt(segment, id, slotNumber) + cell.fields.hold.at));
  return numbers;
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

function withoutTimes(state: LockState): string {
  const { holders, waiters, ...rest } = state;
  const still = { ...rest, holders: holders.map(({ heldForMs: _, heldSinceKnown: __, ...holder }) => holder), waiters: waiters.map(({ waitedMs: _, ...waiter }) => waiter) };
  return JSON.stringify(still);
}
