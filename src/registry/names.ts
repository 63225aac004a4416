import { NAME_LIMIT, slot } from '../../native-layout/index.js';
import { nameWord, type PackedName } from '../raw/names.js';
import { type Segment, slotAt } from '../shm/segment.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A name in the form in which it lies in shared memory. Throws a `TypeError` for what is no name. */
export function packName(name: unknown): PackedName {
  if (typeof name !== 'string') throw new TypeError(`a lock name must be a string, not ${name === null ? 'null' : typeof name}`);
  if (name === '') throw new TypeError('a lock name must not be empty');
  const bytes = encoder.encode(name);
  if (bytes.length > NAME_LIMIT) {
    throw new TypeError(`a lock name may take ${NAME_LIMIT} bytes of UTF-8; ${JSON.stringify(`${name.slice(0, 40)}…`)} takes ${bytes.length}`);
  }
  // The encoder turns lone surrogates into U+FFFD, so two different strings would become one lock.
  if (decoder.decode(bytes) !== name) throw new TypeError(`a lock name must be well-formed Unicode: ${JSON.stringify(name)}`);
  const packed = new Int32Array(Math.ceil(bytes.length / Int32Array.BYTES_PER_ELEMENT));
  new Uint8Array(packed.buffer).set(bytes);
  return { hash: hash(bytes), length: bytes.length, packed };
}

/** The same name for the part of a lock: no name that `packName` returns is equal to it, since of those the hash is another. */
export function packPart(name: string): PackedName {
  const whole = packName(name);
  return { ...whole, hash: ~whole.hash };
}

/** FNV-1a, 32 bits, with a last mix so that the low bits, which choose the cell, depend on all of them. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return (value ^ (value >>> 15)) | 0;
}

/** The name of a published slot. */
export function nameOf(segment: Segment, number: number): string {
  const length = segment.words.load(slotAt(segment, number) + slot.fields.nameLength.at);
  const packed = new Int32Array(Math.ceil(length / Int32Array.BYTES_PER_ELEMENT));
  for (let i = 0; i < packed.length; i++) packed[i] = segment.words.load(nameWord(segment, number, i));
  return decoder.decode(new Uint8Array(packed.buffer, 0, length));
}
