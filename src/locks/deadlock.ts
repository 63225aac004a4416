/** Cycles of threads that wait for each other, as users see them. */
import { agent } from '../../native-layout/index.js';
import { now } from '../contract/clock.js';
import { type DeadlockEdge, LockError } from '../contract/errors.js';
import { threadOf } from '../raw/agents.js';
import type { Edge } from '../deadlock/wait-for.js';
import { nameOf } from '../registry/names.js';
import { kindOf } from '../registry/registry.js';
import { agentAt, type Segment } from '../shm/segment.js';
import { compose, count, duration, type Refused, reportOf, title, who } from './refusals.js';

/** A cycle of threads that wait for each other. */
export interface Deadlock {
  readonly cycle: readonly DeadlockEdge[];
}

/** More threads than that are counted, not named. */
const MOST_NAMED = 10;

type Within = (...args: never[]) => unknown;

/** A cycle that was found, with names and times. */
export function readCycle(segment: Segment, cycle: readonly Edge[]): Deadlock {
  return {
    cycle: cycle.map(({ id, slotNumber }, i) => ({
      threadId: threadOf(segment, id),
      waitsFor: nameOf(segment, slotNumber),
      kind: kindOf(segment, slotNumber).kind,
      waitedMs: Math.max(0, now() - segment.words.loadNumber(agentAt(segment, id) + agent.fields.wantsSince.at)),
      holds: nameOf(segment, cycle.at(i - 1)!.slotNumber),
    })),
  };
}

/** A cycle in one line. */
export function circleOf(cycle: readonly DeadlockEdge[]): string {
  const named = cycle.slice(0, MOST_NAMED).map((edge) => `${who(edge)} → "${edge.waitsFor}"`);
  const left = cycle.length - named.length;
  return [...named, ...(left > 0 ? [`${left} more threads`] : []), who(cycle[0]!)].join(' → ');
}

/** The refusal of a wait that would have closed a cycle, in which the calling thread is the first; counted. */
export function deadlocked(lock: Refused, edges: readonly Edge[], waitedMs: number, within: Within): LockError {
  count(lock, 'deadlocks');
  const { cycle } = readCycle(lock.segment, edges);
  const named = cycle.slice(0, MOST_NAMED);
  const held = cycle[0]!.holds;
  const lines = [
    `deadlock: ${circleOf(cycle)}`,
    ...named.map((edge, i) => `${who(edge)} holds "${edge.holds}", waits for "${edge.waitsFor}" (${edge.kind})${i === 0 ? '' : `, ${duration(edge.waitedMs)} so far`}`),
    `refused  ${who(cycle[0]!)}, this thread: ${title(lock)} was NOT acquired; "${held}" is still held`,
  ];
  const hint = `release what is held and try again; or take the locks in one order everywhere, as lockAll([…], fn) does`;
  return new LockError('ERR_LOCK_DEADLOCK', compose(lines, hint), { ...reportOf(lock), waitedMs, cycle: named, threads: cycle.length, held, hint }, within);
}
