import type { Agent } from '../agent/agent.js';
import { Queue, type QueueOptions } from '../locks/queue.js';
import { type Site, siteOf } from '../locks/site.js';
import { REFUSE_INCONSISTENT } from '../raw/mutex.js';
import { ringOf } from '../raw/ring.js';
import { openQueue } from '../registry/registry.js';
import { slotAt } from '../shm/segment.js';

/** The handle of a queue, which is made if there is none. */
export function makeQueue<Item>(agent: Agent, name: string, wanted: QueueOptions, rest: Pick<Site, 'timeoutMs' | 'mayBlock' | 'refusesDeadlock'>): Queue<Item> {
  const { segment } = agent;
  const { items, room } = openQueue(agent, name, wanted);
  const place = { items: slotAt(segment, items), room: slotAt(segment, room), ring: ringOf(segment.words, slotAt(segment, items)) };
  const inconsistent = REFUSE_INCONSISTENT;
  return new Queue<Item>(place, (protocol, side) =>
    siteOf(agent, side === place.items ? items : room, { name, kind: 'queue', mode: 'shared', protocol, inconsistent, spins: true, ...rest }),
  );
}
