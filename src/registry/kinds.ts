/** What a lock is, for all threads, and the word that says so in its slot. */
import { mask, primitives, slot } from '../../native-layout/index.js';

const bits = slot.fields.kind.bits;
const PRIMITIVE = mask(bits.primitive);

export interface MutexKind {
  readonly kind: 'mutex';
  readonly fairness: 'eventual' | 'fifo';
  readonly reentrant: boolean;
  readonly ownerDeath: 'poison' | 'release';
}

export interface OnceKind {
  readonly kind: 'once';
}

export interface SemaphoreKind {
  readonly kind: 'semaphore';
  readonly permits: number;
}

export interface RwlockKind {
  readonly kind: 'rwlock';
  readonly ownerDeath: 'poison' | 'release';
}

export interface ConditionKind {
  readonly kind: 'condition';
  /** Number of its mutex's slot. */
  readonly mutex: number;
}

export interface EventKind {
  readonly kind: 'event';
  readonly autoReset: boolean;
}

export interface LatchKind {
  readonly kind: 'latch';
  readonly count: number;
}

export interface BarrierKind {
  readonly kind: 'barrier';
  readonly parties: number;
}

/** Its parameters stand in its ring. */
export interface QueueKind {
  readonly kind: 'queue';
  readonly capacity?: number;
  readonly maxItemBytes?: number;
}

/** A part of the queue of the same name, and no lock that users know. */
export interface RoomKind {
  readonly kind: 'room';
}

/** Whoever opens a name must say the same. */
export type SlotKind = MutexKind | OnceKind | SemaphoreKind | RwlockKind | ConditionKind | EventKind | LatchKind | BarrierKind | QueueKind | RoomKind;

/** The parameters of a kind in its word, without the primitive, and back. */
interface Codec<Kind extends SlotKind> {
  encode(kind: Kind): number;
  decode(word: number): Kind;
}

const codecs: { readonly [K in SlotKind['kind']]: Codec<Extract<SlotKind, { kind: K }>> } = {
  mutex: {
    encode: ({ fairness, reentrant, ownerDeath }) =>
      (fairness === 'fifo' ? mask(bits.fifo) : 0) | (reentrant ? mask(bits.reentrant) : 0) | (ownerDeath === 'release' ? mask(bits.ownerDeathRelease) : 0),
    decode: (word) => ({
      kind: 'mutex',
      fairness: word & mask(bits.fifo) ? 'fifo' : 'eventual',
      reentrant: (word & mask(bits.reentrant)) !== 0,
      ownerDeath: word & mask(bits.ownerDeathRelease) ? 'release' : 'poison',
    }),
  },
  once: { encode: () => 0, decode: () => ({ kind: 'once' }) },
  semaphore: {
    encode: ({ permits }) => permits << bits.parameter.bit,
    decode: (word) => ({ kind: 'semaphore', permits: word >>> bits.parameter.bit }),
  },
  condition: {
    encode: ({ mutex }) => mutex << bits.parameter.bit,
    decode: (word) => ({ kind: 'condition', mutex: word >>> bits.parameter.bit }),
  },
  event: {
    encode: ({ autoReset }) => (autoReset ? 1 : 0) << bits.parameter.bit,
    decode: (word) => ({ kind: 'event', autoReset: word >>> bits.parameter.bit !== 0 }),
  },
  latch: {
    encode: ({ count }) => count << bits.parameter.bit,
    decode: (word) => ({ kind: 'latch', count: word >>> bits.parameter.bit }),
  },
  barrier: {
    encode: ({ parties }) => parties << bits.parameter.bit,
    decode: (word) => ({ kind: 'barrier', parties: word >>> bits.parameter.bit }),
  },
  rwlock: {
    encode: ({ ownerDeath }) => (ownerDeath === 'release' ? mask(bits.ownerDeathRelease) : 0),
    decode: (word) => ({ kind: 'rwlock', ownerDeath: word & mask(bits.ownerDeathRelease) ? 'release' : 'poison' }),
  },
  queue: { encode: () => 0, decode: () => ({ kind: 'queue' }) },
  room: { encode: () => 0, decode: () => ({ kind: 'room' }) },
};

const nameOfPrimitive = Object.fromEntries(Object.entries(primitives).map(([name, number]) => [number, name])) as Readonly<Record<number, SlotKind['kind']>>;

function codecOf(kind: SlotKind['kind']): Codec<SlotKind> {
  return codecs[kind] as Codec<SlotKind>;
}

/** The kind word; equal words are equal kinds. */
export function encodeKind(kind: SlotKind): number {
  return primitives[kind.kind] | codecOf(kind.kind).encode(kind);
}

export function decodeKind(word: number): SlotKind {
  return codecOf(nameOfPrimitive[word & PRIMITIVE]!).decode(word);
}

/** As a message names it; `shown`: what it shall show instead of some parameters. */
export function describeKind({ kind, ...parameters }: SlotKind, shown: Readonly<Record<string, string>> = {}): string {
  const inside = Object.entries({ ...parameters, ...shown }).map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`);
  return inside.length === 0 ? kind : `${kind} { ${inside.join(', ')} }`;
}
