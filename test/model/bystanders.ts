/** Threads of a scenario besides those that acquire: one that cancels all waits, one that closes the lock. */
import type * as parking from '../../src/park/park.js';
import type * as queues from '../../src/raw/queue.js';
import type * as slots from '../../src/raw/slots.js';
import type { Segment } from '../../src/shm/segment.js';
import type { Context, ThreadPlan } from '../harness/scenario.js';
import { firstSlot } from './small-segment.js';

export type Bystander = 'cancels' | 'closes';

interface Modules {
  readonly queue: typeof queues;
  readonly park: typeof parking;
  readonly slots: typeof slots;
}

/** Where the word lies that says that waits are cancelled: after the segment. */
export function cancelWordOf(segment: Segment): number {
  return segment.size;
}

export function bystanders({ queue, park, slots: recovery }: Modules, who: readonly Bystander[] = [], segmentOf: (context: Context) => Segment): ThreadPlan[] {
  const plans: Record<Bystander, ThreadPlan> = {
    cancels: {
      name: 'C',
      body(context) {
        const segment = segmentOf(context);
        segment.words.store(cancelWordOf(segment), 1);
        for (let id = 1; id <= segment.agentLimit; id++) if (queue.isBlocked(segment, id)) park.unpark(segment, id);
      },
    },
    closes: {
      name: 'X',
      body(context) {
        const segment = segmentOf(context);
        recovery.closeSlot(segment, firstSlot(segment));
      },
    },
  };
  return who.map((one) => plans[one]);
}
