/** The system of virtual threads, memory and wait list: which transitions a state has, and what each does. */
import { type LocalState, LocalStates } from './local-states.js';
import { Memory } from './memory.js';
import { NOT_EQUAL, OK, TIMED_OUT, undisturbedWords } from './model-words.js';
import { HASH_SIZE, Rows } from './rows.js';
import { type Ghosts, type Request, type Scenario, Violation } from './scenario.js';
import { encode, GONE, KILL, kindOf, outcomeOf, SPURIOUS, STEP, threadOf, TIME_OUT, WOKEN } from './transition.js';
import { WaitList } from './wait-list.js';

// The status of a thread.
const RUNNING = 0;
const ASLEEP = 1;
/** Killed: it runs no more, but its entries are still in the wait list and nobody has been told. */
const DEAD = 2;
const EXITED = 3;
const DONE = 4;

// The fixed part of a row: counters, then the threads, then the wait list.
const DEATHS = HASH_SIZE;
const SPURIOUS_WAKES = HASH_SIZE + 1;
const TIMEOUTS = HASH_SIZE + 2;
const THREADS = HASH_SIZE + 3;
const THREAD_SIZE = 4;
/** Number of the local state. */
const LOCAL = 0;
const STATUS = 1;
const LIFE = 2;
/** Ends that the thread has not heard of: bit `life * threads + thread`. */
const UNHEARD = 3;

/** What can happen next besides deaths and spurious wakes. */
export type Outlook = 'moves' | 'only time-outs' | 'nothing';

