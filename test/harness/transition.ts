/** A transition of the whole system as one number: what happens, to which thread, and which of several outcomes. */

export const STEP = 0;
export const WOKEN = 1;
export const TIME_OUT = 2;
export const SPURIOUS = 3;
export const KILL = 4;
export const GONE = 5;

const names = ['step', 'woken', 'timed out', 'woken spuriously', 'killed', 'gone'] as const;

export interface Transition {
  readonly kind: number;
  readonly name: (typeof names)[number];
  readonly thread: number;
  readonly outcome: number;
}

export function encode(kind: number, thread: number, outcome = 0): number {
  return (kind << 16) | (outcome << 8) | thread;
}

export function decode(code: number): Transition {
  return { kind: kindOf(code), name: names[kindOf(code)]!, thread: threadOf(code), outcome: outcomeOf(code) };
}

export function kindOf(code: number): number {
  return code >> 16;
}

export function threadOf(code: number): number {
  return code & 0xff;
}

export function outcomeOf(code: number): number {
  return (code >> 8) & 0xff;
}
