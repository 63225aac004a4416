/** Several locks at once. All threads take them in one order, so that no two wait for each other. */
import { now } from '../contract/clock.js';
import { LockError } from '../contract/errors.js';
import { type AcquireAsyncOptions, type AcquireOptions, type Guard, type Lock, lockOrder } from '../contract/lock.js';
import { runBody } from './body.js';
import { functionOf, optionsOf, timeoutOf } from './options.js';

/** The guards of several locks, in the order in which the locks were given. */
export type GuardsOf<Locks extends readonly Lock[]> = { readonly [At in keyof Locks]: ReturnType<Locks[At]['acquire']> };

/** One hold of several locks; made by {@link acquireAll} and its siblings. */
export class GuardSet<Locks extends readonly Lock[] = readonly Lock[]> implements Disposable, AsyncDisposable {
  /** In the order in which the locks were given. */
  readonly guards: GuardsOf<Locks>;
  #taken: readonly Guard[] | undefined;

  /** @internal `taken`: the guards in the order in which they were acquired. */
  constructor(guards: GuardsOf<Locks>, taken: readonly Guard[]) {
    this.guards = guards;
    this.#taken = taken;
  }

  /** Whether all of the locks are still held by this set. */
  get held(): boolean {
    return this.#taken?.every((guard) => guard.held) ?? false;
  }

