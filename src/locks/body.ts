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
  const { then } = Object(result ?? {}) as Partial<PromiseLike<unknown>>;
  if (typeof then !== 'function') return result;
  // Its outcome has nobody to go to; the error says why.
  then.call(result, undefined, () => {});
  throw refuse();
}
