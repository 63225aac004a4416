/** What users put into a queue, and the bytes that lie there. */
import type { Parcel } from '../raw/ring.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What survives `JSON.stringify` and `JSON.parse` as it is. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** An item as bytes; those of a `Uint8Array` are the caller's own. Throws what `JSON.stringify` throws. */
export function packItem(item: unknown, queue: string): Parcel {
  if (isBytes(item)) return { bytes: item, isJson: false };
  if (ArrayBuffer.isView(item) || Object.prototype.toString.call(item).endsWith('ArrayBuffer]')) {
    throw new TypeError(`an item of "${queue}" must be a JSON value or a Uint8Array; make one of the memory: new Uint8Array(buffer, byteOffset, byteLength)`);
  }
  const text = JSON.stringify(item) as string | undefined;
  if (text === undefined) throw new TypeError(`an item of "${queue}" must be a JSON value or a Uint8Array, not ${typeof item}`);
  return { bytes: encoder.encode(text), isJson: true };
}

export function unpackItem({ bytes, isJson }: Parcel): unknown {
  return isJson ? JSON.parse(decoder.decode(bytes)) : bytes;
}

/** Whichever realm made it. */
function isBytes(item: unknown): item is Uint8Array {
  return ArrayBuffer.isView(item) && Object.prototype.toString.call(item) === '[object Uint8Array]';
}