  /** Gives all locks back, the last one first, and throws afterwards what any of them has thrown. The second call does nothing. */
  release(): void {
    report(giveBack(this.#end()));
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    report(await giveBackAsync(this.#end()));
  }

  /** What is to be given back, if that was not done before. */
  #end(): readonly Guard[] {
    const taken = this.#taken ?? [];
    this.#taken = undefined;
    return taken;
  }
}

/**
 * Calls `fn` with all of these locks held, of whichever kinds and managers; gives them back when it returns or throws. Not for functions that
 * return a promise: see {@link lockAllAsync}.
 *
 * When to use: whenever more than one lock is needed at a time. The locks are taken in an order that depends on nothing but which locks
 * they are, so two threads that name them in different orders do not wait for each other.
 *
 * Guarantees: all or nothing. If one is refused, those taken before are given back, the last one first, and the error of the refused one, of the
 * same code, says which of how many it was. It does not help against a lock that the thread holds already.
 *
 * Blocking: as `lock.acquire` of each. `timeoutMs` is one limit for all of them together; omitted, each has its own default.
 *
 * @throws LockError what acquiring one of them throws; `ERR_LOCK_ASYNC_BODY`. TypeError if one lock is given twice, in whichever modes.
 *
 * @example
 * import { lockAll } from 'holdfast';
 * const [from, to] = [manager.mutex('account/7'), manager.mutex('account/3')];
 * lockAll([from, to], () => { balance[0] -= 10; balance[1] += 10; }, { timeoutMs: 5_000 });
 */
export function lockAll<const Locks extends readonly Lock[], T>(locks: Locks, fn: (held: GuardSet<Locks>) => T, options?: AcquireOptions): T {
  functionOf(fn, 'fn');
  const held = acquireAll(locks, options);
  return runBody(held, () => fn(held), () => asyncBody(lockAll));
}

/** Awaits `fn` with all of these locks held, taken as by {@link lockAll}; gives them back when its promise settles. */
export async function lockAllAsync<const Locks extends readonly Lock[], T>(
  locks: Locks,
  fn: (held: GuardSet<Locks>) => T | Promise<T>,
  options?: AcquireAsyncOptions,
): Promise<T> {
  functionOf(fn, 'fn');
  const held = await acquireAllAsync(locks, options);
  try {
    return await fn(held);
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

/** Acquires all of these locks, blocking, as {@link lockAll} does; all or nothing. */
export function acquireAll<const Locks extends readonly Lock[]>(locks: Locks, options?: AcquireOptions): GuardSet<Locks> {
  const places = inOrder(locks);
  const next = withOneDeadline(options);
  const taken: Guard[] = [];
  try {
    for (const { lock } of places) taken.push(lock.acquire(next()));
  } catch (error) {
    // What these may throw is less than what the caller needs to hear.
    giveBack(taken);
    throw refusal(error, taken.length, places, acquireAll);
  }
  return setOf(places, taken);
}

/** Acquires all of these locks without blocking the thread, as {@link lockAllAsync} does; all or nothing. */
export async function acquireAllAsync<const Locks extends readonly Lock[]>(locks: Locks, options?: AcquireAsyncOptions): Promise<GuardSet<Locks>> {
  const places = inOrder(locks);
  const next = withOneDeadline(options);
  const taken: Guard[] = [];
  try {
    for (const { lock } of places) taken.push(await lock.acquireAsync(next()));
  } catch (error) {
    await giveBackAsync(taken);
    throw refusal(error, taken.length, places, acquireAllAsync);
  }
  return setOf(places, taken);
}

/** A lock, where in the list it was given, and by what it is sorted. */
interface Place {
  readonly lock: Lock;
  readonly at: number;
  readonly key: string;
}

function inOrder(locks: readonly Lock[]): Place[] {
  const places = [...locks].map((lock, at): Place => ({ lock, at, key: keyOf(lock, at) })).sort(byKey);
  const twice = places.find(({ key }, i) => key === places[i + 1]?.key);
  if (twice !== undefined) throw new TypeError(`locks: "${twice.lock.name}" is given twice, and would wait for itself`);
  return places;
}

function keyOf(lock: Lock, at: number): string {
  if (typeof Object(lock).acquire !== 'function') throw new TypeError(`locks[${at}] is no lock`);
  return lock[lockOrder] ?? `1:${lock.name}:${lock.kind}`;
}

/** By UTF-16 units, which no locale changes. */
function byKey(a: Place, b: Place): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/** Gives the options for the next acquisition: what is left of the time is its time-out, in whole milliseconds. */
function withOneDeadline<O extends { readonly timeoutMs?: number | undefined }>(options: O | undefined): () => O | undefined {
  const { timeoutMs } = optionsOf(options, 'options');
  if (options === undefined || timeoutMs === undefined) return () => options;
  const deadline = now() + timeoutOf(timeoutMs, 0);
  return () => ({ ...options, timeoutMs: Math.max(0, Math.ceil(deadline - now())) });
}

function setOf<Locks extends readonly Lock[]>(places: readonly Place[], taken: readonly Guard[]): GuardSet<Locks> {
  const guards: Guard[] = [];
  places.forEach(({ at }, i) => (guards[at] = taken[i]!));
  return new GuardSet(guards as unknown as GuardsOf<Locks>, taken);
}

/** Returns what the releases have thrown. */
function giveBack(taken: readonly Guard[]): unknown[] {
  const errors: unknown[] = [];
  for (const guard of taken.toReversed()) {
    try {
      guard.release();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

async function giveBackAsync(taken: readonly Guard[]): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const guard of taken.toReversed()) {
    try {
      await guard[Symbol.asyncDispose]();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

function report(errors: readonly unknown[]): void {
  if (errors.length > 1) throw new AggregateError(errors, 'locks could not be given back');
  if (errors.length > 0) throw errors[0];
}

/** The error of the lock that was refused, and which one that was. */
function refusal(error: unknown, taken: number, places: readonly Place[], within: (...args: never[]) => unknown): unknown {
  const cause = LockError.from(error);
  if (cause === undefined) return error;
  const { length } = places;
  const firstLineEnd = /$/m;
  const message = cause.message.replace(firstLineEnd, `; it is lock ${taken + 1} of ${length} in order, and those before it were given back`);
  return new LockError(cause.code, message, { ...cause.report, index: places[taken]!.at, taken, of: length }, within);
}

function asyncBody(within: (...args: never[]) => unknown): LockError {
  const hint = 'use lockAllAsync(), which holds the locks until the promise settles';
  return new LockError('ERR_LOCK_ASYNC_BODY', `the function given to lockAll() returned a promise, which goes on without the locks\n  hint: ${hint}`, { hint }, within);
}
