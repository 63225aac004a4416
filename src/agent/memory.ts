/**
 * The memory in which the segments of this process lie. There is one for all managers where that can be: the machine code of the
 * fast path is specialised on one memory, and a second one in the same thread would make every lock twice as slow.
 */
import { fingerprint } from '../../native-layout/index.js';
import { createMemory, PAGE, plainWords, wasmWords } from '../shm/atomics.js';
import type { SharedWords } from '../shm/words.js';

export type SharedMemory = WebAssembly.Memory | SharedArrayBuffer;

/** What all copies of this package in one thread share: an ES module and a CommonJS one, or two versions. */
interface Anchor {
  /** Fingerprint of the copy that came first. */
  readonly layout: number;
  memory: WebAssembly.Memory | undefined;
  readonly words: Map<number, SharedWords>;
  readonly managers: Map<string, unknown>;
}

const key = Symbol.for('holdfast.thread');
const holder = globalThis as unknown as Record<symbol, Anchor | undefined>;
const anchor: Anchor = (holder[key] ??= { layout: fingerprint(), memory: undefined, words: new Map(), managers: new Map() });

/** Fingerprint of the copy of this package that came first in this thread: all others must have the same. */
export const layoutOfThread: number = anchor.layout;

/** The managers of this thread by what identifies them; shared by all copies of the package. */
export const managersOfThread: Map<string, unknown> = anchor.managers;

/** The first word of a memory names it, so that two handles of one memory are known to be one. Segments begin a page later. */
const IDENTITY = 0;
/** What stands there in a memory that is none of ours. */
const FOREIGN = 0;

export interface Place {
  readonly memory: SharedMemory;
  /** Address of the segment. */
  readonly start: number;
  readonly words: SharedWords;
}

/** Takes `size` bytes of zeroed memory that all threads can see. */
export function allocate(size: number): Place {
  const pages = Math.ceil(size / PAGE);
  const memory = (anchor.memory ??= newMemory());
  if (memory !== undefined) {
    let start: number | undefined;
    try {
      // Growing is atomic, so two threads that allocate at once get different places.
      start = memory.grow(pages) * PAGE;
    } catch {
      // The memory is full, or this machine gives no more address space: a buffer of its own serves as well, only slower.
    }
    if (start !== undefined) return { memory, start, words: wordsOf(memory) };
  }
  const buffer = new SharedArrayBuffer((pages + 1) * PAGE);
  const words = plainWords(buffer);
  words.store(IDENTITY, newIdentity());
  return { memory: buffer, start: PAGE, words };
}

/** The operations on a memory that came from another thread. The first WebAssembly memory seen becomes this thread's own. */
export function wordsOf(memory: SharedMemory): SharedWords {
  const isBuffer = memory instanceof SharedArrayBuffer;
  const plain = plainWords(isBuffer ? memory : memory.buffer);
  const identity = plain.load(IDENTITY);
  const known = anchor.words.get(identity);
  if (known !== undefined) return known;
  if (isBuffer || identity === FOREIGN) return plain;
  anchor.memory ??= memory;
  const words = wasmWords(memory);
  // Plain views end where the memory ended when they were made, so they are not kept for the next segment.
  if (words === undefined) return plain;
  anchor.words.set(identity, words);
  return words;
}

/** Number that tells memories of this process apart. */
export function identityOf(words: SharedWords): number {
  return words.load(IDENTITY);
}

function newMemory(): WebAssembly.Memory | undefined {
  const memory = createMemory();
  const words = memory && wasmWords(memory);
  if (words === undefined) return undefined;
  words.store(IDENTITY, newIdentity());
  anchor.words.set(words.load(IDENTITY), words);
  return memory;
}

/** Not `FOREIGN`. */
function newIdentity(): number {
  return 1 + Math.floor(Math.random() * (2 ** 31 - 2));
}

/** Whether a value can be a memory at all: it came from outside. */
export function isSharedMemory(value: unknown): value is SharedMemory {
  if (value instanceof SharedArrayBuffer) return value.byteLength % PAGE === 0;
  // Not `instanceof`: a memory also arrives in a thread from which WebAssembly was taken away.
  const { buffer, grow } = Object(value) as Partial<WebAssembly.Memory>;
  return buffer instanceof SharedArrayBuffer && typeof grow === 'function';
}

/** Whether a segment can begin at that address of a memory. */
export function isStart(memory: SharedMemory, start: unknown): start is number {
  const size = (memory instanceof SharedArrayBuffer ? memory : memory.buffer).byteLength;
  return Number.isInteger(start) && (start as number) > 0 && (start as number) % PAGE === 0 && (start as number) < size;
}
