/**
 * The local states of the virtual threads, as trees: a node is the point that a body reaches with a given sequence of results, an
 * edge is one more result. A body runs once per node, from the start of its round, until it asks for what is not recorded yet.
 */
import { type Ask, contextFor } from './model-words.js';
import { type Place, type Recorded, type Request, type Scenario, Violation } from './scenario.js';

interface Root {
  readonly number: number;
  readonly thread: number;
  readonly life: number;
  readonly round: number;
  readonly carried: number;
}

/** What a body does at a node: ask for something, end its round, or fail. */
type Outcome =
  | { readonly does: 'asks'; readonly request: Request; readonly place: Place }
  | { readonly does: 'ends'; readonly carried: number }
  | { readonly does: 'fails'; readonly message: string };

export class LocalState {
  readonly children = new Map<number, LocalState>();
  /** Other histories that were declared to lead here. */
  readonly aliases: LocalState[] = [];
  /** Set by the machine: whether others can run before the request, and the cell that it is about. */
  isStep = true;
  cell = -1;

  constructor(
    readonly number: number,
    readonly root: Root,
    readonly parent: LocalState | undefined,
    readonly result: number,
    readonly operations: number,
    readonly outcome: Outcome,
  ) {}

  get request(): Request {
    if (this.outcome.does !== 'asks') throw new Error('asks for nothing');
    return this.outcome.request;
  }
}

const STOP = Symbol('stop');
const DEFAULT_MAX_OPERATIONS = 300;
/** Histories compared with the one they were merged into; arbitrary. */
const MAX_ALIASES = 12;
/** The number of a state that is only compared with another. */
const ALIAS = -1;

export class LocalStates {
  readonly all: LocalState[] = [];
  readonly #scenario: Scenario;
  readonly #place: (state: LocalState) => void;
  readonly #roots = new Map<string, LocalState>();
  readonly #merged = new Map<string, LocalState>();

  /** `place` is called for every new state that asks for something. */
  constructor(scenario: Scenario, place: (state: LocalState) => void) {
    this.#scenario = scenario;
    this.#place = place;
  }

  /** Where a round begins. */
  root(thread: number, life: number, round: number, carried: number): LocalState {
    const key = `${thread}/${life}/${round}/${carried}`;
    let state = this.#roots.get(key);
    if (!state) {
      state = this.#add({ number: this.#roots.size, thread, life, round, carried }, undefined, 0);
      this.#roots.set(key, state);
    }
    return state;
  }

  /** Where the body gets to when what it asks for has that result. */
  after(state: LocalState, result: number): LocalState {
    let next = state.children.get(result);
    if (next) return next;
    next = this.#mergeTarget(this.#add(state.root, state, result));
    state.children.set(result, next);
    for (const alias of state.aliases) this.#compare(this.#run(state.root, alias, result, ALIAS), next);
    return next;
  }

  #add(root: Root, parent: LocalState | undefined, result: number): LocalState {
    const state = this.#run(root, parent, result, this.all.length + 1);
    this.all.push(state);
    if (state.outcome.does === 'asks') this.#place(state);
    return state;
  }

  #run(root: Root, parent: LocalState | undefined, result: number, number: number): LocalState {
    const results: number[] = [];
    if (parent) {
      results.push(result);
      for (let at = parent; at.parent; at = at.parent) results.push(at.result);
      results.reverse();
    }
    const outcome = this.#outcomeOf(root, results);
    const operations = parent ? parent.operations + (parent.isStep ? 1 : 0) : 0;
    const bound = this.#scenario.maxOperations ?? DEFAULT_MAX_OPERATIONS;
    return new LocalState(
      number, root, parent, result, operations,
      number !== ALIAS && operations > bound ? { does: 'fails', message: `livelock: more than ${bound} operations in one round` } : outcome,
    );
  }

  #outcomeOf(root: Root, results: readonly number[]): Outcome {
    let position = 0;
    let request: Request | undefined;
    const { thread, life, round, carried } = root;
    const { threads } = this.#scenario;
    const { merge } = threads[thread]!;
    let place: Place = [];
    const ask: Ask = (kind, at, a = 0, b = 0, name = '') => {
      if (request) throw STOP;
      if (position < results.length) return results[position++]!;
      request = { kind, at, a, b, name };
      if (merge) place = currentPlace();
      throw STOP;
    };
    try {
      const left = threads[thread]!.body(contextFor(ask, thread, life, threads.length), round, carried);
      if (!request) return { does: 'ends', carried: left ?? 0 };
    } catch (error) {
      // Once it is stopped, whatever a `catch` or `finally` on the way out does or throws counts for nothing.
      if (!request) return { does: 'fails', message: error instanceof Violation ? error.message : `threw ${describeError(error)}` };
    }
    return { does: 'asks', request: request!, place };
  }

  /** What was asked for and answered in this round. */
  history(state: LocalState): Recorded[] {
    const recorded: Recorded[] = [];
    for (let at = state; at.parent; at = at.parent) recorded.push({ request: at.parent.request, result: at.result });
    return recorded.reverse();
  }

  #mergeTarget(state: LocalState): LocalState {
    const merge = this.#scenario.threads[state.root.thread]!.merge;
    if (!merge || state.outcome.does !== 'asks') return state;
    const { request, place } = state.outcome;
    const told = merge(request, this.history(state), place);
    if (told === undefined) return state;
    const key = `${state.root.number}/${textOf(state)}/${told}`;
    const target = this.#merged.get(key);
    if (!target) {
      this.#merged.set(key, state);
      return state;
    }
    this.#compare(state, target);
    return target;
  }

  /** `state` was merged into `target`, or follows one that was: both must do the same. */
  #compare(state: LocalState, target: LocalState): void {
    if (textOf(state) !== textOf(target)) {
      throw new Error(`${this.#scenario.name}: merge is wrong: one history goes on with ${textOf(state)}, the other with ${textOf(target)}`);
    }
    if (target.aliases.length >= MAX_ALIASES || target.aliases.includes(state)) return;
    target.aliases.push(state);
    state.isStep = target.isStep;
    for (const [result, next] of target.children) this.#compare(this.#run(state.root, state, result, ALIAS), next);
  }
}

function textOf({ outcome }: LocalState): string {
  if (outcome.does === 'ends') return `end ${outcome.carried}`;
  if (outcome.does === 'fails') return outcome.message;
  const { kind, at, a, b, name } = outcome.request;
  // How long a limit is makes no difference here, and may depend on a clock.
  const limit = (kind === 'wait' || kind === 'settled') && b > 0 && b !== Infinity ? 'limit' : b;
  return `${kind}(${at}, ${a}, ${limit}, ${name}) ${outcome.place.join(' < ')}`;
}

/** The calls of the body, without those of the checker around them. */
function currentPlace(): Place {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (_, frames) => frames.map((frame) => `${frame.getFunctionName()}:${frame.getLineNumber()}:${frame.getColumnNumber()}`);
  const place = new Error().stack as unknown as string[];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  // Innermost: this function, `ask`, and the method of the words; outermost: the body's caller.
  return place.slice(3, place.findIndex((frame) => frame.includes('outcomeOf')));
}

/** The error and where in the body it came from. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? '').split('\n').filter((line) => /^ +at /.test(line));
  const own = frames.findIndex((line) => line.includes('outcomeOf'));
  return [`${error.name}: ${error.message}`, ...frames.slice(0, Math.max(own, 0))].join('\n');
}
