/** Checks of what callers pass. */

/** Longest delay of a timer; a longer time-out has none. */
export const TIMER_LIMIT_MS = 2 ** 31 - 1;

/** A time-out in ms; `undefined` is the default. Throws a `TypeError` for anything but a non-negative number. */
export function timeoutOf(value: unknown, defaultMs: number, what = 'timeoutMs'): number {
  if (value === undefined) return defaultMs;
  if (typeof value === 'number' && value >= 0) return value;
  throw new TypeError(`${what} must be a non-negative number of milliseconds or Infinity, not ${show(value)}`);
}

/** One of a few words. */
export function choiceOf<T extends string>(value: unknown, choices: readonly T[], fallback: T, what: string): T {
  if (value === undefined) return fallback;
  if (choices.includes(value as T)) return value as T;
  throw new TypeError(`${what} must be ${choices.map((c) => `'${c}'`).join(' or ')}, not ${show(value)}`);
}

/** A whole number from `least` to `most`. */
export function countOf(value: unknown, fallback: number, least: number, most: number, what: string): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw new TypeError(`${what} must be a whole number from ${least} to ${most}, not ${show(value)}`);
}

export function flagOf(value: unknown, what: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new TypeError(`${what} must be true or false, not ${show(value)}`);
}

export function functionOf(value: unknown, what: string): void {
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function, not ${show(value)}`);
}

/** An options object, or none. */
export function optionsOf<T extends object>(value: T | undefined, what: string): Partial<T> {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null) return value;
  throw new TypeError(`${what} must be an object, not ${show(value)}`);
}

/** A signal, whichever realm made it. */
export function signalOf(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return value as AbortSignal;
  throw new TypeError(`signal must be an AbortSignal, not ${show(value)}`);
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : typeof value === 'object' && value !== null ? 'an object' : String(value);
}
