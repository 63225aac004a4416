/** Real threads and processes for the tests of the public face. Nothing here waits without a deadline. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads';
import { type AcquireAsyncOptions, type AcquireOptions, type CancelSource, LockError, type LockErrorCode, type LockManager, type ManagerOptions, type MutexOptions, type OwnerDeath, type PermitAsyncOptions, type PermitCount, type PermitOptions, type QueueOptions, type RwlockOptions, type SemaphoreOptions, type SharedManager, type SnapshotData } from 'holdfast';
import type { SubjectName } from '../fixtures/subjects.mjs';

/** Far longer than anything here takes on a busy machine, and shorter than the limit of a test. */
const DEADLINE_MS = 20_000;

/** What can be said of a guard in another thread. */
export interface GuardFacts {
  readonly held: boolean;
  readonly fencingToken: bigint;
  readonly ownerDied: OwnerDeath | undefined;
  /** Of a semaphore. */
  readonly permits: number | undefined;
}

/** What `fixtures/thread.mjs` does on request. Guards lie on a stack per lock; `release` takes the last one. */
export interface Operations {
  attach(shared?: SharedManager | string): { readonly threadId: number; readonly name: string | undefined };
  create(options?: ManagerOptions): string | undefined;
  close(): void;
  open(lock: string, options: MutexOptions): void;
  openSemaphore(lock: string, options: SemaphoreOptions): void;
  /** Calls a method of a queue. */
  onQueue(name: string, options: QueueOptions, method: 'push' | 'pop' | 'tryPush' | 'tryPop' | 'pushAsync' | 'popAsync' | 'close', ...args: readonly unknown[]): unknown;
  /** From then on `condition` means that one, with the mutex `lock`. */
  openCondition(condition: string, lock: string): void;
  /** Waits with the last guard of the lock, until notified. */
  waitFor(condition: string, lock: string, options?: AcquireOptions): GuardFacts;
  /** The same with the cancel token in the `workerData` of this thread. */
  waitCancellable(condition: string, lock: string): GuardFacts;
  /** Acquires the lock, waits until notified, appends `entry` to `log`, releases. */
  waitAndNote(condition: string, lock: string, log: Int32Array, entry: number): void;
  /** That often: waits until `items[0]` is not 0, makes it 0, and adds 1 to `items[1]`. */
  consume(condition: string, lock: string, items: Int32Array, rounds: number): void;
  /**
   * That often: puts an item into a buffer that holds three, or takes one. `buffer`: how many are inside, how many were put, and taken, and how
   * often there was none to take or no room, though that was waited for.
   */
  passItems(condition: string, lock: string, buffer: Int32Array, way: 'put' | 'take', rounds: number): void;
  /** Opens a latch, if there is a count, or an event. */
  openGate(gate: string, options: { readonly autoReset?: boolean; readonly count?: number }): void;
  /** Waits for it, and then appends `entry` to `log`. */
  passAndNote(gate: string, log: Int32Array, entry: number, options?: AcquireOptions): void;
  /** Waits for it, with the cancel token in the `workerData` of this thread. */
  passCancellable(gate: string): void;
  /** Counts a latch down, that often. */
  countDown(latch: string, times?: number): void;
  openBarrier(barrier: string, parties: number): void;
  meet(barrier: string, options?: AcquireOptions): number;
  meetAsync(barrier: string): number;
  /** Counts in `shadow[0]` before it meets, that often, and in `shadow[1]` how often fewer than four had counted then. */
  meetOften(barrier: string, shadow: Int32Array, rounds: number): void;
  /** How often it met before the barrier broke. */
  meetUntilBroken(barrier: string): number;
  /** Opens it with a repair that appends 1 to `log`, and throws if `fails`. */
  openWithRepair(lock: string, log: Int32Array, outcome: 'succeeds' | 'fails'): void;
  openRwlock(lock: string, options: RwlockOptions): void;
  /** Of the last guard of a lock. A mode of an rwlock is named `lock#read`, `lock#write` or `lock#upgradableRead`. */
  downgrade(lock: string): GuardFacts;
  upgrade(lock: string, options?: AcquireOptions): GuardFacts;
  upgradeAsync(lock: string, options?: AcquireAsyncOptions): GuardFacts;
  /** Reads until that many parties read. */
  meetInside(lock: string, shadow: Int32Array, parties: number): void;
  /** As `count`, in one form of an rwlock. `shadow[2]` counts whom a writer met, and what changed under a reader. */
  mix(lock: string, shadow: Int32Array, rounds: number, form: RwlockForm, parties: number): void;
  /** Adds 1 to `data[0]` and to `data[1]` under the write lock, again and again until `data[2]` is set. */
  writePairs(lock: string, data: Int32Array): void;
  /** As `hammer`, in one mode of an rwlock; counts its rounds in `counter[0]`. */
  hammerRwlock(lock: string, mode: 'read' | 'write', gate: Int32Array, counter: Int32Array): void;
  acquire(lock: string, options?: PermitOptions): GuardFacts;
  tryAcquire(lock: string, options?: PermitCount): GuardFacts | undefined;
  acquireAsync(lock: string, options?: PermitAsyncOptions): GuardFacts;
  acquireInconsistent(lock: string, options?: AcquireOptions): GuardFacts;
  markConsistent(lock: string): void;
  release(lock: string): GuardFacts;
  lock(lock: string, options?: AcquireOptions): OwnerDeath | undefined;
  unlock(lock: string): void;
  assertHeld(lock: string): void;
  /** Acquires, appends `entry` to `log`, releases. */
  enter(lock: string, log: Int32Array, entry: number, options?: PermitOptions): void;
  enterAsync(lock: string, log: Int32Array, entry: number, options?: PermitAsyncOptions): void;
  /**
   * Once that many parties have come: adds 1 to `shadow[0]`, a plain number, under the lock, that often, by that method. Counts in
   * `shadow[2]` how often another was inside.
   */
  count(lock: string, shadow: Int32Array, rounds: number, form: Form, parties: number): void;
  /**
   * Once that many parties have come: that often, takes permits of a semaphore, so many as stand in `amounts`, one after the other. Counts
   * in `shadow[0]` how often, and in `shadow[2]` how often more permits than there are were held.
   */
  share(lock: string, shadow: Int32Array, rounds: number, amounts: readonly number[], form: 'acquire' | 'tryAcquire' | 'acquireAsync', parties: number): void;
  /** Opens all names, in that order, and adds 1 under each lock to its counter. Returns the codes of the refusals by name. */
  countNames(names: readonly (readonly [name: string, counter: number])[], counters: Int32Array): Record<string, string>;
  /** Releases, or dies, as soon as that many threads are blocked on the lock: for tests whose own thread is one of them. */
  releaseWhenBlocked(lock: string, count: number): void;
  exitWhenBlocked(lock: string, count: number): void;
  /** Takes a snapshot as soon as that many threads are blocked on the lock, and then releases it. */
  snapshotWhenBlocked(lock: string, count: number): SnapshotData;
  /** `acquire` with the cancel token in the `workerData` of this thread. */
  acquireCancellable(lock: string): GuardFacts;
  cancel(token: CancelSource, reason?: string): void;
  isCancelled(token: CancelSource): boolean;
  /** Cancels as soon as that many threads are blocked on the lock. */
  cancelWhenBlocked(lock: string, count: number, token: CancelSource, reason?: string): void;
  /** Opens the lock of that name as `fixtures/subjects.mjs` says; from then on `lock` means that one. */
  openSubject(lock: string, subject: SubjectName, name: string): void;
  /** Acquires all, in whichever order they are named. Returns the names in the order of `guards`. */
  acquireAll(locks: readonly string[], options?: AcquireOptions): string[];
  acquireAllAsync(locks: readonly string[], options?: AcquireAsyncOptions): string[];
  /** As `count`, with all of these locks held by `lockAll` in the order given. */
  countWithAll(locks: readonly string[], shadow: Int32Array, rounds: number, parties: number): void;
  /** Gives back what the last `acquireAll` of this thread took. */
  releaseAll(): void;
  /** Sets `gate[0]`, then holds the lock nearly all the time until `gate[1]` is set. */
  hammer(lock: string, gate: Int32Array): void;
  /** Of `once`: appends `entry` to `log`, and then the thread that died before it, negative. */
  runOnce(name: string, log: Int32Array, entry: number, outcome?: 'dies' | 'throws' | 'is asynchronous'): boolean;
  runOnceAsync(name: string, log: Int32Array, entry: number): boolean;
  /** Begins to acquire a lock that is held, and is ended from outside, without `finally`, after that time. */
  breakOff(lock: string, afterMs: number): void;
  /** Sets `gate[0]` and blocks the thread until another one sets `gate[1]` and notifies it. */
  stall(gate: Int32Array): void;
  /** Has `Date.now()` of this thread jump by that much more at each call. */
  haveClockJump(byMs: number): void;
  /** Answers when all requests before this one have at least begun. */
  ping(): void;
  /** Makes a thread of its own that listens at `port`. */
  nest(port: MessagePort): void;
  endNested(): void;
  end(way: Exclude<Way, 'terminate()'>): void;
}

