/**
 * What one thread does with the semaphores, everything noted in the shadow. Permits are the last that a thread takes: it waits for no
 * lock and no other permits while it has them.
 *
 * Whoever finds more permits held than there are can not know which of the holders are dead, so it keeps what it has seen as a claim.
 * Those who do something later have lived and held at that moment: if they alone held too much, the claim is proven.
 */
const { locks, semaphores } = require('./locks.cjs');
const { below, weighted } = require('./random.cjs');

/** Claims that one thread keeps; arbitrary. */
const CLAIM_LIMIT = 50;
/** How often one who has acquired looks what all hold: that takes microseconds. */
const LOOK_SHARE = 0.1;

class Permits {
  #shadow;
  #random;
  #party;
  #semaphores;
  #claims = [];

  /** `party`: what this shares with the rest that the thread does. */
  constructor({ manager, shadow, random, party }) {
    this.#shadow = shadow;
    this.#random = random;
    this.#party = party;
    this.#semaphores = semaphores.map(({ name, permits }) => manager.semaphore(name, { permits }));
  }

  blocking() {
    const i = below(this.#random, semaphores.length);
    const permits = this.#amountOf(i);
    const semaphore = this.#semaphores[i];
    weighted(this.#random, [
      [6, () => this.#hotLoop(i)],
      [3, () => this.#guarded(i, () => semaphore.acquire({ ...this.#party.limits(), permits }))],
      [3, () => this.#guarded(i, () => semaphore.tryAcquire({ permits }))],
      [3, () => this.#guarded(i, () => semaphore.acquire({ timeoutMs: below(this.#random, 4), permits }))],
      [2, () => this.#run(i, permits)],
      [1, () => this.#guarded(i, () => semaphore.acquire({ ...this.#party.limits(), permits, cancel: this.#party.cancelSoon() }))],
    ])();
    this.#settle();
  }

  async flow() {
    const i = below(this.#random, semaphores.length);
    const permits = this.#amountOf(i);
    if (this.#random() < 0.2) await this.#flowRun(i, permits);
    else await this.#flowGuarded(i, permits);
    this.#settle();
  }

  /** Acquires all permits at once and releases them; for when nobody else is left. */
  checkAll() {
    semaphores.forEach(({ name, permits }, i) => {
      const guard = this.#party.call(locks.length + i, () => this.#semaphores[i].tryAcquire({ permits }));
      if (guard === undefined) this.#shadow.violation(`${name}: permits are lost, ${this.#semaphores[i].available} of ${permits} are free`);
      else this.#section(i, guard);
    });
  }

  #amountOf(i) {
    return 1 + below(this.#random, semaphores[i].permits);
  }

  #hotLoop(i) {
    const limits = this.#party.limits();
    for (let n = below(this.#random, this.#random() < 0.2 ? 1_000 : 20); n >= 0; n--) {
      const guard = this.#party.call(locks.length + i, () => this.#semaphores[i].acquire({ ...limits, permits: this.#amountOf(i) }));
      if (guard === undefined) return;
      this.#section(i, guard);
    }
  }

  #guarded(i, acquire) {
    const guard = this.#party.call(locks.length + i, acquire);
    if (guard !== undefined) this.#section(i, guard);
  }

  #run(i, permits) {
    let entered = false;
    this.#party.begin(locks.length + i);
    try {
      this.#semaphores[i].run(
        (guard) => {
          entered = true;
          this.#enter(i, guard);
          this.#work();
          this.#shadow.givingBack(locks.length + i, permits);
        },
        { ...this.#party.limits(), permits },
      );
    } catch (error) {
      if (entered) throw error;
      this.#party.refused(locks.length + i, error);
      return;
    }
    this.#shadow.gaveBack(locks.length + i);
  }

  async #flowGuarded(i, permits) {
    this.#party.begin(locks.length + i);
    let guard;
    try {
      guard = await this.#semaphores[i].acquireAsync({ ...this.#party.flowOptions(), permits });
    } catch (error) {
      this.#party.refused(locks.length + i, error);
      return;
    }
    await this.#flowBody(i, guard);
    this.#giveBack(i, guard);
  }

  async #flowRun(i, permits) {
    let entered = false;
    this.#party.begin(locks.length + i);
    try {
      await this.#semaphores[i].runAsync(
        async (guard) => {
          entered = true;
          this.#party.caught(1);
          await this.#flowBody(i, guard);
          this.#party.caught(-1);
          this.#shadow.givingBack(locks.length + i, permits);
        },
        { ...this.#party.flowOptions(), permits },
      );
    } catch (error) {
      if (entered) throw error;
      this.#party.refused(locks.length + i, error);
      return;
    }
    this.#shadow.gaveBack(locks.length + i);
  }

  async #flowBody(i, guard) {
    this.#enter(i, guard);
    for (let n = below(this.#random, 3); n > 0; n--) await new Promise((resolve) => setImmediate(resolve));
    this.#party.meetFate('flow');
  }

  #section(i, guard) {
    this.#enter(i, guard);
    this.#work();
    this.#party.meetFate('section');
    this.#giveBack(i, guard);
  }

  #work() {
    const rounds = this.#random() < 0.05 ? 50_000 : below(this.#random, 100);
    for (let n = 0; n < rounds; n++) Math.sqrt(n);
  }

  #enter(i, { permits }) {
    this.#shadow.hold(locks.length + i, permits);
    if (this.#random() >= LOOK_SHARE) return;
    const holds = this.#shadow.holdsOf(locks.length + i);
    if (sumOf(holds) > semaphores[i].permits && this.#claims.push({ i, holds }) > CLAIM_LIMIT) this.#claims.shift();
  }

  #giveBack(i, guard) {
    this.#shadow.givingBack(locks.length + i, guard.permits);
    guard.release();
    this.#shadow.gaveBack(locks.length + i);
  }

  #settle() {
    this.#claims = this.#claims.filter(({ i, holds }) => {
      const { name, permits } = semaphores[i];
      const proven = holds.filter((hold) => this.#shadow.hasGoneOn(locks.length + i, hold));
      if (sumOf(proven) > permits) {
        this.#shadow.violation(`${name}: more permits were held than there are: ${JSON.stringify(proven)}`);
        return false;
      }
      const open = holds.filter((hold) => !proven.includes(hold) && !this.#shadow.hasEnded(locks.length + i, hold));
      return sumOf(proven) + sumOf(open) > permits;
    });
  }
}

function sumOf(holds) {
  return holds.reduce((sum, { permits }) => sum + permits, 0);
}

module.exports = { Permits };
