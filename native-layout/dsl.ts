/**
 * A small language for records in shared memory. Offsets are written by hand, so that a reader can hold the code against
 * a memory dump; the language only checks them: no overlap, no hole, no field across its natural alignment, no bit twice.
 */

/** `i32` is read and written atomically; `f64` and `bytes` are plain data under the protection that `writers` names. */
export type FieldType = 'i32' | 'f64' | 'bytes';

export interface BitField {
  /** Lowest bit. */
  readonly bit: number;
  /** Number of bits. */
  readonly width: number;
  readonly means: string;
  /** In which direction this bit may be out of date, and in which never. */
  readonly staleness: string;
}

export interface Field {
  /** Byte offset in the record. */
  readonly at: number;
  readonly type: FieldType;
  /** Only for `bytes`. */
  readonly length?: number;
  readonly means: string;
  readonly writers: string;
  /** `true` where an agent may sleep on this word. */
  readonly waitedOn?: true;
  readonly bits?: Readonly<Record<string, BitField>>;
  /** The legal states of a lock word, numbered as the code cites them. */
  readonly states?: readonly string[];
}

export interface RecordSpec {
  readonly name: string;
  readonly means: string;
  /** Bytes from one record to the next. */
  readonly size: number;
  /** Records start on multiples of this many bytes. */
  readonly align: number;
  readonly fields: Readonly<Record<string, Field>>;
}

const widths = { i32: 4, f64: 8 } as const;

/** Bytes that a field takes. */
export function fieldLength(field: Field): number {
  return field.type === 'bytes' ? (field.length ?? 0) : widths[field.type];
}

function checkBits(where: string, bits: Readonly<Record<string, BitField>>): void {
  let used = 0n;
  for (const [name, { bit, width }] of Object.entries(bits)) {
    if (bit < 0 || width < 1 || bit + width > 32) throw new Error(`${where}.${name}: bits ${bit}+${width} do not fit 32`);
    const mask = ((1n << BigInt(width)) - 1n) << BigInt(bit);
    if (used & mask) throw new Error(`${where}.${name}: overlaps another bit field`);
    used |= mask;
  }
}

/** Checks a record and returns it with its literal types. Unused bytes are declared as `reserved…` fields, never left out. */
export function record<const R extends RecordSpec>(spec: R): R {
  if (spec.size % spec.align !== 0) throw new Error(`${spec.name}: size ${spec.size} is no multiple of its alignment ${spec.align}`);
  let end = 0;
  for (const [name, field] of Object.entries(spec.fields) as [string, Field][]) {
    const where = `${spec.name}.${name}`;
    const length = fieldLength(field);
    if (length <= 0) throw new Error(`${where}: has no length`);
    if (field.at < end) throw new Error(`${where}: at ${field.at} overlaps the field before it, which ends at ${end}`);
    if (field.at > end) throw new Error(`${where}: hole of ${field.at - end} bytes before it`);
    if (field.type !== 'bytes' && field.at % widths[field.type] !== 0) throw new Error(`${where}: at ${field.at} is not aligned`);
    if (field.bits) checkBits(where, field.bits);
    end = field.at + length;
  }
  if (end !== spec.size) throw new Error(`${spec.name}: fields end at ${end}, size says ${spec.size}`);
  return spec;
}

/** The mask of a bit field, in place. */
export function mask(field: BitField): number {
  return field.width === 32 ? -1 : ((2 ** field.width - 1) << field.bit) | 0;
}
