/** Takes a scenario through all its schedules, by a depth-first search that visits each state once. */
import { Machine } from './machine.js';
import { type Scenario, Violation } from './scenario.js';
import { StateSet } from './state-set.js';
import { KILL, kindOf, threadOf, TIME_OUT } from './transition.js';

export interface Limits {
  /** How often a thread may be interrupted that could go on; no bound unless told. Deaths and time-outs of others are free. */
  readonly maxPreemptions?: number;
  readonly maxStates?: number;
  readonly maxMs?: number;
}

export interface Fault {
  readonly message: string;
  /** Leads `replay` to the fault. */
  readonly schedule: readonly number[];
}

export interface Result {
  readonly scenario: Scenario;
  /** Every schedule within the bound on preemptions was covered. */
  readonly complete: boolean;
  readonly states: number;
  readonly transitions: number;
  /** Schedules that came to an end. */
  readonly ends: number;
  readonly deepest: number;
  /** Points of the bodies that were reached, over all histories. */
  readonly localStates: number;
  readonly ms: number;
  readonly fault?: Fault;
}

const DEFAULT_MAX_STATES = 50_000_000;
const DEFAULT_MAX_MS = 60_000;
/** Transitions between two looks at the clock. */
const CLOCK_MASK = 0xfff;
/** A row for judges to change, below the path. */
const SCRATCH = 0;
const FIRST = 1;

/** Visits every state that the scenario can reach, within limits. */
export function explore(scenario: Scenario, limits: Limits = {}): Result {
  return new Search(scenario, limits).run();
}

class Search {
  readonly #machine: Machine;
  readonly #scenario: Scenario;
  readonly #limits: Limits;
  readonly #seen = new StateSet();
  readonly #hash = new Int32Array(2);
  readonly #startedAt = performance.now();
  /** The transitions of all states on the path, one after another, and for each state: where its own end, and the next to take. */
  readonly #codes: number[] = [];
  readonly #end: number[] = [];
  readonly #next: number[] = [];
  /** For each state on the path: the thread that ran last, whether it can go on, and the preemptions so far. */
  readonly #last: number[] = [];
  readonly #canGoOn: boolean[] = [];
  readonly #preemptions: number[] = [];
  /** The state whose transitions are being taken. */
  #depth = 0;
  #transitions = 0;
  #ends = 0;
  #deepest = 0;

  constructor(scenario: Scenario, limits: Limits) {
    this.#scenario = scenario;
    this.#limits = limits;
    this.#machine = new Machine(scenario);
  }

  run(): Result {
    try {
      this.#machine.start(FIRST);
      this.#visit(FIRST, -1, 0);
      this.#depth = FIRST;
      while (this.#depth >= FIRST) {
        if (this.#isOverLimit()) return this.#result('incomplete');
        const depth = this.#depth;
        if (this.#next[depth] === this.#end[depth]) {
          this.#codes.length = this.#start(depth);
          this.#depth--;
        } else if (this.#advance(depth, this.#codes[this.#next[depth]!++]!)) {
          this.#depth++;
        }
      }
      return this.#result('complete');
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return this.#result('incomplete', { message: error.message, schedule: this.#path() });
    }
  }

  /** Where the transitions of a state on the path begin. */
  #start(depth: number): number {
    return depth === FIRST ? 0 : this.#end[depth - 1]!;
  }

  /** Whether the transition leads to a state that is worth a visit. */
  #advance(depth: number, code: number): boolean {
    let last = this.#last[depth]!;
    let preemptions = this.#preemptions[depth]!;
    if (kindOf(code) < KILL) {
      if (threadOf(code) !== last && this.#canGoOn[depth]) preemptions++;
      last = threadOf(code);
    }
    if (preemptions > (this.#limits.maxPreemptions ?? Infinity)) return false;
    this.#machine.rows.copy(depth, depth + 1);
    this.#transitions++;
    this.#machine.apply(depth + 1, code);
    return this.#visit(depth + 1, last, preemptions);
  }

  #visit(depth: number, last: number, preemptions: number): boolean {
    const isBounded = this.#limits.maxPreemptions !== undefined;
    this.#machine.rows.hash(depth, isBounded ? last + 1 : 0, this.#hash);
    if (!this.#seen.improve(this.#hash[0]!, this.#hash[1]!, isBounded ? preemptions : 0)) return false;
    if (depth > this.#deepest) this.#deepest = depth;
    const start = this.#codes.length;
    const outlook = this.#machine.transitions(depth, this.#codes);
    if (outlook !== 'moves') this.#judge(depth, outlook);
    this.#next[depth] = start;
    this.#end[depth] = this.#codes.length;
    this.#last[depth] = last;
    this.#preemptions[depth] = preemptions;
    this.#canGoOn[depth] = isBounded && this.#hasStepOf(last, start);
    return true;
  }

  #hasStepOf(thread: number, start: number): boolean {
    for (let i = start; i < this.#codes.length; i++) {
      const kind = kindOf(this.#codes[i]!);
      if (threadOf(this.#codes[i]!) === thread && kind < KILL && kind !== TIME_OUT) return true;
    }
    return false;
  }

  #judge(depth: number, outlook: 'only time-outs' | 'nothing'): void {
    if (outlook === 'nothing') this.#ends++;
    const fault = outlook === 'nothing' ? this.#machine.faultAtEnd(depth, SCRATCH) : this.#machine.faultAtRest(depth, SCRATCH);
    if (fault === undefined) return;
    throw new Violation(fault);
  }

  #isOverLimit(): boolean {
    if (this.#seen.size >= (this.#limits.maxStates ?? DEFAULT_MAX_STATES)) return true;
    return (this.#transitions & CLOCK_MASK) === 0 && performance.now() - this.#startedAt > (this.#limits.maxMs ?? DEFAULT_MAX_MS);
  }

  #path(): number[] {
    const path: number[] = [];
    for (let depth = FIRST; depth <= this.#depth; depth++) path.push(this.#codes[this.#next[depth]! - 1]!);
    return path;
  }

  #result(how: 'complete' | 'incomplete', fault?: Fault): Result {
    return {
      scenario: this.#scenario,
      complete: how === 'complete',
      states: this.#seen.size,
      transitions: this.#transitions,
      ends: this.#ends,
      deepest: this.#deepest,
      localStates: this.#machine.locals.all.length,
      ms: performance.now() - this.#startedAt,
      ...(fault && { fault }),
    };
  }
}
