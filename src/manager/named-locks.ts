import { DRAINING } from '../../native-layout/index.js';
import type { Agent } from '../agent/agent.js';
import { isMainThread } from '../host/node.js';
import { Barrier, type BarrierOptions, BarrierProtocol, readBarrierOptions } from '../locks/barrier.js';
import { Condition, type ConditionOptions, ConditionProtocol, slotOfMutex } from '../locks/condition.js';
import { Event, type EventOptions } from '../locks/event.js';
import { FlowQueue } from '../locks/flows.js';
import { GateProtocol } from '../locks/gate-protocol.js';
import type { JsonValue } from '../locks/item.js';
import { Latch, type LatchOptions, readLatchOptions } from '../locks/latch.js';
import { Mutex, type Repair } from '../locks/mutex.js';
import { mutexProtocol } from '../locks/mutex-protocol.js';
import { Once } from '../locks/once.js';
import { choiceOf, flagOf, functionOf, optionsOf, timeoutOf } from '../locks/options.js';
import { type Queue, type QueueOptions, readQueueOptions } from '../locks/queue.js';
import { readRwlockOptions, Rwlock, type RwlockOptions, type RwlockReadView, rwlockSitesOf, type RwlockView } from '../locks/rwlock.js';
import { OwnProtocol } from '../locks/rwlock-protocol.js';
import { readSemaphoreOptions, Semaphore, type SemaphoreOptions, SemaphoreProtocol } from '../locks/semaphore.js';
import { type Site, siteOf } from '../locks/site.js';
import { REFUSE_INCONSISTENT, TAKE_INCONSISTENT } from '../raw/mutex.js';
import type { BarrierKind, EventKind, LatchKind, MutexKind, RoomKind, SlotKind } from '../registry/kinds.js';
import { checkParameters, closedManager, openNamed } from '../registry/registry.js';
import type { SegmentOptions } from '../shm/header.js';
import { type Detachable, Handles } from './handles.js';
import type { MutexOptions, OnceOptions } from './options.js';
import { makeQueue } from './queues.js';

/** Of a handle that was opened without a time-out of its own, where there is one default for each mode. */
const DEFAULTS = -1;

/** The factories of a `LockManager`: what this thread has opened by name, one handle for each set of parameters. */
export abstract class NamedLocks {
  /** @internal */
  protected readonly agent: Agent;
  readonly #options: SegmentOptions;
  /** Those opened without options, for the quick way. */
  readonly #mutexes = new Map<string, Mutex>();
  readonly #onces = new Map<string, Once>();
  readonly #rwlocks = new Map<string, Rwlock>();
  readonly #handles = new Handles();
  readonly #flows = new Map<number, FlowQueue>();
  #hasLeft = false;

