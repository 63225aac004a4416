/**
 * Who confirms a cycle of waits and may give up for it.
 *
 * Word. `header.detector`.
 *
 * States. #1 nobody: 0. #2 an agent.
 *
 * Transitions. #1 → #2 `enterDetector`. #2 → #1 `leaveDetector`, by the agent, or by the recoverer of a dead one.
 *
 * Invariants. INV-one: a cycle has one victim. In #2 the agent collects the cycle once more, and withdraws its row before it leaves if
 * the cycle is still there; so the next one to enter finds it open.
 *
 * Order. None needed: who finds a cycle has nothing else to do, and tries again until it has been inside.
 */
import { header } from '../../native-layout/index.js';
import { pause } from '../park/park.js';
import type { Segment } from '../shm/segment.js';

const DETECTOR = header.fields.detector.at;

/** #1 → #2. `false`: another agent was in it a moment ago. */
export function enterDetector(segment: Segment, self: number): boolean {
  const inside = segment.words.compareExchange(segment.header + DETECTOR, 0, self);
  if (inside === 0) return true;
  pause(segment, self);
  segment.patrol(inside);
  return false;
}

/** #2 → #1, if that agent is inside. */
export function leaveDetector(segment: Segment, id: number): void {
  segment.words.compareExchange(segment.header + DETECTOR, id, 0);
}
