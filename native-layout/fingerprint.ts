import type { RecordSpec } from './dsl.js';
import { LAYOUT_VERSION, records } from './records.js';

/** Hash (FNV-1a, 32 bits) of everything by which two builds could misread each other: sizes, offsets, types and bits. */
export function fingerprint(): number {
  let hash = 0x811c9dc5 ^ LAYOUT_VERSION;
  const text = JSON.stringify((records as readonly RecordSpec[]).map(offsets));
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}

/** The numbers of a record, without its words. */
export function offsets({ name, size, align, fields }: RecordSpec) {
  const places = Object.entries(fields).map(([field, { at, type, length, bits }]) => [
    field,
    at,
    type,
    length ?? 0,
    Object.entries(bits ?? {}).map(([bit, place]) => [bit, place.bit, place.width]),
  ]);
  return { name, size, align, places };
}
