/** Takes a scenario through random schedules, where it has too many states to visit all. */
import type { Fault, Result } from './explorer.js';
import { Machine } from './machine.js';
import { type Scenario, Violation } from './scenario.js';
import { KILL, kindOf, threadOf, TIME_OUT } from './transition.js';

export interface Sampling {
  readonly maxMs?: number;
  readonly maxSchedules?: number;
  readonly seed?: number;
  /** `'uniform'`: any transition, each time. `'priorities'`: the thread of highest priority; priorities change at a few random moments. */
  readonly strategy?: 'uniform' | 'priorities';
  /** Number of those moments; 3 unless told. */
  readonly changes?: number;
}

const DEFAULT_MAX_MS = 10_000;
const CURRENT = 0;
const START = 1;
const SCRATCH = 2;

export function sample(scenario: Scenario, sampling: Sampling = {}): Result {
  const machine = new Machine(scenario);
  const random = randomFrom(sampling.seed ?? 1);
  const startedAt = performance.now();
  const deadline = startedAt + (sampling.maxMs ?? DEFAULT_MAX_MS);
  let schedules = 0;
  let transitions = 0;
  let deepest = 0;
  let fault: Fault | undefined;
  machine.start(START);
  while (!fault && schedules < (sampling.maxSchedules ?? Infinity) && performance.now() < deadline) {
    const schedule: number[] = [];
    try {
      runOnce(machine, new Chooser(scenario, sampling, random, Math.max(deepest, 10)), schedule);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      fault = { message: error.message, schedule };
    }
    schedules++;
    transitions += schedule.length;
    deepest = Math.max(deepest, schedule.length);
  }
  const localStates = machine.locals.all.length;
  const ms = performance.now() - startedAt;
  return { scenario, complete: false, states: 0, transitions, ends: schedules, deepest, localStates, ms, ...(fault && { fault }) };
}

function runOnce(machine: Machine, chooser: Chooser, schedule: number[]): void {
  machine.rows.copy(START, CURRENT);
  for (;;) {
    const codes: number[] = [];
    const outlook = machine.transitions(CURRENT, codes);
    let fault: string | undefined;
    if (outlook === 'nothing') fault = machine.faultAtEnd(CURRENT, SCRATCH);
    if (outlook === 'only time-outs') fault = machine.faultAtRest(CURRENT, SCRATCH);
    if (fault !== undefined) throw new Violation(fault);
    const code = chooser.pick(codes, schedule.length);
    if (code === undefined) return;
    schedule.push(code);
    machine.apply(CURRENT, code);
  }
}

/** Chooses the transitions of one schedule. */
class Chooser {
  readonly #random: () => number;
  readonly #strategy: 'uniform' | 'priorities';
  readonly #deaths: Set<number>;
  readonly #changes: Set<number>;
  readonly #priorities: number[];

  /** `length`: how long schedules of this scenario are, about. */
  constructor(scenario: Scenario, { strategy = 'uniform', changes = 3 }: Sampling, random: () => number, length: number) {
    this.#random = random;
    this.#strategy = strategy;
    const moments = (count: number): Set<number> => new Set(Array.from({ length: count }, () => Math.floor(random() * length)));
    this.#deaths = moments(scenario.deaths ?? 0);
    this.#changes = moments(changes);
    this.#priorities = scenario.threads.map(() => 1 + random());
  }

  pick(codes: readonly number[], moment: number): number | undefined {
    const deaths = codes.filter((code) => kindOf(code) === KILL);
    if (deaths.length > 0 && this.#deaths.has(moment)) return this.#any(deaths);
    const others = codes.filter((code) => kindOf(code) !== KILL);
    if (others.length === 0) return undefined;
    if (this.#strategy === 'uniform') return this.#any(others);
    // A sleeper of high priority would time out at once, always.
    const moves = others.filter((code) => kindOf(code) !== TIME_OUT || this.#random() < 0.1);
    const candidates = moves.length > 0 ? moves : others;
    const first = candidates.map(threadOf).reduce((best, thread) => (this.#priorities[thread]! > this.#priorities[best]! ? thread : best));
    // Each change puts its thread below all others.
    if (this.#changes.has(moment)) this.#priorities[first] = -moment + this.#random();
    return this.#any(candidates.filter((code) => threadOf(code) === first));
  }

  #any(codes: readonly number[]): number {
    return codes[Math.floor(this.#random() * codes.length)]!;
  }
}

/** Marsaglia's xorshift with 32 bits of state: numbers from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
