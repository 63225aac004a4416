/**
 * `holdfast/decorators`: methods that hold a lock while they run. Standard decorators, as TypeScript compiles them without
 * `experimentalDecorators`, and esbuild.
 */
import { LockError } from '../contract/errors.js';
import type { CancelSource, Lock } from '../contract/lock.js';
import { runBody } from '../locks/body.js';
import { functionOf, optionsOf, timeoutOf } from '../locks/options.js';
import { readSemaphoreOptions, type SemaphoreOptions } from '../locks/semaphore.js';
import type { LockManager } from '../manager/manager.js';
import type { MutexOptions } from '../manager/options.js';
import { whichManager } from './which-manager.js';

/** Computes something from a call: `this` is the object of the method, the arguments are those of the call. */
export type OfCall<This, Args extends readonly unknown[], Result> = (this: This, ...args: Args) => Result;

/** What all decorators of this file take. */
export interface HoldOptions<This, Args extends readonly unknown[]> {
  /** The manager of the lock, or its name, by which it is looked up at each call; omitted, the default one. */
  readonly manager?: LockManager | string | undefined;
  /** How long a call waits for the lock at most, ms. Omitted: the default of the manager. */
  readonly timeoutMs?: number | undefined;
  /**
   * The method returns a promise. Needed only where that can not be seen: a method that is not written `async`, or was compiled to
   * something else, or is wrapped by another decorator.
   */
  readonly async?: true | undefined;
  /** Of a blocking method: the token that ends the wait of a call, if any. */
  readonly cancel?: OfCall<This, Args, CancelSource | undefined> | undefined;
  /** Of an asynchronous method: the signal that ends the wait of a call, if any. */
  readonly signal?: OfCall<This, Args, AbortSignal | undefined> | undefined;
}

/** What {@link locked} takes: how to wait, and what the mutex is, as for `manager.mutex`. */
export interface LockedOptions<This, Args extends readonly unknown[]> extends HoldOptions<This, Args>, Omit<MutexOptions, 'timeoutMs'> {}

/** What {@link limited} takes: how to wait, and how many permits there are, as for `manager.semaphore`. */
export interface LimitedOptions<This, Args extends readonly unknown[]> extends HoldOptions<This, Args>, Omit<SemaphoreOptions, 'timeoutMs'> {}

/** A decorator of methods that are called with such an object and with at least such arguments. */
export type LockingDecorator<This, Args extends readonly unknown[]> = <Self extends This, All extends Args, Result>(
  method: OfCall<Self, All, Result>,
  context: ClassMethodDecoratorContext<Self, OfCall<Self, All, Result>>,
) => OfCall<Self, All, Result>;

type AtLeast<Args extends readonly unknown[]> = readonly [...Args, ...unknown[]];

/**
 * Has a method hold a mutex while it runs.
 *
 * An `async` method awaits the lock and holds it until its promise settles. Every other method blocks the calling thread, so on the main
 * thread it is refused if it would have to wait; if it returns a promise, which would go on without the lock, the call throws
 * `ERR_LOCK_ASYNC_BODY`: declare it by `{ async: true }`. Generators can not be decorated.
 *
 * The lock is opened at each call, in the manager that there is then. Give `timeoutMs`, `cancel` and `signal` as for acquiring.
 *
 * @param name the name of the lock, or a function that computes it from `this` and the arguments of the call.
 * @throws TypeError where the method is decorated, if an option is none.
 *
 * @example
 * import { locked } from 'holdfast/decorators';
 * class Account {
 *   balance = 100;
 *   constructor(readonly id: string) {}
 *   @locked(function (this: Account) { return `account/${this.id}`; }, { timeoutMs: 5_000 })
 *   withdraw(amount: number) { this.balance -= amount; }
 *   @locked((file: string) => `import/${file}`)
 *   static async load(file: string) { await rebuild(); }
 * }
 * new Account('7').withdraw(10);
 * await Account.load('accounts.csv');
 */
export function locked<NameThis = unknown, NameArgs extends readonly unknown[] = [], This = unknown, Args extends readonly unknown[] = []>(
  name: string | OfCall<NameThis, NameArgs, string>,
  options?: LockedOptions<This, Args>,
): LockingDecorator<NameThis & This, AtLeast<NameArgs> & AtLeast<Args>> {
  return decorator('locked', name, options, (manager, lock, mutex: MutexOptions | undefined) => manager.mutex(lock, mutex));
}