export class Machine {
  readonly scenario: Scenario;
  readonly rows: Rows;
  readonly locals: LocalStates;
  readonly #threads: number;
  readonly #list: WaitList;
  readonly #memory: Memory;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.#threads = scenario.threads.length;
    const asyncWaits = scenario.asyncWaits ?? 1;
    const listAt = THREADS + this.#threads * THREAD_SIZE;
    this.rows = new Rows(listAt + WaitList.sizeFor(this.#threads, asyncWaits), scenario.normalise);
    this.#list = new WaitList(this.rows, listAt, this.#threads, asyncWaits);
    this.#memory = new Memory(scenario, this.rows, this.#list, (row, thread) => this.status(row, thread) === EXITED);
    this.locals = new LocalStates(scenario, (state) => this.#memory.place(state));
  }

  /** Makes a fresh row the state before the first step. */
  start(row: number): void {
    this.scenario.setup?.(this.#wordsOf(row));
    for (let thread = 0; thread < this.#threads; thread++) this.#enter(row, thread, this.locals.root(thread, 0, 0, 0));
  }

  /** Appends the transitions of a row to `codes`. */
  transitions(row: number, codes: number[]): Outlook {
    let outlook: Outlook = 'nothing';
    const first = codes.length;
    for (let thread = 0; thread < this.#threads; thread++) {
      const found = this.#transitionsOf(row, thread, codes);
      if (found === 'choice') {
        // It belongs to the step before, so nobody comes between.
        codes.splice(first, codes.length - first);
        const { a: outcomes } = this.localState(row, thread).request;
        for (let outcome = 0; outcome < outcomes; outcome++) codes.push(encode(STEP, thread, outcome));
        return 'moves';
      }
      if (found === 'moves' || outlook === 'nothing') outlook = found;
    }
    if (this.rows.get(row, DEATHS) < (this.scenario.deaths ?? 0)) {
      for (let thread = 0; thread < this.#threads; thread++) {
        const isAlive = this.status(row, thread) === RUNNING || this.status(row, thread) === ASLEEP;
        if (this.scenario.threads[thread]!.mortal && isAlive) codes.push(encode(KILL, thread));
      }
    }
    return outlook;
  }

  #transitionsOf(row: number, thread: number, codes: number[]): Outlook | 'choice' {
    const status = this.status(row, thread);
    if (status === DONE || status === EXITED) return 'nothing';
    if (status === DEAD) {
      codes.push(encode(GONE, thread));
      return 'moves';
    }
    const { request } = this.localState(row, thread);
    if (status === ASLEEP) return this.#wakesOf(row, thread, request, this.#list.entry(thread, 0), WOKEN, codes);
    switch (request.kind) {
      case 'choose':
        return 'choice';
      case 'stuck':
        return 'nothing';
      case 'settled':
        return this.#wakesOf(row, thread, request, this.#list.entry(thread, request.at), STEP, codes);
      case 'exited': {
        const unheard = this.#get(row, thread, UNHEARD);
        let outlook: Outlook = 'nothing';
        for (let end = 0; unheard >> end !== 0; end++) {
          if (!((unheard >> end) & 1) || !((request.at >> end % this.#threads) & 1)) continue;
          codes.push(encode(STEP, thread, end));
          outlook = 'moves';
        }
        return outlook;
      }
      default:
        codes.push(encode(STEP, thread));
        return 'moves';
    }
  }

  /** How a sleep, or a wait for a registration, can end. */
  #wakesOf(row: number, thread: number, request: Request, entry: number, whenNotified: number, codes: number[]): Outlook {
    if (this.#list.isNotified(row, entry)) {
      codes.push(encode(whenNotified, thread));
      return 'moves';
    }
    if (whenNotified === WOKEN && this.rows.get(row, SPURIOUS_WAKES) < (this.scenario.spuriousWakes ?? 0)) {
      codes.push(encode(SPURIOUS, thread));
    }
    if (request.b === Infinity || this.#timeoutsLeft(row) === 0) return 'nothing';
    codes.push(encode(TIME_OUT, thread));
    return 'only time-outs';
  }

  #timeoutsLeft(row: number): number {
    return (this.scenario.timeouts ?? Infinity) - this.rows.get(row, TIMEOUTS);
  }

  /** Turns a row into the one after a transition. Throws a Violation. */
  apply(row: number, code: number): void {
    const thread = threadOf(code);
    const state = this.localState(row, thread);
    switch (kindOf(code)) {
      case STEP:
        return this.#step(row, thread, state, outcomeOf(code));
      case WOKEN:
        return this.#wake(row, thread, state, OK);
      case TIME_OUT:
        if (this.scenario.timeouts !== undefined) this.rows.set(row, TIMEOUTS, this.rows.get(row, TIMEOUTS) + 1);
        if (state.request.kind === 'settled') return this.#enter(row, thread, this.locals.after(state, TIMED_OUT));
        return this.#wake(row, thread, state, TIMED_OUT);
      case SPURIOUS:
        this.rows.set(row, SPURIOUS_WAKES, this.rows.get(row, SPURIOUS_WAKES) + 1);
        return this.#wake(row, thread, state, OK);
      case KILL:
        this.rows.set(row, DEATHS, this.rows.get(row, DEATHS) + 1);
        // Where it was matters no more.
        this.#set(row, thread, LOCAL, 0);
        return this.#set(row, thread, STATUS, DEAD);
      case GONE:
        return this.#bury(row, thread);
    }
  }

  #step(row: number, thread: number, state: LocalState, outcome: number): void {
    const { request } = state;
    let result = outcome;
    switch (request.kind) {
      case 'choose':
        break;
      case 'exited':
        this.#set(row, thread, UNHEARD, this.#get(row, thread, UNHEARD) & ~(1 << outcome));
        break;
      case 'settled':
        this.#list.remove(row, this.#list.entry(thread, request.at));
        result = OK;
        break;
      case 'wait':
        if (this.rows.get(row, state.cell) !== request.a) {
          result = NOT_EQUAL;
        } else if (request.b > 0) {
          this.#list.add(row, this.#list.entry(thread, 0), request.at);
          return this.#set(row, thread, STATUS, ASLEEP);
        } else {
          result = TIMED_OUT;
        }
        break;
      default:
        result = this.#perform(row, thread, state);
    }
    this.#enter(row, thread, this.locals.after(state, result));
  }

  #wake(row: number, thread: number, state: LocalState, result: number): void {
    this.#list.remove(row, this.#list.entry(thread, 0));
    this.#set(row, thread, STATUS, RUNNING);
    this.#enter(row, thread, this.locals.after(state, result));
  }

  /** A killed thread leaves the wait list, and its end is reported. */
  #bury(row: number, thread: number): void {
    this.#list.removeThread(row, thread);
    this.#set(row, thread, STATUS, EXITED);
    const end = 1 << (this.#get(row, thread, LIFE) * this.#threads + thread);
    for (let listener = 0; listener < this.#threads; listener++) {
      if (listener === thread || this.status(row, listener) === EXITED) continue;
      this.#set(row, listener, UNHEARD, this.#get(row, listener, UNHEARD) | end);
    }
    this.#set(row, thread, UNHEARD, 0);
    this.scenario.onDeath?.(this.#ghostsOf(row), thread);
  }

  #respawn(row: number, thread: number): void {
    if (this.status(row, thread) !== EXITED) throw new Violation(`thread ${thread} is respawned while it lives`);
    const life = this.#get(row, thread, LIFE) + 1;
    if ((life + 1) * this.#threads > 31) throw new Error('more lives than an integer has bits for');
    this.#set(row, thread, LIFE, life);
    this.#set(row, thread, STATUS, RUNNING);
    this.#enter(row, thread, this.locals.root(thread, life, 0, 0));
  }

  /** Brings a thread to its next step: ghosts, constants and the like are done on the way, together with the step before. */
  #enter(row: number, thread: number, state: LocalState): void {
    for (;;) {
      const { outcome, root } = state;
      if (outcome.does === 'asks') {
        if (state.isStep) return this.#set(row, thread, LOCAL, state.number);
        state = this.locals.after(state, this.#perform(row, thread, state));
      } else if (outcome.does === 'fails') {
        throw new Violation(outcome.message);
      } else if (root.round + 1 < (this.scenario.threads[thread]!.rounds ?? 1)) {
        state = this.locals.root(thread, root.life, root.round + 1, outcome.carried);
      } else {
        this.#set(row, thread, LOCAL, 0);
        return this.#set(row, thread, STATUS, DONE);
      }
    }
  }

  #perform(row: number, thread: number, state: LocalState): number {
    const { kind, at } = state.request;
    switch (kind) {
      case 'pause':
        return 0;
      case 'hasExited':
        return this.status(row, at) === EXITED ? 1 : 0;
      case 'respawn':
        this.#respawn(row, at);
        return 0;
      default:
        return this.#memory.perform(row, thread, state);
    }
  }

  status(row: number, thread: number): number {
    return this.#get(row, thread, STATUS);
  }

  localState(row: number, thread: number): LocalState {
    return this.locals.all[this.#get(row, thread, LOCAL) - 1]!;
  }

  /** What is wrong with a state in which nothing moves; `undefined` also where only the bound on time-outs stops it. */
  faultAtEnd(row: number, scratch: number): string | undefined {
    const { threads, final } = this.scenario;
    const blocked: number[] = [];
    for (let thread = 0; thread < this.#threads; thread++) {
      const status = this.status(row, thread);
      if (status !== RUNNING && status !== ASLEEP) continue;
      const { request } = this.localState(row, thread);
      const hasLimit = (request.kind === 'wait' || request.kind === 'settled') && request.b !== Infinity;
      if (hasLimit) return undefined;
      if (request.kind !== 'stuck' && !threads[thread]!.daemon) blocked.push(thread);
    }
    if (blocked.length > 0) return `lost wake-up or deadlock: ${blocked.map((thread) => this.#blockedIn(row, thread)).join(', ')}`;
    return this.#look(final, row, scratch);
  }

  /** What is wrong with a state in which only time-outs can happen. */
  faultAtRest(row: number, scratch: number): string | undefined {
    return this.#look(this.scenario.atRest, row, scratch);
  }

  /** Asks the scenario about a copy of the row, which it may change. */
  #look(judge: Scenario['final'], row: number, scratch: number): string | undefined {
    if (!judge) return undefined;
    this.rows.copy(row, scratch);
    return judge(this.#wordsOf(scratch), this.#ghostsOf(scratch));
  }

  #blockedIn(row: number, thread: number): string {
    const { kind, at } = this.localState(row, thread).request;
    const where = kind === 'wait' ? ` on ${this.scenario.nameOf?.(at) ?? at}` : '';
    return `${this.nameOf(thread)} never returns from ${kind}${where}`;
  }

  nameOf(thread: number): string {
    return this.scenario.threads[thread]!.name ?? `T${thread}`;
  }

  #wordsOf(row: number): ReturnType<typeof undisturbedWords> {
    return undisturbedWords(
      (at) => this.rows.get(row, this.rows.cellOf(at)),
      (at, value) => this.rows.set(row, this.rows.cellOf(at), value),
    );
  }

  #ghostsOf(row: number): Ghosts {
    const set = (name: string, value: number): number => {
      this.rows.set(row, this.rows.cellOf(name), value);
      return value;
    };
    const get = (name: string): number => this.rows.get(row, this.rows.cellOf(name));
    return { get, set, add: (name, by) => set(name, get(name) + by) };
  }

  #get(row: number, thread: number, field: number): number {
    return this.rows.get(row, THREADS + thread * THREAD_SIZE + field);
  }

  #set(row: number, thread: number, field: number, value: number): void {
    this.rows.set(row, THREADS + thread * THREAD_SIZE + field, value);
  }
}