/** The ways to hold a read-write lock. */
export type RwlockForm = 'read' | 'write' | 'upgrade' | 'downgrade' | 'readAsync' | 'writeAsync';

/** The ways to hold a lock. */
export type Form = 'lock' | 'acquire' | 'run' | 'tryAcquire' | 'acquireAsync' | 'runAsync';

/** The ways in which a thread can end. */
export type Way = 'terminate()' | 'process.exit()' | 'an uncaught error' | 'an unhandled rejection' | 'out of memory' | 'a normal end';

type Answer = { readonly id: number; readonly value?: unknown; readonly error?: unknown };
type Pending = { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void };

const started = new Set<Worker>();
const ports = new Set<MessagePort>();

/** Ends all threads that the test has started. */
export async function endThreads(): Promise<void> {
  await Promise.all([...started].map((worker) => worker.terminate()));
  for (const port of ports) port.close();
  started.clear();
  ports.clear();
}

/** A worker made from a file of `test/fixtures`, which `endThreads` ends. */
export function startWorker(fixture: string, options?: WorkerOptions): Worker {
  const worker = new Worker(new URL(`../fixtures/${fixture}`, import.meta.url), options);
  started.add(worker);
  return worker;
}

/** A thread that does what it is told, in order. */
export class Thread {
  readonly #port: MessagePort | Worker;
  readonly #pending = new Map<number, Pending>();
  #requests = 0;
  #ended = false;

