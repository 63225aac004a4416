/**
 * What the model checker checks: a handful of virtual threads that run production code against a model of shared memory,
 * with a budget of deaths, and what must hold.
 *
 * A body is a plain synchronous function that is run again and again from the start of its round with the results recorded so
 * far. So it must be deterministic given those results: no clock, no randomness, no object that outlives a round and is changed.
 * What a round leaves for the next one is the number that it returns. Ghosts are the place for what the checker wants to know.
 */
import type { SharedWords } from '../../src/shm/words.js';

/** The model's words: those of production, and two operations that only textbook locks need. */
export interface ModelWords extends SharedWords {
  /** Writes the word and returns the value before. */
  exchange(at: number, value: number): number;
  /** Wakes the first sleeper on the word, which may be one that is dying. */
  notifyOne(at: number): void;
}

/**
 * Variables of the checker, 0 at first. They change together with the word operation before them in the body (at the start of a
 * body: with the step that started the round), so put the change for entering after the acquire and the one for leaving
 * before the release.
 */
export interface Ghosts {
  get(name: string): number;
  set(name: string, value: number): number;
  /** Returns the sum. */
  add(name: string, by: number): number;
}

/** The end of a thread, as it is reported to those who listen. */
export interface Exit {
  readonly thread: number;
  /** Which life of the thread ended: 0 before its first respawn. */
  readonly life: number;
}

/** What a body sees. */
export interface Context {
  readonly words: ModelWords;
  readonly ghost: Ghosts;
  /** Index into the threads of the scenario. */
  readonly thread: number;
  /** How often this thread was respawned. */
  readonly life: number;
  assert(condition: boolean, message: string): asserts condition;
  /** Branches into that many outcomes (0, 1, …), together with the step before: a clock reading, an abort, a decision of the user. */
  choose(outcomes: number, what?: string): number;
  /** A step that does nothing: a moment at which others can run, or at which the thread can die. */
  pause(): void;
  /** Blocks until the end of a thread (of one of `threads`) is reported. Every listener hears of every end once. */
  exited(threads?: readonly number[]): Exit;
  /** Whether the current life of a thread has ended and the end could be known. */
  hasExited(thread: number): boolean;
  /** Starts a thread that has exited anew, from its first round. */
  respawn(thread: number): void;
  /**
   * What an event loop does that has nothing else to do: blocks until the registration that `waitAsync` returned is notified. With
   * a limit, a timer may come first; the registration stays. Each notified registration can be taken once.
   */
  settled(registration: Promise<unknown>, timeoutMs?: number): 'ok' | 'timed-out';
  /** Never returns, and that is no fault: an event loop that is stuck in the user's code. */
  stuck(): never;
}

/** One virtual thread. */
export interface ThreadPlan {
  /** For printing. */
  readonly name?: string;
  /** How often the body runs; 1 unless told. Nothing is remembered between rounds but the number that the body returned. */
  readonly rounds?: number;
  /** It can be struck by the deaths of the scenario. */
  readonly mortal?: boolean;
  /** It may be left blocked at the end: a recoverer, a daemon. */
  readonly daemon?: boolean;
  readonly body: (context: Context, round: number, carried: number) => number | void;
  /**
   * Where two histories of a round leave the body in the same local state: the same string for both, such as the values of the
   * variables that are still to be read; `undefined` where nothing is known, which is always right. Called for each operation
   * that is about to happen; only histories that got to the same place in the code are merged. Later behaviour is compared for
   * some of them, and a difference is an error. A loop whose iterations are merged can not be seen to be a livelock.
   */
  readonly merge?: (next: Request, history: readonly Recorded[], place: Place) => string | undefined;
}

/** Where in the code a body is: its calls, innermost first, such as `['attempt:12:3', 'acquire:40:7']`. */
export type Place = readonly string[];

export interface Scenario {
  readonly name: string;
  readonly threads: readonly ThreadPlan[];
  /** How many deaths may strike; 0 unless told. */
  readonly deaths?: number;
  /** How many sleeps may end as if notified without having been; 0 unless told. */
  readonly spuriousWakes?: number;
  /** How many sleeps with a limit may time out; no bound unless told. With a bound, a thread that needs one more is left where it is. */
  readonly timeouts?: number;
  /** Fills the memory before the threads start. */
  readonly setup?: (words: SharedWords) => void;
  /** A victim has stopped for good, its end is about to be reported. */
  readonly onDeath?: (ghost: Ghosts, thread: number) => void;
  /** What is wrong when nothing can move any more and every living thread has finished or is a daemon. */
  readonly final?: (words: SharedWords, ghost: Ghosts) => string | undefined;
  /** What is wrong when nothing can move but time-outs: for wakes that are lost and that only a time-out makes good. */
  readonly atRest?: (words: SharedWords, ghost: Ghosts) => string | undefined;
  /** Operations of one thread in one round beyond which it is called a livelock; 300 unless told. */
  readonly maxOperations?: number;
  /** Pending `waitAsync` per thread; 1 unless told. */
  readonly asyncWaits?: number;

  /** Name of an address, for printing. */
  readonly nameOf?: (at: number) => string | undefined;
  /** How the value of an address is printed. */
  readonly describe?: (at: number, value: number) => string;

  /**
   * Who alone changes a word while it lives. Reads by that thread commute with whatever others do, so they are no steps of
   * their own. `'nobody'` makes it a constant. Changes by others are violations. This reduction is exact.
   */
  readonly writerOf?: (at: number) => number | 'nobody' | undefined;
  /**
   * Statistics that no algorithm decides by. Accesses are no steps, nothing is stored, every read and `claim` yields 1. Exact as
   * long as that is true of the address.
   */
  readonly opaque?: (at: number) => boolean;
  /** What is stored in place of a value: lets a counter wrap early, so that there are fewer states. It must tolerate the wrap. */
  readonly narrow?: (at: number, value: number) => number;
  /** What a value counts as when two states are compared; `read` gives other words. States that count as equal must behave alike. */
  readonly normalise?: (at: number, value: number, read: (at: number) => number) => number;
  /** `'folded'`: loadNumber and storeNumber belong to the step before them. Hides races on plain data and deaths between them. */
  readonly plainData?: 'steps' | 'folded';
}

export type RequestKind =
  | 'load' | 'store' | 'add' | 'exchange' | 'compareExchange' | 'claim' | 'count'
  | 'wait' | 'waitAsync' | 'notify' | 'notifyOne' | 'loadNumber' | 'storeNumber'
  | 'choose' | 'pause' | 'exited' | 'hasExited' | 'respawn' | 'settled' | 'stuck'
  | 'ghostGet' | 'ghostSet' | 'ghostAdd';

/** What a body asks for: an operation of the words or of the context. */
export interface Request {
  readonly kind: RequestKind;
  /** Address; of a registration, thread or set of threads where the kind speaks of those. */
  readonly at: number;
  /** Value to write, to add, or expected. */
  readonly a: number;
  /** Next value of an exchange, limit of a wait. */
  readonly b: number;
  /** Name of the ghost or of the choice. */
  readonly name: string;
}

export interface Recorded {
  readonly request: Request;
  readonly result: number;
}

/** Thrown by what a scenario asserts and by what the model finds wrong. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
