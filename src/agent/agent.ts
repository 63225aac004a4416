/** What one thread is in one segment: its record there, and what it knows about its own holds. */
import { agent, header, mask } from '../../native-layout/index.js';
import { LockError } from '../contract/errors.js';
import { hasEnded, hearsEndOf, inherited, kernelThread, leaveForWorkers, onThreadEnd, threadId } from '../host/node.js';
import { claimAgent, isLive, leaveSegment, markIfGone, markThread, recoverDead, threadOf } from '../raw/agents.js';
import { agentAt, placeRegions, type Segment } from '../shm/segment.js';
import { readOptions } from '../shm/header.js';
import type { SharedWords } from '../shm/words.js';
import { Mailbox } from './mailbox.js';

const at = agent.fields;
const RECOVERER = mask(header.fields.recoverer.bits.agent);

/** About what a sleep and a wake cost the sleeper's processor; `bench` shows throughput over this. */
const SPIN_MS = 0.01;
/** A waiter that is woken in vain after so long has the lock handed over: see the fairness figures of `bench`. */
const PATIENCE_MS = 0.5;
/** Who is in a section for so many milliseconds is dead, or stopped; arbitrary. */
const ENTRY_TRIES = 100;
/** A blocked thread looks this often whether the owner still lives: its death may be noticed by nobody else. */
const PATROL_MS = 50;

/** How this thread holds one slot, where the lock word only says that it does. */
export interface Hold {
  /** Guards not yet released, of whichever form. Of an rwlock: what reads, `pairs` included. */
  guards: number;
  /** Those of them that are asynchronous. */
  flows: number;
  /** Of a reentrant lock, and of reads: `lock()` calls not yet undone. Others have no need to count: it is one if the word says so. */
  pairs: number;
  /** Of an rwlock: whether a flow has the word, and whether one that has it still waits for the readers. */
  flow: 'none' | 'drains' | 'owns';
}

/** What a thread leaves for the workers that it makes. */
interface Parent {
  readonly id: number;
  readonly generation: number;
}

export class Agent {
  readonly segment: Segment;
  readonly id: number;
  readonly mailbox: Mailbox;
  readonly #holds = new Map<number, Hold>();
  readonly #stopListening: () => void;
  readonly #parentKey: string;
  readonly #parent: Parent | undefined;

  /** Joins the segment at `start`; `key` identifies it in this process. */
  constructor(words: SharedWords, start: number, key: string) {
    const { agentLimit, slotLimit, heapBytes } = readOptions(words, start);
    const segment: Segment = {
      words,
      header: start,
      agentLimit,
      slotLimit,
      ...placeRegions(start, { agentLimit, slotLimit, heapBytes }),
      spinMs: SPIN_MS,
      entryTries: ENTRY_TRIES,
      patienceMs: PATIENCE_MS,
      patrolMs: PATROL_MS,
      patrol: (owner) => this.#patrol(owner),
    };
    this.segment = segment;
    this.#parentKey = `holdfast.parent:${key}`;
    this.#parent = inherited(this.#parentKey) as Parent | undefined;
    this.id = this.#claim();
    leaveForWorkers(this.#parentKey, { id: this.id, generation: words.load(agentAt(segment, this.id) + at.generation.at) });
    this.mailbox = new Mailbox(segment, this.id);
    this.#stopListening = onThreadEnd((ended) => this.#onThreadEnd(ended));
  }

  /** What this thread holds of a slot; one object for all handles of that lock in this thread. */
  holdOf(slotNumber: number): Hold {
    let hold = this.#holds.get(slotNumber);
    if (hold === undefined) this.#holds.set(slotNumber, (hold = { guards: 0, flows: 0, pairs: 0, flow: 'none' }));
    return hold;
  }

  /** Recovers whatever a thread that has ended held here, and what its descendants held. */
  #onThreadEnd(ended: number): void {
    markThread(this.segment, ended);
    recoverDead(this.segment, this.id, Date.now());
    this.#markGone('unheard');
    recoverDead(this.segment, this.id, Date.now());
  }

  /** Recovers after all threads that the system shows to have ended, for one who blocks the event loop that would hear of it. */
  lookForDead(): void {
    this.#markGone('all');
    recoverDead(this.segment, this.id, Date.now());
  }

  /** Leaves the segment: as if the thread had ended, but that it lives on. */
  async detach(): Promise<void> {
    this.mailbox.close();
    leaveForWorkers(this.#parentKey, this.#parent);
    while (!leaveSegment(this.segment, this.id, Date.now())) {
      // A recovery takes well under a millisecond; but if the recoverer has died, this event loop may be the one to hear of it.
      this.#markGone('all');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#stopListening();
  }

  #claim(): number {
    const { segment } = this;
    const kernel = kernelThread();
    const id = claimAgent(segment, threadId, {
      parent: this.#parent?.id ?? 0,
      parentGeneration: this.#parent?.generation ?? 0,
      kernelThread: kernel?.id ?? 0,
      kernelStart: kernel?.start ?? 0,
    });
    if (id !== 0) return id;
    throw new LockError(
      'ERR_LOCK_AGENTS_FULL',
      `no room for another thread: ${segment.agentLimit} are attached, or have ended unnoticed\n  hint: LockManager.create({ capacity: { agents: ${segment.agentLimit * 2} } })`,
      { agents: segment.agentLimit },
    );
  }

  #patrol(owner: number): void {
    if (owner === 0 || owner === this.id) return;
    markIfGone(this.segment, owner, hasEnded);
    // A recoverer that has died unheard would keep everybody waiting.
    const { words, header: start } = this.segment;
    const recoverer = words.load(start + header.fields.recoverer.at) & RECOVERER;
    if (recoverer !== 0 && recoverer !== this.id) markIfGone(this.segment, recoverer, hasEnded);
    recoverDead(this.segment, this.id, Date.now());
  }

  /** The end of a worker's worker reaches nobody once its parent is gone. Each look takes some ten microseconds. */
  #markGone(whom: 'unheard' | 'all'): void {
    const high = this.segment.words.load(this.segment.header + header.fields.agentHigh.at);
    for (let id = 1; id <= high; id++) {
      if (id === this.id || !isLive(this.segment, id)) continue;
      if (whom === 'all' || !hearsEndOf(threadOf(this.segment, id))) markIfGone(this.segment, id, hasEnded);
    }
  }
}
