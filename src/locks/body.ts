import type { LockError } from '../contract/errors.js';

/**
 * Calls `body` and gives the hold back when it returns or throws. Throws what `refuse` makes if a promise was returned: what is still to
 * be done would be done without the hold.
 */
export function runBody<T>(hold: { release(): void }, body: () => T, refuse: () => LockError): T {
  let result: T;
  try {
    result = body();
  } catch (error) {
    hold.release();
    throw error;
  }
  hold.release();
  refuseThenable(result, refuse);
  return result;
}

/** Throws what `refuse` makes if what a function under a lock has returned is a promise. */
export function refuseThenable(result: unknown, refuse: () => LockError): void {
  const { then } = Object(result ?? {}) as Partial<PromiseLike<unknown>>;
  if (typeof then !== 'function') return;
  // Its outcome has nobody to go to; the error says why.
  then.call(result as PromiseLike<unknown>, undefined, () => {});
  throw refuse();
}