  constructor(port: MessagePort | Worker) {
    this.#port = port;
    port.on('message', (answer: Answer) => this.#settle(answer));
    port.on(port instanceof Worker ? 'exit' : 'close', () => {
      this.#ended = true;
      for (const { reject } of this.#pending.values()) reject(new Error('the thread has ended'));
    });
    // The tests look at what the end leaves behind; how it is reported is not theirs.
    port.on('error', () => {});
  }

  /** Starts one of its own and waits until it runs. */
  static async start(options?: WorkerOptions): Promise<Thread> {
    const thread = new Thread(startWorker('thread.mjs', options));
    await thread.do('ping');
    return thread;
  }

  do<Name extends keyof Operations>(operation: Name, ...args: Parameters<Operations[Name]>): Promise<ReturnType<Operations[Name]>> {
    return this.#post(operation, args, []);
  }

  /** A thread that this one makes; it has no `terminate`, since it is not ours. */
  async nest(): Promise<Thread> {
    const { port1, port2 } = new MessageChannel();
    ports.add(port1);
    const nested = new Thread(port1);
    await this.#post('nest', [port2], [port2]);
    await nested.do('ping');
    return nested;
  }

  /** Ends it and waits until nothing is written by it any more. */
  async end(way: Way): Promise<void> {
    const worker = this.#port as Worker;
    if (way === 'terminate()') {
      await worker.terminate();
      return;
    }
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    this.do('end', way).catch(() => {});
    await exit;
  }

  /** Has `terminate()` begin, without waiting. */
  kill(): void {
    void (this.#port as Worker).terminate();
  }

  get threadId(): number {
    return (this.#port as Worker).threadId;
  }

  #post<T>(operation: string, args: readonly unknown[], transfer: MessagePort[]): Promise<T> {
    if (this.#ended) return Promise.reject(new Error('the thread has ended'));
    const id = ++this.#requests;
    const answer = new Promise<T>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#port.postMessage({ id, operation, args }, transfer);
    return answer;
  }

  #settle({ id, value, error }: Answer): void {
    const { resolve, reject } = this.#pending.get(id)!;
    this.#pending.delete(id);
    if (error === undefined) resolve(value as never);
    else reject(error);
  }
}

/** Several threads, started together. */
export function startThreads(count: number, options?: WorkerOptions): Promise<Thread[]> {
  return Promise.all(Array.from({ length: count }, () => Thread.start(options)));
}

/** Waits until `look` gives something. */
export async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The thread that holds a lock, if any. */
export function ownerOf(manager: LockManager, lock: string): number | undefined {
  return manager.getLockStatus(lock)?.holders[0]?.threadId;
}

/** Waits until that many threads are blocked on a lock. */
export async function untilBlocked(manager: LockManager, lock: string, count: number): Promise<void> {
  await until(`${count} blocked on ${lock}`, () => manager.getLockStatus(lock)?.waiters.length === count);
}

/** The error that something ends with; fails if it ends otherwise. Errors that crossed a thread boundary are revived. */
export async function refusal(attempt: Promise<unknown> | (() => unknown)): Promise<LockError> {
  let result: unknown;
  try {
    result = await (typeof attempt === 'function' ? attempt() : attempt);
  } catch (error) {
    const refused = LockError.from(error);
    if (refused !== undefined) return refused;
    throw error;
  }
  throw new Error(`not refused: ${String(result)}`);
}

/** The code of {@link refusal}. */
export async function refusalCode(attempt: Promise<unknown> | (() => unknown)): Promise<LockErrorCode> {
  return (await refusal(attempt)).code;
}

/** Words that all threads see, all 0. */
export function sharedWords(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

/** What {@link Operations.enter} has appended so far. */
export function entries(log: Int32Array): number[] {
  return [...log.subarray(1, 1 + Atomics.load(log, 0))];
}

/** Room for that many entries. */
export function newLog(length: number): Int32Array {
  return sharedWords(length + 1);
}

/** Wakes a thread that `stall` keeps. */
export function resume(gate: Int32Array): void {
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a file of `test/fixtures` in a process of its own until it ends by itself. */
export async function runProgram(fixture: string, args: readonly string[] = [], execArgv: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [...execArgv, pathOf(fixture), ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: DEADLINE_MS + 5_000, killSignal: 'SIGKILL' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Where a fixture lies, for `execArgv`. */
export function pathOf(fixture: string): string {
  return fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url));
}
