/** From text to terms: words, the parts of compound words (`readFileSync`: read, file, sync), and pairs of neighbouring words. */

const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/gu;
const PART = /\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{Lo}+|\p{N}+/gu;

/** Shorter ones say nothing; longer ones are encoded data. */
const SHORTEST = 2;
const LONGEST = 48;

export interface Counts {
  /** Words and parts of words, repeated ones included. */
  readonly tokens: number;
  /** How often each term occurs. */
  readonly terms: ReadonlyMap<string, number>;
}

/** A term as the shared table wants it; the hash is taken outside the lock. */
export interface Term {
  readonly text: string;
  readonly hash: number;
  readonly count: number;
}

export function countTerms(text: string): Counts {
  const terms = new Map<string, number>();
  const add = (term: string): void => void terms.set(term, (terms.get(term) ?? 0) + 1);
  let tokens = 0;
  let previous: string | undefined;
  for (const [written] of text.matchAll(WORD)) {
    if (written.length < SHORTEST || written.length > LONGEST) continue;
    const word = written.toLowerCase();
    tokens++;
    add(word);
    if (previous !== undefined) add(`${previous} ${word}`);
    previous = word;
    const parts = written.match(PART);
    if (parts === null || parts.length < 2) continue;
    for (const part of parts) {
      if (part.length < SHORTEST) continue;
      tokens++;
      add(part.toLowerCase());
    }
  }
  return { tokens, terms };
}

/** Deals the terms of a file out to `shards` tables by their hash. */
export function deal({ terms }: Counts, shards: number): Term[][] {
  const hands: Term[][] = Array.from({ length: shards }, () => []);
  for (const [text, count] of terms) {
    const hash = hashOf(text);
    // The upper bits: the tables themselves go by the lower ones.
    hands[(hash >>> 16) % shards]!.push({ text, hash, count });
  }
  return hands;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
