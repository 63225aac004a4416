/** What one thread does with the locks, everything noted in the shadow. */
const { isLockError } = require('holdfast');
const { end, unwinds } = require('./fate.cjs');
const { locks } = require('./locks.cjs');
const { Permits } = require('./permits.cjs');
const { below, weighted } = require('./random.cjs');

class Party {
  #manager;
  #shadow;
  #random;
  #mayBlock;
  #fate;
  #askForCancel;
  #locks;
  #permits;
  /** Some threads hardly do anything else than take permits, so that enough of them die while they do. */
  #permitWeight;
  #operations = 0;
  /** Asynchronous acquisitions that wait or hold. */
  #flows = 0;
  /** Functions under way that `run` would release after, were an error thrown in them. */
  #caught = 0;

  /**
   * `fate`: how this thread shall end by itself, after how many operations and where. `askForCancel(token)` has another thread
   * cancel it soon. `mayBlock`: whether this thread uses the blocking forms.
   */
  constructor({ manager, shadow, random, mayBlock, fate, askForCancel }) {
    this.#manager = manager;
    this.#shadow = shadow;
    this.#random = random;
    this.#mayBlock = mayBlock;
    this.#fate = fate;
    this.#askForCancel = askForCancel;
    this.#locks = locks.map(({ name, options, tells }, lock) => {
      const repair = tells === 'repair' ? (_, death) => this.#repair(lock, death) : undefined;
      return manager.mutex(name, { ...options, repair });
    });
    const party = {
      begin: (lock) => this.#begin(lock),
      call: (lock, acquire) => this.#call(lock, acquire),
      refused: (lock, error) => this.#refused(lock, error),
      limits: () => this.#limits(),
      flowOptions: () => this.#flowOptions(),
      cancelSoon: () => this.#cancelSoon(),
      meetFate: (place) => this.#meetFate(place),
      caught: (by) => (this.#caught += by),
    };
    this.#permitWeight = this.#chance(0.25) ? 60 : 4;
    this.#permits = new Permits({ manager, shadow, random, party });
  }

  async turn() {
    if (this.#mayBlock && this.#chance(0.8)) this.#blocking();
    else await this.#asynchronous();
    this.#meetFate('outside');
    if (this.#chance(0.2)) await turnOfLoop();
  }

  /** Acquires and releases every lock; for when nobody else is left. */
  checkAll() {
    for (let lock = 0; lock < locks.length; lock++) {
      const guard = this.#call(lock, () => this.#locks[lock].tryAcquire());
      if (guard === undefined) this.#shadow.violation(`${locks[lock].name}: lost, ${JSON.stringify(this.#manager.getLockStatus(locks[lock].name))}`);
      else this.#section(lock, guard, () => guard.release());
    }
    this.#permits.checkAll();
  }

  #chance(share) {
    return this.#random() < share;
  }

  /** The first locks are the busiest. */
  #pick() {
    return Math.min(below(this.#random, locks.length), below(this.#random, locks.length));
  }

  #blocking() {
    const lock = this.#pick();
    const mutex = this.#locks[lock];
    const choices = [
      [6, () => this.#hotLoop(lock)],
      [3, () => this.#guarded(lock, () => mutex.acquire(this.#limits()))],
      [2, () => this.#guarded(lock, () => mutex.tryAcquire())],
      [2, () => this.#guarded(lock, () => mutex.acquire({ timeoutMs: below(this.#random, 4) }))],
      [2, () => this.#run(lock)],
      [1, () => this.#nested(lock)],
      [this.#permitWeight, () => this.#permits.blocking()],
    ];
    if (this.#askForCancel !== undefined) choices.push([1, () => this.#cancelled(lock)]);
    weighted(this.#random, choices)();
  }

  /** A thread with asynchronous holds must not block without limit: it could not release them. */
  #limits() {
    if (this.#flows > 0) return { timeoutMs: 1 + below(this.#random, 3) };
    return this.#chance(0.5) ? { timeoutMs: Infinity } : undefined;
  }

  #hotLoop(lock) {
    const mutex = this.#locks[lock];
    const limits = this.#limits();
    const pair = { ownerDied: undefined, release: () => mutex.unlock() };
    const acquire = () => {
      pair.ownerDied = mutex.lock(limits);
      return pair;
    };
    for (let i = below(this.#random, this.#chance(0.2) ? 2_000 : 20); i >= 0; i--) {
      const held = this.#call(lock, acquire);
      if (held === undefined) return;
      this.#section(lock, held, () => held.release());
    }
  }

  #guarded(lock, acquire, inside) {
    const guard = this.#call(lock, acquire);
    if (guard !== undefined) this.#section(lock, guard, () => (this.#chance(0.5) ? guard.release() : guard[Symbol.dispose]()), inside);
  }

  #run(lock) {
    let entered = false;
    this.#begin(lock);
    try {
      this.#locks[lock].run((guard) => {
        entered = true;
        this.#caught++;
        this.#body(lock, guard);
        this.#caught--;
      }, this.#limits());
      this.#shadow.left(lock);
    } catch (error) {
      if (entered) throw error;
      const guard = this.#refused(lock, error);
      if (guard !== undefined) this.#section(lock, guard, () => guard.release());
    }
  }

  /** In ascending order, so that no cycle can come about; and what is reentrant once more. */
  #nested(lock) {
    const inside = () => {
      if (locks[lock].options.reentrant) {
        this.#locks[lock].lock();
        this.#locks[lock].run(() => {});
        this.#locks[lock].unlock();
      }
      const next = this.#oneAbove(lock);
      if (next !== undefined) this.#guarded(next, () => this.#locks[next].acquire(this.#limits()));
      else this.#permits.blocking();
    };
    this.#guarded(lock, () => this.#locks[lock].acquire(this.#limits()), inside);
  }

  #oneAbove(lock) {
    return lock + 1 < locks.length ? lock + 1 + below(this.#random, locks.length - lock - 1) : undefined;
  }

  #cancelled(lock) {
    const cancel = this.#cancelSoon();
    this.#guarded(lock, () => this.#locks[lock].acquire({ ...this.#limits(), cancel }));
  }

  /** A token that another thread will cancel, if there is one that can be asked. */
  #cancelSoon() {
    const cancel = this.#manager.cancelToken();
    this.#askForCancel?.(cancel);
    return cancel;
  }

  /** Several flows at once, and blocking operations between them. */
  async #asynchronous() {
    const first = this.#pick();
    const flows = Array.from({ length: 1 + below(this.#random, 4) }, () => (this.#chance(0.2) ? this.#flowOfPermits() : this.#flow(this.#chance(0.5) ? first : this.#pick())));
    const all = Promise.all(flows);
    // Its rejection is for the `await` below, wherever that of a single flow comes first.
    all.catch(() => {});
    await turnOfLoop();
    if (this.#mayBlock && this.#chance(0.3)) this.#blocking();
    if (this.#chance(0.3)) this.#guarded(first, () => this.#locks[first].tryAcquire());
    await all;
  }

  async #flow(lock) {
    this.#flows++;
    if (this.#chance(0.2)) await this.#flowRun(lock);
    else await this.#flowGuarded(lock);
    this.#flows--;
  }

  async #flowOfPermits() {
    this.#flows++;
    await this.#permits.flow();
    this.#flows--;
  }

  async #flowGuarded(lock) {
    this.#begin(lock);
    let guard;
    try {
      guard = await this.#locks[lock].acquireAsync(this.#flowOptions());
    } catch (error) {
      guard = this.#refused(lock, error);
    }
    if (guard === undefined) return;
    await this.#flowBody(lock, guard);
    guard.release();
    this.#shadow.left(lock);
  }

  async #flowRun(lock) {
    let entered = false;
    this.#begin(lock);
    try {
      await this.#locks[lock].runAsync(async (guard) => {
        entered = true;
        this.#caught++;
        await this.#flowBody(lock, guard);
        this.#caught--;
      }, this.#flowOptions());
      this.#shadow.left(lock);
    } catch (error) {
      if (entered) throw error;
      const guard = this.#refused(lock, error);
      if (guard !== undefined) this.#section(lock, guard, () => guard.release());
    }
  }

  #flowOptions() {
    return weighted(this.#random, [
      [4, () => undefined],
      [2, () => ({ timeoutMs: Infinity })],
      [2, () => ({ timeoutMs: below(this.#random, 5) })],
      [2, () => ({ signal: this.#signal() })],
    ])();
  }

  #signal() {
    const controller = new AbortController();
    const delayMs = below(this.#random, 4);
    if (delayMs === 0) setImmediate(() => controller.abort());
    else setTimeout(() => controller.abort(), delayMs);
    return controller.signal;
  }

  async #flowBody(lock, guard) {
    this.#enter(lock, guard);
    for (let i = below(this.#random, 3); i > 0; i--) await turnOfLoop();
    const next = this.#oneAbove(lock);
    if (next !== undefined && this.#chance(0.1)) await this.#flow(next);
    this.#meetFate('flow');
    this.#shadow.leave(lock);
  }

  #section(lock, guard, release, inside) {
    this.#body(lock, guard, inside);
    release();
    this.#shadow.left(lock);
  }

  #body(lock, guard, inside) {
    this.#enter(lock, guard);
    const rounds = this.#chance(0.05) ? 50_000 : below(this.#random, 100);
    for (let i = 0; i < rounds; i++) Math.sqrt(i);
    inside?.();
    this.#meetFate('section');
    this.#shadow.leave(lock);
  }

  #enter(lock, guard) {
    if (locks[lock].tells === 'guard' && guard.ownerDied !== undefined) this.#shadow.tell(lock, guard.ownerDied.threadId);
    this.#shadow.enter(lock, guard.fencingToken);
  }

  #repair(lock, death) {
    this.#shadow.tell(lock, death.threadId);
    this.#meetFate('repair');
  }

  #begin(lock) {
    this.#operations++;
    this.#shadow.calling(lock);
  }

  /** Calls something that acquires. The hold, or `undefined`. */
  #call(lock, acquire) {
    this.#begin(lock);
    let guard;
    try {
      guard = acquire();
    } catch (error) {
      return this.#refused(lock, error);
    }
    if (guard === undefined) this.#shadow.refused(lock);
    return guard;
  }

  /** Notes why there is no hold; or mends after the death of an owner, and has a hold after all. */
  #refused(lock, error) {
    if (isLockError(error, 'ERR_LOCK_OWNER_DIED')) return this.#mend(lock);
    // Where a thread blocks beside its asynchronous holds there can be cycles, whatever the order.
    const counts = { ERR_LOCK_TIMEOUT: 'timeouts', ERR_LOCK_ABORTED: 'aborts', ERR_LOCK_DEADLOCK: 'deadlocks' };
    const expected = error.code in counts || (error.code === 'ERR_LOCK_RECURSIVE' && this.#flows > 0);
    if (!expected) throw error;
    this.#shadow.refused(lock, counts[error.code]);
    return undefined;
  }

  #mend(lock) {
    if (locks[lock].tells !== 'error') this.#shadow.violation(`${locks[lock].name}: refused although it has another way of telling`);
    let guard;
    try {
      guard = this.#locks[lock].acquireInconsistent({ timeoutMs: this.#mayBlock ? 5 : 0 });
    } catch (error) {
      return this.#refused(lock, error);
    }
    if (guard.ownerDied !== undefined) this.#shadow.tell(lock, guard.ownerDied.threadId);
    guard.markConsistent();
    return guard;
  }

  #meetFate(place) {
    const fate = this.#fate;
    if (fate === undefined || fate.place !== place || this.#operations < fate.after) return;
    if (unwinds(fate.way) && this.#caught > 0) return;
    if ((fate.way === 'finish' || fate.way === 'close') && this.#flows > 0) return;
    this.#fate = undefined;
    this.#shadow.setRow('fated', 1);
    end(fate.way, this.#manager);
  }
}

function turnOfLoop() {
  return new Promise((resolve) => setImmediate(resolve));
}

module.exports = { Party };
