import { header } from '../../native-layout/index.js';
import type { CancelSource } from '../contract/lock.js';
import { unpark } from '../park/park.js';
import { isBlocked } from '../raw/queue.js';
import type { Interrupt } from '../raw/mutex.js';
import { loadWord, plainWords } from '../shm/atomics.js';
import type { Segment } from '../shm/segment.js';

const STATE = 0;
const REASON_LENGTH = 4;
const REASON = 8;
const SIZE = 256;

// Values of STATE; 0 is not cancelled.
const CANCELLED = 1;
const WRITING = 2;

/**
 * Ends blocking waits in other threads. Send it as it is, in `workerData` or a message: what arrives is accepted by
 * `acquire({ cancel })`, and `manager.cancelToken(received)` makes it a token again. Cancelling is for good.
 */
export class CancelToken implements CancelSource {
  readonly words: SharedArrayBuffer;
  readonly #segment: Segment;

  /** @internal Tokens come from `manager.cancelToken`. */
  constructor(segment: Segment, source?: CancelSource) {
    this.words = source === undefined ? new SharedArrayBuffer(SIZE) : bufferOf(source);
    this.#segment = segment;
    Object.freeze(this);
  }

  get cancelled(): boolean {
    return loadWord(this.words, STATE) === CANCELLED;
  }

  /** Ends all waits that were given this token, now and from now on. From any thread; the second call does nothing. */
  cancel(reason = 'cancelled'): void {
    const { words } = this.#segment;
    const shared = plainWords(this.words);
    // Only one writes the reason.
    if (shared.compareExchange(STATE, 0, WRITING) !== 0) return;
    // Not into the shared bytes: an encoder refuses those. What does not fit is cut between two characters.
    const text = new Uint8Array(SIZE - REASON);
    const { written } = new TextEncoder().encodeInto(String(reason), text);
    new Uint8Array(this.words).set(text, REASON);
    shared.store(REASON_LENGTH, written);
    shared.store(STATE, CANCELLED);
    // A waiter publishes its row before it looks at the token, so it is seen here or sees the token.
    const high = words.load(this.#segment.header + header.fields.agentHigh.at);
    for (let id = 1; id <= high; id++) if (isBlocked(this.#segment, id)) unpark(this.#segment, id);
  }
}

/** What a waiter asks while it waits. */
export class CancelInterrupt implements Interrupt {
  readonly #buffer: SharedArrayBuffer;

  constructor(source: CancelSource) {
    this.#buffer = bufferOf(source);
  }

  requested(): boolean {
    return loadWord(this.#buffer, STATE) === CANCELLED;
  }

  get reason(): string {
    // A decoder refuses shared memory, so the bytes are copied.
    return new TextDecoder().decode(new Uint8Array(this.#buffer, REASON, loadWord(this.#buffer, REASON_LENGTH)).slice());
  }
}

function bufferOf(source: CancelSource): SharedArrayBuffer {
  const { words } = Object(source) as Partial<CancelSource>;
  if (words instanceof SharedArrayBuffer && words.byteLength === SIZE) return words;
  throw new TypeError('cancel must be a token made by manager.cancelToken(), or a clone of one');
}
