/** Words by which the main thread and the agents talk while the agents compute. Each has one writer at a time; no lock. */
import type { Place } from './guarded-words.js';

/** A point inside a critical section. */
export interface Point {
  readonly lock: string;
  readonly place: Place;
}

/** Those at which `--kill` surely strikes. */
export const points: readonly Point[] = [
  { lock: 'terms', place: 'noted' },
  { lock: 'terms', place: 'half written' },
  { lock: 'totals', place: 'half written' },
  { lock: 'claims', place: 'noted' },
];

const STOP = 0;
/** For each point: 0, WANTED, or the thread that waits there for its end. */
const FIRST_POINT = 1;
const WANTED = -1;
const FIRST_AGENT = FIRST_POINT + points.length;

export function allocateControl(agents: number): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_AGENT + agents) * Int32Array.BYTES_PER_ELEMENT);
}

export class Control {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Asks all agents to begin no more files. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /** Notes which thread does the work of an agent; 0 = none. */
  enter(agent: number, threadId: number): void {
    Atomics.store(this.#words, FIRST_AGENT + agent, threadId);
  }

  threadOf(agent: number): number {
    return Atomics.load(this.#words, FIRST_AGENT + agent);
  }

  /** Has the next agent that comes to that point wait there for its end. */
  wantVictim(point: number): void {
    Atomics.store(this.#words, FIRST_POINT + point, WANTED);
  }

  /** The thread that waits at that point; 0 = none yet. */
  victimAt(point: number): number {
    return Math.max(0, Atomics.load(this.#words, FIRST_POINT + point));
  }

  /** For an agent that has come to a place in its critical section. Does not return if it is to die there. */
  reach(lock: string, place: Place, threadId: number): void {
    for (let i = 0; i < points.length; i++) {
      const at = FIRST_POINT + i;
      const point = points[i]!;
      if (Atomics.load(this.#words, at) !== WANTED || point.place !== place || !lock.startsWith(point.lock)) continue;
      if (Atomics.compareExchange(this.#words, at, WANTED, threadId) === WANTED) Atomics.wait(this.#words, at, threadId);
    }
  }
}