/**
 * Has a method hold one permit of a semaphore while it runs: so many calls at a time, in whichever threads.
 *
 * Which methods wait and which block, and when the semaphore is opened: as for {@link locked}. A method that calls itself needs one more
 * permit each time.
 *
 * @param name the name of the semaphore, or a function that computes it from `this` and the arguments of the call.
 * @param options `permits` is how many calls run at a time; the same wherever that name is used.
 * @throws TypeError where the method is decorated, if an option is none or `permits` are missing.
 *
 * @example
 * import { limited } from 'holdfast/decorators';
 * class Api {
 *   @limited('api', { permits: 4, timeoutMs: 5_000 })
 *   get() { return balance[0]; }
 *   @limited((host: string) => `host/${host}`, { permits: 2 })
 *   async fetch(host: string) { await rebuild(); }
 * }
 * new Api().get();
 * await new Api().fetch('example.org');
 */
export function limited<NameThis = unknown, NameArgs extends readonly unknown[] = [], This = unknown, Args extends readonly unknown[] = []>(
  name: string | OfCall<NameThis, NameArgs, string>,
  options: LimitedOptions<This, Args>,
): LockingDecorator<NameThis & This, AtLeast<NameArgs> & AtLeast<Args>> {
  const { permits } = readSemaphoreOptions(typeof name === 'string' ? name : '@limited', options);
  return decorator('limited', name, options, (manager, lock) => manager.semaphore(lock, { permits }));
}

type AnyCall<Result> = (this: unknown, ...args: unknown[]) => Result;

interface AnyOptions extends Omit<HoldOptions<unknown, unknown[]>, 'cancel' | 'signal'> {
  readonly cancel?: AnyCall<CancelSource | undefined> | undefined;
  readonly signal?: AnyCall<AbortSignal | undefined> | undefined;
}

/** `open` gets those options that are its own, if there are any. */
function decorator<This, Args extends readonly unknown[], Own extends object>(
  title: string,
  name: string | OfCall<never, never, string>,
  options: object | undefined,
  open: (manager: LockManager, name: string, own: Own | undefined) => Lock,
): LockingDecorator<This, Args> {
  const { manager, timeoutMs, async: declared, cancel, signal, ...rest } = optionsOf(options as AnyOptions | undefined, 'options');
  const own = Object.keys(rest).length === 0 ? undefined : (rest as Own);
  const nameOf = typeof name === 'string' ? () => name : (name as AnyCall<string>);
  functionOf(nameOf, 'name');
  timeoutOf(timeoutMs, 0);
  if (cancel !== undefined) functionOf(cancel, 'cancel');
  if (signal !== undefined) functionOf(signal, 'signal');
  const lockOf = (self: unknown, args: unknown[]): Lock => open(whichManager(manager), nameOf.apply(self, args), own);

  const decorate = (method: AnyCall<unknown>, context: { readonly kind?: unknown; readonly name?: unknown }): AnyCall<unknown> => {
    const kind = typeof method === 'function' ? Object.prototype.toString.call(method).slice('[object '.length, -1) : 'none';
    if (Object(context).kind !== 'method' || kind === 'none') throw new TypeError(`@${title} is a standard decorator, and of methods only`);
    const what = `@${title} of ${String(context.name)}`;
    if (kind.includes('Generator')) throw new TypeError(`${what}: a generator goes on after its call has returned`);
    const isAsync = declared === true || kind === 'AsyncFunction';
    if (isAsync ? cancel : signal) throw new TypeError(`${what}: ${isAsync ? 'cancel is for blocking methods, signal for asynchronous ones' : 'signal is for asynchronous methods, cancel for blocking ones'}`);
    const held: AnyCall<unknown> = isAsync
      ? // An async function, so that another decorator around this one sees what it is.
        async function (this: unknown, ...args) {
          return lockOf(this, args).runAsync(() => method.apply(this, args), { timeoutMs, signal: signal?.apply(this, args) });
        }
      : function (this: unknown, ...args) {
          const guard = lockOf(this, args).acquire({ timeoutMs, cancel: cancel?.apply(this, args) });
          return runBody(guard, () => method.apply(this, args), () => asyncBody(what, guard.lock));
        };
    return Object.defineProperty(held, 'name', { value: method.name });
  };
  return decorate as unknown as LockingDecorator<This, Args>;
}

function asyncBody(what: string, { name, kind, mode }: Lock): LockError {
  const hint = `decorate it with { async: true }: the lock is then awaited, and held until the promise settles`;
  return new LockError('ERR_LOCK_ASYNC_BODY', `${what}: the method returned a promise, and "${name}" is not held until that settles\n  hint: ${hint}`, { lock: name, kind, mode, hint });
}
