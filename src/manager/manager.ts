import { header } from '../../native-layout/index.js';
import { Agent } from '../agent/agent.js';
import { allocate, identityOf, isSharedMemory, isStart, layoutOfThread, managersOfThread, type SharedMemory, wordsOf } from '../agent/memory.js';
import { LockError } from '../contract/errors.js';
import type { CancelSource } from '../contract/lock.js';
import { inherited, isMainThread, leaveForWorkers } from '../host/node.js';
import { CancelToken } from '../locks/cancel-token.js';
import { FlowQueue } from '../locks/flows.js';
import { Mutex, mutexProtocol, type Repair } from '../locks/mutex.js';
import { Once } from '../locks/once.js';
import { type Queue, type QueueOptions, readQueueOptions } from '../locks/queue.js';
import type { JsonValue } from '../locks/item.js';
import { choiceOf, countOf, flagOf, functionOf, optionsOf, timeoutOf } from '../locks/options.js';
import { type Site, siteOf } from '../locks/site.js';
import { readSemaphoreOptions, Semaphore, type SemaphoreOptions, SemaphoreProtocol } from '../locks/semaphore.js';
import { readStatus, type SlotStatus } from '../locks/status.js';
import { isLive } from '../raw/agents.js';
import { REFUSE_INCONSISTENT, TAKE_INCONSISTENT } from '../raw/mutex.js';
import { closeSlot } from '../raw/slots.js';
import type { MutexKind, RoomKind, SlotKind } from '../registry/kinds.js';
import { checkParameters, closedManager, findNamed, kindOf, namedSlots, openNamed } from '../registry/registry.js';
import { checkHeader, compareLayout, isClosed, type LayoutMismatch, readOptions, type SegmentOptions, setClosed, writeHeader } from '../shm/header.js';
import { placeRegions, shutSlot, slotAt } from '../shm/segment.js';
import type { SharedWords } from '../shm/words.js';
import { Handles } from './handles.js';
import type { ManagerOptions, MutexOptions, OnceOptions } from './options.js';
import { makeQueue } from './queues.js';
import { type LockStatistics, readStatistics } from './statistics.js';

/** What another thread needs to attach: send it in `workerData` or a message. */
export interface SharedManager {
  readonly holdfast: 'manager';
  readonly name: string | undefined;
  readonly memory: object;
  readonly start: number;
}

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
export class LockManager implements AsyncDisposable {
  /** By which `getLockManager` finds it; `undefined` if it is reached by `share()` only. */
  readonly name: string | undefined;
  readonly #agent: Agent;
  readonly #options: SegmentOptions;
  readonly #memory: SharedMemory;
  readonly #start: number;
  readonly #key: string;
  readonly #isCreator: boolean;
  /** Those opened without options, for the quick way. */
  readonly #mutexes = new Map<string, Mutex>();
  readonly #onces = new Map<string, Once>();
  readonly #handles = new Handles();
  readonly #flows = new Map<number, FlowQueue>();
  /** Whether workers find this manager by what this thread has left for them. */
  #hasLeft = false;
  #closed = false;

