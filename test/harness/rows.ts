/**
 * States of the whole system as rows of numbers in one array, with a hash that each write keeps up to date. A row has a fixed part,
 * whose meaning is its owner's, and cells for the words and ghosts that were touched, in the order in which they were first seen.
 * A number that is 0 counts for nothing in the hash, so that a cell that is found late does not change older states.
 */

const HASH_LOW = 0;
const HASH_HIGH = 1;
/** Numbers at the start of a row that hold its hash. */
export const HASH_SIZE = 2;

export type Normalise = (at: number, value: number, read: (at: number) => number) => number;

export class Rows {
  /** What each cell holds: an address or the name of a ghost. */
  readonly keys: (number | string)[] = [];
  readonly #cells = new Map<number | string, number>();
  readonly #fixed: number;
  readonly #normalise: Normalise | undefined;
  /** Values that are no 32-bit integers, by their place in the order in which they were seen. */
  readonly #others = new Map<number, number>();
  #data: Float64Array;
  #stride: number;
  #rows = 64;

  /** `fixed`: length of the fixed part, `HASH_SIZE` included. */
  constructor(fixed: number, normalise?: Normalise) {
    this.#fixed = fixed;
    this.#normalise = normalise;
    this.#stride = fixed + 32;
    this.#data = new Float64Array(this.#stride * this.#rows);
  }

  /** The place of an address or ghost in a row. */
  cellOf(key: number | string): number {
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = this.#fixed + this.keys.length;
      this.keys.push(key);
      this.#cells.set(key, cell);
      if (cell >= this.#stride) this.#resize(this.#rows, this.#stride * 2);
    }
    return cell;
  }

  /** The place of an address if it was ever touched. */
  findCell(key: number | string): number | undefined {
    return this.#cells.get(key);
  }

  get(row: number, place: number): number {
    return this.#data[row * this.#stride + place]!;
  }

  set(row: number, place: number, value: number): void {
    const start = row * this.#stride;
    const before = this.#data[start + place]!;
    if (before === value) return;
    this.#data[start + place] = value;
    if (this.#normalise && place >= this.#fixed && typeof this.keys[place - this.#fixed] === 'number') return;
    const old = this.#integerOf(before);
    const now = this.#integerOf(value);
    this.#data[start + HASH_LOW] = this.#data[start + HASH_LOW]! ^ mixLow(place, old) ^ mixLow(place, now);
    this.#data[start + HASH_HIGH] = this.#data[start + HASH_HIGH]! ^ mixHigh(place, old) ^ mixHigh(place, now);
  }

  copy(from: number, to: number): void {
    if (to >= this.#rows) this.#resize(this.#rows * 2, this.#stride);
    const end = this.#fixed + this.keys.length;
    this.#data.copyWithin(to * this.#stride, from * this.#stride, from * this.#stride + end);
  }

  /** The two halves of the hash of a row, `salt` mixed in. */
  hash(row: number, salt: number, into: Int32Array): void {
    const start = row * this.#stride;
    let low = this.#data[start + HASH_LOW]! ^ mixLow(HASH_LOW, salt);
    let high = this.#data[start + HASH_HIGH]! ^ mixHigh(HASH_LOW, salt);
    if (this.#normalise) {
      const read = (at: number): number => {
        const cell = this.#cells.get(at);
        return cell === undefined ? 0 : this.#data[start + cell]!;
      };
      for (const [i, key] of this.keys.entries()) {
        if (typeof key !== 'number') continue;
        const place = this.#fixed + i;
        const value = this.#integerOf(this.#normalise(key, this.#data[start + place]!, read));
        low ^= mixLow(place, value);
        high ^= mixHigh(place, value);
      }
    }
    into[0] = low;
    into[1] = high;
  }

  #integerOf(value: number): number {
    const integer = value | 0;
    if (integer === value) return integer;
    let other = this.#others.get(value);
    if (other === undefined) {
      // Far from the small integers that states are made of.
      other = 0x5bd1e995 + this.#others.size;
      this.#others.set(value, other);
    }
    return other | 0;
  }

  #resize(rows: number, stride: number): void {
    const data = new Float64Array(rows * stride);
    for (let row = 0; row < this.#rows; row++) {
      data.set(this.#data.subarray(row * this.#stride, (row + 1) * this.#stride), row * stride);
    }
    this.#data = data;
    this.#rows = rows;
    this.#stride = stride;
  }
}

// The finalizer of MurmurHash3, over a different combination of place and value in each half.

function finalize(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixLow(place: number, value: number): number {
  return value === 0 ? 0 : finalize(value ^ Math.imul(place + 1, 0x9e3779b1));
}

function mixHigh(place: number, value: number): number {
  return value === 0 ? 0 : finalize(Math.imul(value, 0xcc9e2d51) + Math.imul(place + 1, 0x1b873593));
}