  protected constructor(agent: Agent, options: SegmentOptions) {
    this.agent = agent;
    this.#options = options;
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
   * The read-write lock of that name; the same in every thread.
   *
   * @throws LockError as {@link mutex} does.
   */
  rwlock(name: string, options?: RwlockOptions): Rwlock {
    const plain = options === undefined ? this.#rwlocks.get(name) : undefined;
    if (plain !== undefined) return plain;
    this.#checkOpen(name);
    const decision = readRwlockOptions(options, this.#options);
    const { kind, repair, timeoutMs } = decision;
    const make = (): Rwlock => {
      const { exclusiveMs, inconsistent } = decision;
      const site = this.#siteOf(name, kind, { mode: 'exclusive', protocol: new OwnProtocol(DRAINING), inconsistent, timeoutMs: exclusiveMs, spins: false });
      return new Rwlock(rwlockSitesOf(site, decision), this.#flowsOf(site), repair);
    };
    const rwlock = repair === undefined ? this.#handles.get(name, kind, timeoutMs ?? DEFAULTS, make) : make();
    if (repair !== undefined) this.#handles.track(rwlock);
    if (options === undefined) this.#rwlocks.set(name, rwlock);
    return rwlock;
  }

  /** `rwlock(name, options).read`. */
  readLock(name: string, options?: RwlockOptions): RwlockReadView {
    return this.rwlock(name, options).read;
  }

  /** `rwlock(name, options).write`. */
  writeLock(name: string, options?: RwlockOptions): RwlockView {
    return this.rwlock(name, options).write;
  }

  /**
   * The condition of that name, where those wait who hold `mutex`; made if there is none, the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with another mutex; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  condition(name: string, mutex: Mutex, options?: ConditionOptions): Condition {
    this.#checkOpen(name);
    const timeoutMs = timeoutOf(optionsOf(options, 'options').timeoutMs, this.#options.exclusiveMs);
    const kind = { kind: 'condition', mutex: slotOfMutex(mutex, this.agent) } as const;
    return this.#handles.get(name, kind, timeoutMs, () => {
      const site = this.#siteOf(name, kind, { mode: 'exclusive', protocol: new ConditionProtocol(), inconsistent: REFUSE_INCONSISTENT, timeoutMs, spins: false });
      return new Condition(site, this.#flowsOf(site), mutex);
    });
  }

  /**
   * The event of that name, made reset if there is none; the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with another `autoReset`; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  event(name: string, options?: EventOptions): Event {
    this.#checkOpen(name);
    const { autoReset: wanted, timeoutMs } = optionsOf(options, 'options');
    const autoReset = flagOf(wanted, 'autoReset');
    return this.#openGate(name, { kind: 'event', autoReset }, timeoutMs, (site) => new Event(site, this.#flowsOf(site), { autoReset }));
  }

  /**
   * The latch of that name, made with that count if there is none; the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use with another count; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  latch(name: string, options: LatchOptions): Latch {
    this.#checkOpen(name);
    const { count, timeoutMs } = readLatchOptions(name, options);
    return this.#openGate(name, { kind: 'latch', count }, timeoutMs, (site) => new Latch(site, this.#flowsOf(site)));
  }

  /**
   * The barrier of that name, made for so many parties if there is none; the same in every thread.
   *
   * @throws LockError `ERR_LOCK_KIND_MISMATCH` if the name is in use for another number; `ERR_LOCK_REGISTRY_FULL`; `ERR_LOCK_CLOSED`.
   */
  barrier(name: string, options: BarrierOptions): Barrier {
    this.#checkOpen(name);
    const { parties, timeoutMs } = readBarrierOptions(name, options);
    return this.#openGate(name, { kind: 'barrier', parties }, timeoutMs, (site) => new Barrier(site, this.#flowsOf(site), parties));
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
    const rest = { timeoutMs: this.#options.exclusiveMs, mayBlock: this.#mayBlock, refusesDeadlock: false };
    const queue = this.#handles.get(name, { kind: 'queue' }, 0, () => makeQueue<Item>(this.agent, name, wanted, rest));
    checkParameters(this.agent.segment, name, queue, wanted);
    return queue;
  }

  /** @internal The thread leaves the segment: all handles look at `slot` from now on, which is a closed one. */
  protected leave(slot: number): void {
    this.#hasLeft = true;
    for (const flows of this.#flows.values()) flows.close(slot);
    this.#handles.detach(slot);
  }

  #openGate<L extends Detachable>(name: string, kind: EventKind | LatchKind | BarrierKind, timeoutMs: unknown, make: (site: Site) => L): L {
    const defaultMs = timeoutOf(timeoutMs, this.#options.sharedMs);
    return this.#handles.get(name, kind, defaultMs, () =>
      make(this.#siteOf(name, kind, { mode: 'shared', protocol: kind.kind === 'barrier' ? new BarrierProtocol() : new GateProtocol(), inconsistent: REFUSE_INCONSISTENT, timeoutMs: defaultMs, spins: false })),
    );
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
    const refusesDeadlock = this.#options.deadlock === 'throw';
    return siteOf(this.agent, openNamed(this.agent, name, kind), { name, kind: kind.kind, mayBlock: this.#mayBlock, refusesDeadlock, ...rest });
  }

  #checkOpen(name: string): void {
    if (this.#hasLeft) throw closedManager(name);
  }
}
