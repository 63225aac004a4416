import { header } from '../../native-layout/index.js';
import { Agent } from '../agent/agent.js';
import { allocate, identityOf, isSharedMemory, isStart, managersOfThread, type SharedMemory, wordsOf } from '../agent/memory.js';
import { LockError } from '../contract/errors.js';
import type { CancelSource } from '../contract/lock.js';
import { findCycles } from '../deadlock/wait-for.js';
import { inherited, isMainThread, leaveForWorkers } from '../host/node.js';
import { CancelToken } from '../locks/cancel-token.js';
import { type Deadlock, readCycle } from '../locks/deadlock.js';
import { choiceOf, countOf, optionsOf, timeoutOf } from '../locks/options.js';
import { readStatus, type SlotStatus } from '../locks/status.js';
import { isLive } from '../raw/agents.js';
import { closeSlot } from '../raw/slots.js';
import { findNamed, kindOf, namedSlots } from '../registry/registry.js';
import { deadlockPolicies, readOptions, type SegmentOptions, setClosed, writeHeader } from '../shm/header.js';
import { placeRegions, shutSlot, slotAt } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { NamedLocks } from './named-locks.js';
import type { ManagerOptions, SharedManager } from './options.js';
import { readSnapshot, type Snapshot } from './snapshot.js';
import { type LockStatistics, readStatistics } from './statistics.js';
import { checkCopies, checkSegment } from './versions.js';

/** The state of one named lock at a moment. */
export interface LockStatus extends SlotStatus {
  readonly name: string;
  readonly kind: string;
}

const DEFAULT_NAME = 'default';
/** Addresses are signed words, and the memory begins with pages of its own. */
const SIZE_LIMIT = 2 ** 31 - 2 ** 17;

/**
 * The named locks of this process, which all its threads share. Make it before the workers: `getLockManager()` on the main thread,
 * then in every worker the same call attaches. Not to be confused with the Web Locks API of Node, whose `LockManager` knows one
 * thread and asynchronous waits only.
 */
export class LockManager extends NamedLocks implements AsyncDisposable {
  /** By which `getLockManager` finds it; `undefined` if it is reached by `share()` only. */
  readonly name: string | undefined;
  readonly #memory: SharedMemory;
  readonly #start: number;
  readonly #key: string;
  readonly #isCreator: boolean;
  /** Whether workers find this manager by what this thread has left for them. */
  #hasLeft = false;
  #closed = false;

