/** What requests do to words, numbers and ghosts, and where in a row those lie. */
import type { LocalState } from './local-states.js';
import type { Rows } from './rows.js';
import { type Request, type Scenario, Violation } from './scenario.js';
import type { WaitList } from './wait-list.js';

export class Memory {
  readonly #scenario: Scenario;
  readonly #rows: Rows;
  readonly #list: WaitList;
  readonly #hasExited: (row: number, thread: number) => boolean;
  /** Whether an address holds a number; a word otherwise. */
  readonly #holdsNumber = new Map<number, boolean>();

  constructor(scenario: Scenario, rows: Rows, list: WaitList, hasExited: (row: number, thread: number) => boolean) {
    this.#scenario = scenario;
    this.#rows = rows;
    this.#list = list;
    this.#hasExited = hasExited;
  }

  /** Decides where in a row the subject of a request lies, and whether others can run before the request. */
  place(state: LocalState): void {
    const { kind, at, name } = state.request;
    switch (kind) {
      case 'ghostGet':
      case 'ghostSet':
      case 'ghostAdd':
        state.cell = this.#rows.cellOf(name);
        state.isStep = false;
        return;
      case 'notify':
      case 'notifyOne':
      case 'choose':
      case 'pause':
      case 'exited':
      case 'hasExited':
      case 'respawn':
      case 'settled':
      case 'stuck':
        return;
      default:
        this.#placeAddress(state, at);
    }
  }

  #placeAddress(state: LocalState, at: number): void {
    const { kind } = state.request;
    const { opaque, writerOf, plainData } = this.#scenario;
    if (opaque?.(at)) {
      state.isStep = false;
      return;
    }
    const isPlain = kind === 'loadNumber' || kind === 'storeNumber';
    const isNumber = isPlain || kind === 'count';
    if ((this.#holdsNumber.get(at) ?? isNumber) !== isNumber) throw new Error(`address ${at} is used as a word and as a number`);
    this.#holdsNumber.set(at, isNumber);
    state.cell = this.#rows.cellOf(at);
    const isRead = kind === 'load' || kind === 'loadNumber';
    const writer = isRead ? writerOf?.(at) : undefined;
    state.isStep = !(writer === 'nobody' || writer === state.root.thread || (isPlain && plainData === 'folded'));
  }

  /** Carries out a request that does not block; the result. */
  perform(row: number, thread: number, { request, cell }: LocalState): number {
    if (cell < 0) return this.#performWithout(row, request);
    const { kind, at, a, b } = request;
    const before = this.#rows.get(row, cell);
    switch (kind) {
      case 'load':
      case 'loadNumber':
      case 'ghostGet':
        return before;
      case 'store':
      case 'storeNumber':
      case 'exchange':
        this.#write(row, thread, at, cell, a);
        return before;
      case 'add':
        this.#write(row, thread, at, cell, (before + a) | 0);
        return before;
      case 'compareExchange':
      case 'claim':
        if (before === a) this.#write(row, thread, at, cell, b);
        return before;
      case 'count':
        this.#write(row, thread, at, cell, before + 1);
        return before + 1;
      case 'waitAsync': {
        if (before !== a) return 0;
        const registration = this.#list.unusedRegistration(row, thread);
        if (registration === 0) throw new Violation('more pending waitAsync than the scenario allows');
        this.#list.add(row, this.#list.entry(thread, registration), at);
        return registration;
      }
      case 'ghostSet':
        this.#rows.set(row, cell, a);
        return a;
      case 'ghostAdd':
        this.#rows.set(row, cell, before + a);
        return before + a;
      default:
        throw new Error(`${kind} is no operation on memory`);
    }
  }

  /** Requests that have no cell: those of the wait list, and those about opaque addresses. */
  #performWithout(row: number, { kind, at }: Request): number {
    switch (kind) {
      case 'notify':
        this.#list.notify(row, at, Infinity);
        return 0;
      case 'notifyOne':
        this.#list.notify(row, at, 1);
        return 0;
      case 'load':
      case 'loadNumber':
      case 'store':
      case 'storeNumber':
      case 'add':
      case 'count':
        return 1;
      default:
        throw new Violation(`${kind} decides by the opaque address ${at}`);
    }
  }

  #write(row: number, thread: number, at: number, cell: number, value: number): void {
    if (this.#rows.get(row, cell) === value) return;
    const writer = this.#scenario.writerOf?.(at);
    if (writer !== undefined && writer !== thread && (writer === 'nobody' || !this.#hasExited(row, writer))) {
      const who = writer === 'nobody' ? 'nobody writes' : `thread ${writer} alone writes`;
      throw new Violation(`thread ${thread} writes ${this.#scenario.nameOf?.(at) ?? at}, which ${who}`);
    }
    this.#rows.set(row, cell, this.#scenario.narrow ? this.#scenario.narrow(at, value) : value);
  }
}
