/** The words and the context that a body is given: each call becomes a request, which somebody answers with a number. */
import type { SharedWords } from '../../src/shm/words.js';
import { type Context, type Exit, type Ghosts, type ModelWords, type RequestKind, Violation } from './scenario.js';

/** Answers a request, or never returns. */
export type Ask = (kind: RequestKind, at: number, a?: number, b?: number, name?: string) => number;

/** Numbers that stand for the outcomes of a wait. */
export const waitOutcomes = ['ok', 'not-equal', 'timed-out'] as const;
export const OK = 0;
export const NOT_EQUAL = 1;
export const TIMED_OUT = 2;

function wordAt(at: number): number {
  if (!(at >= 0) || at % 4 !== 0) throw new Violation(`address ${at} is no word`);
  return at;
}

function numberAt(at: number): number {
  if (!(at >= 0) || at % 8 !== 0) throw new Violation(`address ${at} is not aligned for a number`);
  return at;
}

function int32(value: number): number {
  if ((value | 0) !== value) throw new Violation(`${value} does not fit a signed 32-bit word`);
  return value;
}

function limit(timeoutMs: number): number {
  if (Number.isNaN(timeoutMs)) throw new Violation('a wait has the limit NaN');
  return timeoutMs;
}

/** Stands for the promise of a registration. It is no promise: only `settled` can wait for it. */
class Registration {
  constructor(readonly number: number) {}
}

export function wordsFor(ask: Ask): ModelWords {
  return {
    load: (at) => ask('load', wordAt(at)),
    store: (at, value) => void ask('store', wordAt(at), int32(value)),
    add: (at, value) => ask('add', wordAt(at), int32(value)),
    exchange: (at, value) => ask('exchange', wordAt(at), int32(value)),
    compareExchange: (at, expected, next) => ask('compareExchange', wordAt(at), int32(expected), int32(next)),
    claim(at, expected, next) {
      const before = ask('claim', wordAt(at), int32(expected), int32(next));
      return before === expected ? ask('count', numberAt(at + 8)) : 0;
    },
    claimSpinning(at, busy, next) {
      // By `this`: a scenario may keep an eye on each of the two. It looks once, for a model has no use for a second look.
      const value = this.load(at);
      const token = value & busy ? 0 : this.claim(at, value, value | next);
      if (token !== 0) ask('count', numberAt(at + 32));
      return token;
    },
    stepThenLoad(at, lockAt) {
      // By `this`, as above.
      if (this.add(at, 1) === -1) this.add(lockAt + 48, 1);
      return this.load(lockAt);
    },
    wait: (at, expected, timeoutMs) => waitOutcomes[ask('wait', wordAt(at), int32(expected), limit(timeoutMs))]!,
    waitAsync(at, expected) {
      const registration = ask('waitAsync', wordAt(at), int32(expected));
      return registration === 0 ? undefined : (new Registration(registration) as unknown as Promise<unknown>);
    },
    notify: (at) => void ask('notify', wordAt(at)),
    notifyOne: (at) => void ask('notifyOne', wordAt(at)),
    loadNumber: (at) => ask('loadNumber', numberAt(at)),
    storeNumber: (at, value) => void ask('storeNumber', numberAt(at), value),
    // In whole words, one after the other: whoever dies in between leaves some of them.
    writeBytes(at, bytes) {
      for (let i = 0; i < bytes.length; i += 4) ask('store', wordAt(at + i), bytes[i]!);
    },
    readBytes: (at, length) => Uint8Array.from({ length }, (_, i) => (i % 4 === 0 ? ask('load', wordAt(at + i)) : 0)),
  };
}

export function ghostsFor(ask: Ask): Ghosts {
  return {
    get: (name) => ask('ghostGet', 0, 0, 0, name),
    set: (name, value) => ask('ghostSet', 0, value, 0, name),
    add: (name, by) => ask('ghostAdd', 0, by, 0, name),
  };
}

/** `threads` is their number in the scenario: the ends of different lives of a thread are reported as numbers modulo that. */
export function contextFor(ask: Ask, thread: number, life: number, threads: number): Context {
  return {
    words: wordsFor(ask),
    ghost: ghostsFor(ask),
    thread,
    life,
    assert(condition, message) {
      if (!condition) throw new Violation(message);
    },
    choose(outcomes, what = 'choice') {
      if (!(outcomes > 0)) throw new Violation(`a choice of ${outcomes} outcomes`);
      return ask('choose', 0, outcomes, 0, what);
    },
    pause: () => void ask('pause', 0),
    exited(which): Exit {
      const mask = which ? which.reduce((bits, each) => bits | (1 << each), 0) : -1;
      const ended = ask('exited', mask);
      return { thread: ended % threads, life: Math.floor(ended / threads) };
    },
    hasExited: (which) => ask('hasExited', which) === 1,
    respawn: (which) => void ask('respawn', which),
    settled(registration, timeoutMs = Infinity) {
      const token: unknown = registration;
      if (!(token instanceof Registration)) throw new Violation('settled takes what waitAsync returned');
      return ask('settled', token.number, 0, limit(timeoutMs)) === OK ? 'ok' : 'timed-out';
    },
    stuck(): never {
      ask('stuck', 0);
      throw new Error('unreachable');
    },
  };
}

/** Words for the time before the threads start or after they have ended: nobody else runs, so nothing blocks. */
export function undisturbedWords(read: (at: number) => number, write: (at: number, value: number) => void): SharedWords {
  const update = (at: number, value: number): number => {
    const before = read(at);
    write(at, value);
    return before;
  };
  const refuse = (): never => {
    throw new Violation('waits where nobody else runs');
  };
  return wordsFor((kind, at, a = 0, b = 0) => {
    switch (kind) {
      case 'load':
      case 'loadNumber':
        return read(at);
      case 'store':
      case 'storeNumber':
      case 'exchange':
        return update(at, a);
      case 'add':
        return update(at, (read(at) + a) | 0);
      case 'compareExchange':
      case 'claim':
        return read(at) === a ? update(at, b) : read(at);
      case 'count':
        write(at, read(at) + 1);
        return read(at);
      case 'wait':
      case 'waitAsync':
        return read(at) === a ? refuse() : kind === 'wait' ? NOT_EQUAL : 0;
      default:
        return 0;
    }
  });
}