  private constructor(words: SharedWords, { name, memory, start }: Placement, isCreator: boolean) {
    const key = keyOf(words, start);
    super(new Agent(words, start, key), readOptions(words, start));
    this.name = name;
    this.#memory = memory;
    this.#start = start;
    this.#isCreator = isCreator;
    this.#key = key;
    managersOfThread.set(this.#key, this);
    // A manager that came from elsewhere does not take a name from one that this thread knows by it.
    if (name !== undefined && !managersOfThread.has(nameKey(name))) managersOfThread.set(nameKey(name), this);
  }

  /**
   * Makes a manager with its own locks. Workers made afterwards attach by `getLockManager(name)`.
   *
   * @throws TypeError if an option is none, or a manager of that name exists in this thread and is not closed.
   */
  static create(options?: ManagerOptions): LockManager {
    checkCopies();
    const { name: wanted, capacity, timeouts, ownerDeath, blockingOnMain, deadlock } = optionsOf(options, 'options');
    const name = wanted ?? (isNameTaken(DEFAULT_NAME) ? undefined : DEFAULT_NAME);
    if (wanted !== undefined) checkName(wanted);
    const { locks, agents, queueBytes } = optionsOf(capacity, 'capacity');
    const { sharedMs, exclusiveMs, distributedMs } = optionsOf(timeouts, 'timeouts');
    const decided: SegmentOptions = {
      slotLimit: countOf(locks, 1_024, 1, 1_000_000, 'capacity.locks'),
      agentLimit: countOf(agents, 128, 1, 65_535, 'capacity.agents'),
      heapBytes: countOf(queueBytes, 2 ** 23, 0, SIZE_LIMIT, 'capacity.queueBytes'),
      sharedMs: timeoutOf(sharedMs, 10_000, 'timeouts.sharedMs'),
      exclusiveMs: timeoutOf(exclusiveMs, 30_000, 'timeouts.exclusiveMs'),
      distributedMs: timeoutOf(distributedMs, 60_000, 'timeouts.distributedMs'),
      ownerDeath: choiceOf(ownerDeath, ['poison', 'release'], 'poison', 'ownerDeath'),
      blockingOnMain: choiceOf(blockingOnMain, ['refuse', 'allow'], 'refuse', 'blockingOnMain'),
      deadlock: choiceOf(deadlock, deadlockPolicies, 'throw', 'deadlock'),
    };
    const { size } = placeRegions(0, decided);
    if (size > SIZE_LIMIT) throw new TypeError(`capacity: ${decided.slotLimit} locks for ${decided.agentLimit} threads and ${decided.heapBytes} bytes of queues would take ${size} bytes; at most ${SIZE_LIMIT} are possible`);
    const { memory, start, words } = allocate(size);
    writeHeader(words, start, decided);
    const manager = new LockManager(words, { name, memory, start }, true);
    manager.#leave();
    return manager;
  }

  /**
   * Attaches this thread to a manager that another thread has shared. A second call gives the same manager.
   *
   * @throws LockError `ERR_LOCK_LAYOUT` if it was made by another version of the package; `ERR_LOCK_CLOSED`; `ERR_LOCK_AGENTS_FULL`.
   */
  static attach(shared: SharedManager): LockManager {
    const { holdfast, name, memory, start } = Object(shared) as Partial<SharedManager>;
    checkCopies();
    if (holdfast !== 'manager' || !isSharedMemory(memory) || !isStart(memory, start)) {
      throw new TypeError('LockManager.attach needs what manager.share() returned, sent to this thread');
    }
    const words = wordsOf(memory);
    const known = managersOfThread.get(keyOf(words, start)) as LockManager | undefined;
    if (known !== undefined) return known;
    checkSegment(words, start);
    const manager = new LockManager(words, { name, memory, start }, false);
    if (name !== undefined && inherited(nameKey(name)) === undefined) manager.#leave();
    return manager;
  }

  /** What another thread needs to `LockManager.attach`. Workers made after the manager do not need it. */
  share(): SharedManager {
    return { holdfast: 'manager', name: this.name, memory: this.#memory, start: this.#start };
  }

  /** A token that ends blocking waits in other threads; or, from a clone that this thread was sent, the same token again. */
  cancelToken(source?: CancelSource): CancelToken {
    return new CancelToken(this.agent.segment, source);
  }

  /** Counts and wait times of one lock (`undefined` if there is none of that name), or of all by name. */
  getStatistics(name: string): LockStatistics | undefined;
  getStatistics(): Record<string, LockStatistics>;
  getStatistics(name?: string): LockStatistics | Record<string, LockStatistics> | undefined {
    const { segment } = this.agent;
    if (name === undefined) return Object.fromEntries([...namedSlots(segment)].map((one) => [one.name, readStatistics(segment, one.slotNumber)]));
    const slotNumber = findNamed(segment, name);
    return slotNumber === undefined ? undefined : readStatistics(segment, slotNumber);
  }

  /** Who holds and who waits for one lock (`undefined` if there is none of that name), or for each by name. */
  getLockStatus(name: string): LockStatus | undefined;
  getLockStatus(): Record<string, LockStatus>;
  getLockStatus(name?: string): LockStatus | Record<string, LockStatus> | undefined {
    const { segment } = this.agent;
    const read = (slotNumber: number, known: string): LockStatus => ({ name: known, kind: kindOf(segment, slotNumber).kind, ...readStatus(segment, slotNumber) });
    if (name === undefined) return Object.fromEntries([...namedSlots(segment)].map((one) => [one.name, read(one.slotNumber, one.name)]));
    const slotNumber = findNamed(segment, name);
    return slotNumber === undefined ? undefined : read(slotNumber, name);
  }

  /**
   * The cycles of threads that wait for each other at this moment. With `deadlock: 'throw'` there are none for longer than it takes to
   * refuse one. Needs no cooperation of the threads; may be called from any.
   */
  async detectDeadlocks(): Promise<Deadlock[]> {
    const { segment } = this.agent;
    return findCycles(segment).map((cycle) => readCycle(segment, cycle));
  }

  /**
   * All threads and locks at this moment, what they have counted, deadlocks, and who blocks whom: plain data, which `console.log` shows as
   * text, and which `toDOT()` and `toMermaid()` draw. May be called from any thread; needs no cooperation of the others, and holds nobody up. What
   * moved while it was read is marked `torn`; all else was so at one moment.
   *
   * @example
   * const guard = manager.mutex('ledger').acquire();
   * const snapshot = manager.snapshot();
   * console.log(`${snapshot}`);                   // a table; and trees, with the cause of a jam at the root
   * console.log(snapshot.locks[0].holders);       // [{ threadId: 0, … }]
   * console.log(JSON.stringify(snapshot).length, snapshot.toMermaid());
   * guard.release();
   */
  snapshot(): Snapshot {
    return readSnapshot(this.agent.segment, this.name);
  }

  /** Totals now: locks held and threads blocked, named locks, attached threads. */
  get stats(): { readonly active: number; readonly waiting: number; readonly locks: number; readonly agents: number } {
    const { segment } = this.agent;
    const statuses = Object.values(this.getLockStatus());
    let agents = 0;
    for (let id = 1; id <= segment.words.load(segment.header + header.fields.agentHigh.at); id++) if (isLive(segment, id)) agents++;
    return {
      active: statuses.filter((status) => status.holders.length > 0).length,
      waiting: statuses.reduce((sum, status) => sum + status.waiters.length, 0),
      locks: statuses.length,
      agents,
    };
  }

  /**
   * In the thread that created it: closes all locks, so that every wait ends with `ERR_LOCK_CLOSED`. In any other thread: leaves the
   * manager; what the thread still holds counts as held by a dead owner. Workers that it has made should have ended before, since it
   * no longer hears of their end. The second call does nothing.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { segment } = this.agent;
    if (this.#isCreator) {
      setClosed(segment);
      const used = segment.words.load(segment.header + header.fields.slotHigh.at);
      for (let number = 0; number < used; number++) closeSlot(segment, slotAt(segment, number));
    }
    if (this.#hasLeft) leaveForWorkers(nameKey(this.name!), undefined);
    this.leave(shutSlot(segment));
    managersOfThread.delete(this.#key);
    if (this.name !== undefined && managersOfThread.get(nameKey(this.name)) === this) managersOfThread.delete(nameKey(this.name));
    await this.agent.detach();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #leave(): void {
    if (this.name === undefined) return;
    leaveForWorkers(nameKey(this.name), this.share());
    this.#hasLeft = true;
  }
}

/**
 * This process's manager of that name. On the main thread the first call creates it, with defaults; in a worker it attaches to the
 * one that existed when the worker was made.
 *
 * @throws LockError `ERR_LOCK_NO_SEGMENT` in a worker that was made before the manager; `ERR_LOCK_LAYOUT`; `ERR_LOCK_AGENTS_FULL`.
 */
export function getLockManager(name: string = DEFAULT_NAME): LockManager {
  checkCopies();
  checkNameType(name);
  const known = managersOfThread.get(nameKey(name)) as LockManager | undefined;
  if (known !== undefined) return known;
  const shared = inherited(nameKey(name)) as SharedManager | undefined;
  if (shared !== undefined) return LockManager.attach(shared);
  if (isMainThread) return LockManager.create({ name });
  const hint =
    'call getLockManager() on the main thread before the pool or worker is made; or send manager.share() in workerData and call LockManager.attach(shared)';
  throw new LockError('ERR_LOCK_NO_SEGMENT', `this worker was made before the lock manager "${name}", or that one was closed\n  hint: ${hint}`, { manager: name, hint });
}

interface Placement {
  readonly name: string | undefined;
  readonly memory: SharedMemory;
  readonly start: number;
}

function keyOf(words: SharedWords, start: number): string {
  return `${identityOf(words)}:${start}`;
}

function nameKey(name: string): string {
  return `holdfast:${name}`;
}

function checkNameType(name: unknown): void {
  if (typeof name !== 'string' || name === '') throw new TypeError(`the name of a manager must be a string that is not empty, not ${JSON.stringify(name)}`);
}

/** Whether this thread, or the one that made it, knows a manager of that name. */
function isNameTaken(name: string): boolean {
  return managersOfThread.has(nameKey(name)) || inherited(nameKey(name)) !== undefined;
}

function checkName(name: string): void {
  checkNameType(name);
  if (isNameTaken(name)) throw new TypeError(`a manager "${name}" exists already: getLockManager("${name}") gives it, close() ends it`);
}