  private constructor(words: SharedWords, { name, memory, start }: Placement, isCreator: boolean) {
    this.name = name;
    this.#memory = memory;
    this.#start = start;
    this.#isCreator = isCreator;
    this.#options = readOptions(words, start);
    this.#key = keyOf(words, start);
    this.#agent = new Agent(words, start, this.#key);
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
    const { name: wanted, capacity, timeouts, ownerDeath, blockingOnMain } = optionsOf(options, 'options');
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

  /**
   * The mutex of that name, made if there is none; the same lock in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with other parameters; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  mutex(name: string, options?: MutexOptions): Mutex {
    const plain = options === undefined ? this.#mutexes.get(name) : undefined;
    if (plain !== undefined) return plain;
    this.#checkOpen(name);
    const { fairness, reentrant, ownerDeath, repair, timeoutMs } = optionsOf(options, 'options');
    if (repair !== undefined) functionOf(repair, 'repair');
    const kind: MutexKind = {
      kind: 'mutex',
      fairness: choiceOf(fairness, ['eventual', 'fifo'], 'eventual', 'fairness'),
      reentrant: flagOf(reentrant, 'reentrant'),
      ownerDeath: choiceOf(ownerDeath, ['poison', 'release'], this.#options.ownerDeath, 'ownerDeath'),
    };
    const defaultMs = timeoutOf(timeoutMs, this.#options.exclusiveMs);
    const make = (): Mutex => this.#makeMutex(name, kind, defaultMs, repair);
    const mutex = repair === undefined ? this.#handles.get(name, kind, defaultMs, make) : make();
    if (repair !== undefined) this.#handles.track(mutex);
    if (options === undefined) this.#mutexes.set(name, mutex);
    return mutex;
  }

  /**
   * The work of that name that is done once; the same in every thread.
   *
   * @throws LockError as {@link mutex} does.
   */
  once(name: string, options?: OnceOptions): Once {
    const plain = options === undefined ? this.#onces.get(name) : undefined;
    if (plain !== undefined) return plain;
    this.#checkOpen(name);
    const timeoutMs = timeoutOf(optionsOf(options, 'options').timeoutMs, this.#options.exclusiveMs);
    const kind = { kind: 'once' } as const;
    const once = this.#handles.get(name, kind, timeoutMs, () => {
      const site = this.#siteOf(name, kind, { mode: 'exclusive', protocol: mutexProtocol, inconsistent: TAKE_INCONSISTENT, timeoutMs, spins: true });
      return new Once(new Mutex(site, this.#flowsOf(site), { reentrant: false, repair: undefined }), site.words, site.slot);
    });
    if (options === undefined) this.#onces.set(name, once);
    return once;
  }

  /**
   * The semaphore of that name, made with so many permits if there is none; the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with another number of permits; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  semaphore(name: string, options: SemaphoreOptions): Semaphore {
    this.#checkOpen(name);
    const { permits, timeoutMs } = readSemaphoreOptions(name, options);
    const kind = { kind: 'semaphore', permits } as const;
    const defaultMs = timeoutOf(timeoutMs, this.#options.sharedMs);
    return this.#handles.get(name, kind, defaultMs, () => {
      const site = this.#siteOf(name, kind, { mode: 'shared', protocol: new SemaphoreProtocol(), inconsistent: REFUSE_INCONSISTENT, timeoutMs: defaultMs, spins: true });
      return new Semaphore(site, this.#flowsOf(site), permits);
    });
  }

  /**
   * The queue of that name, made with that capacity if there is none; the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with another capacity or `maxItemBytes`; `ERR_LOCK_REGISTRY_FULL` also if
   * there is not that much left of `capacity.queueBytes`; `ERR_LOCK_CLOSED`.
   */
  queue<Item = JsonValue | Uint8Array>(name: string, options: QueueOptions): Queue<Item> {
    this.#checkOpen(name);
    const wanted = readQueueOptions(name, options);
    const queue = this.#handles.get(name, { kind: 'queue' }, 0, () => makeQueue<Item>(this.#agent, name, wanted, { timeoutMs: this.#options.exclusiveMs, mayBlock: this.#mayBlock }));
    checkParameters(name, queue, wanted);
    return queue;
  }

  /** A token that ends blocking waits in other threads; or, from a clone that this thread was sent, the same token again. */
  cancelToken(source?: CancelSource): CancelToken {
    return new CancelToken(this.#agent.segment, source);
  }

  /** Counts and wait times of one lock (`undefined` if there is none of that name), or of all by name. */
  getStatistics(name: string): LockStatistics | undefined;
  getStatistics(): Record<string, LockStatistics>;
  getStatistics(name?: string): LockStatistics | Record<string, LockStatistics> | undefined {
    const { segment } = this.#agent;
    if (name === undefined) return Object.fromEntries([...namedSlots(segment)].map((one) => [one.name, readStatistics(segment, one.slotNumber)]));
    const slotNumber = findNamed(segment, name);
    return slotNumber === undefined ? undefined : readStatistics(segment, slotNumber);
  }

  /** Who holds and who waits for one lock (`undefined` if there is none of that name), or for each by name. */
  getLockStatus(name: string): LockStatus | undefined;
  getLockStatus(): Record<string, LockStatus>;
  getLockStatus(name?: string): LockStatus | Record<string, LockStatus> | undefined {
    const { segment } = this.#agent;
    const read = (slotNumber: number, known: string): LockStatus => ({ name: known, kind: kindOf(segment, slotNumber).kind, ...readStatus(segment, slotNumber) });
    if (name === undefined) return Object.fromEntries([...namedSlots(segment)].map((one) => [one.name, read(one.slotNumber, one.name)]));
    const slotNumber = findNamed(segment, name);
    return slotNumber === undefined ? undefined : read(slotNumber, name);
  }

  /** Totals now: locks held and threads blocked, named locks, attached threads. */
  get stats(): { readonly active: number; readonly waiting: number; readonly locks: number; readonly agents: number } {
    const { segment } = this.#agent;
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
    const { segment } = this.#agent;
    if (this.#isCreator) {
      setClosed(segment);
      const used = segment.words.load(segment.header + header.fields.slotHigh.at);
      for (let number = 0; number < used; number++) closeSlot(segment, slotAt(segment, number));
    }
    if (this.#hasLeft) leaveForWorkers(nameKey(this.name!), undefined);
    for (const flows of this.#flows.values()) flows.close(shutSlot(segment));
    this.#handles.detach(shutSlot(segment));
    managersOfThread.delete(this.#key);
    if (this.name !== undefined && managersOfThread.get(nameKey(this.name)) === this) managersOfThread.delete(nameKey(this.name));
    await this.#agent.detach();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeMutex(name: string, kind: MutexKind, timeoutMs: number, repair: Repair | undefined): Mutex {
    const site = this.#siteOf(name, kind, {
      mode: 'exclusive',
      protocol: mutexProtocol,
      inconsistent: kind.ownerDeath === 'release' || repair !== undefined ? TAKE_INCONSISTENT : REFUSE_INCONSISTENT,
      timeoutMs,
      spins: kind.fairness !== 'fifo',
    });
    return new Mutex(site, this.#flowsOf(site), { reentrant: kind.reentrant, repair });
  }

  #flowsOf(site: Site): FlowQueue {
    let flows = this.#flows.get(site.slotNumber);
    if (flows === undefined) this.#flows.set(site.slotNumber, (flows = new FlowQueue(site)));
    return flows;
  }

  get #mayBlock(): boolean {
    return !isMainThread || this.#options.blockingOnMain === 'allow';
  }

  #siteOf(name: string, kind: Exclude<SlotKind, RoomKind>, rest: Pick<Site, 'mode' | 'protocol' | 'inconsistent' | 'timeoutMs' | 'spins'>): Site {
    return siteOf(this.#agent, openNamed(this.#agent, name, kind), { name, kind: kind.kind, mayBlock: this.#mayBlock, ...rest });
  }

  #leave(): void {
    if (this.name === undefined) return;
    leaveForWorkers(nameKey(this.name), this.share());
    this.#hasLeft = true;
  }

  #checkOpen(name: string): void {
    if (this.#closed) throw closedManager(name);
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

/** Another copy of this package may be in this thread already, and share its managers, if it is of the same layout. */
function checkCopies(): void {
  const mismatch = compareLayout(layoutOfThread);
  if (mismatch !== undefined) throw twoVersions('another copy in this thread', mismatch);
}

function twoVersions(what: string, { found, own }: LayoutMismatch): LockError {
  const hint = 'have the process load one version of holdfast: npm ls holdfast';
  return new LockError('ERR_LOCK_LAYOUT', `${what} is of another version of holdfast: its layout is ${found}, this one's ${own}\n  hint: ${hint}`, { found, own, hint });
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

function checkSegment(words: SharedWords, start: number): void {
  const refused = checkHeader(words, start);
  if (refused === 'no segment') throw new LockError('ERR_LOCK_LAYOUT', 'the shared memory holds no manager of holdfast there', { found: 'no segment' });
  if (refused !== undefined) throw twoVersions('the manager', refused);
  if (isClosed({ words, header: start })) throw new LockError('ERR_LOCK_CLOSED', 'the manager was closed before this thread attached');
}
