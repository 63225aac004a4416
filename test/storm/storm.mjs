import { channel } from 'node:diagnostics_channel';
import { Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';
import { Piscina } from 'piscina';
import { audit } from './audit.mjs';
import { Party } from './party.cjs';
import { below, randomOf, weighted } from './random.cjs';
import { Shadow } from './shadow.cjs';

const workerFile = new URL('./worker.cjs', import.meta.url);
const taskFile = new URL('./task.cjs', import.meta.url).href;
/** A thread that has not met its fate by then is terminated instead. */
const FATE_LIMIT_MS = 2_000;
const LOOK_MS = 50;
const REPORT_MS = 5_000;

/** How a thread dies, and how many generations of workers it has. */
const plans = [
  [54, { way: 'terminate', nested: 0 }],
  [13, { way: 'exit', nested: 0 }],
  [12, { way: 'throw', nested: 0 }],
  [4, { way: 'finish', nested: 0 }],
  [4, { way: 'close', nested: 0 }],
  [2, { way: 'oom', nested: 0 }],
  [7, { way: 'terminate', nested: 1 }],
  [2, { way: 'terminate', nested: 2 }],
  [2, { way: 'exit', nested: 1 }],
];
const places = {
  exit: ['section', 'section', 'outside', 'flow', 'repair'],
  throw: ['section', 'section', 'outside', 'flow'],
  finish: ['section'],
  close: ['section'],
  oom: ['section', 'flow'],
};

/**
 * Threads use all locks in all ways while they are killed in all ways, until `kills` of them are dead or `seconds` have passed. No
 * thread may be without progress for `stallMs`. `report(text)` is called now and then.
 */
export class Storm {
  #options;
  #random;
  #shadow;
  #manager = getLockManager();
  #party;
  #pool;
  /** The threads that this one makes itself. */
  #workers = new Map();
  /** Ids of those and of the pool's. */
  #alive = new Set();
  /** The progress of each thread, and when it was first seen. */
  #seen = new Map();
  #startMs = performance.now();
  #kills = {};
  #longestStallMs = 0;
  #finished = deferred();
  #stalled = deferred();
  #over = false;

  constructor(options) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    this.#shadow = new Shadow({ threads: 1_000 + 3 * Math.min(options.kills, 200_000) });
    this.#party = new Party({ manager: this.#manager, shadow: this.#shadow, random: randomOf(this.#seed()), mayBlock: false });
    channel('worker_threads').subscribe(({ worker }) => {
      const id = worker.threadId;
      this.#alive.add(id);
      worker.once('exit', () => this.#alive.delete(id));
    });
  }

  /** What was done, and what was wrong. */
  async run() {
    const { workers, report } = this.#options;
    const pooled = workers > 3 ? 1 : 0;
    for (let i = pooled; i < workers; i++) this.#spawn(i === pooled && workers > 2 ? 'lasting' : 'passing');
    const watch = setInterval(() => this.#watch(), LOOK_MS);
    const reporting = setInterval(() => report(this.#progressLine()), REPORT_MS);
    const others = [this.#takePart(), ...(pooled > 0 ? [this.#runPool()] : [])];
    await Promise.race([Promise.all([this.#finished.promise, ...others]), this.#stalled.promise]);
    clearInterval(watch);
    clearInterval(reporting);
    await this.#end();
    return this.#summary();
  }

  get #killCount() {
    return Object.values(this.#kills).reduce((sum, count) => sum + count, 0);
  }

  get #seconds() {
    return (performance.now() - this.#startMs) / 1_000;
  }

  #seed() {
    return below(this.#random, 2 ** 31);
  }

  /** `'lasting'`: a thread that lives for seconds, so that one which is forgotten is seen to be. */
  #spawn(role) {
    const plan = role === 'lasting' ? plans[0][1] : weighted(this.#random, plans);
    const worker = new Worker(workerFile, {
      workerData: { buffer: this.#shadow.buffer, seed: this.#seed(), parent: 0, fate: this.#fate(plan), nested: this.#nested(plan.nested) },
      ...(plan.way === 'oom' ? { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 } } : {}),
    });
    const one = { worker, id: worker.threadId, plan, role, killed: undefined };
    this.#workers.set(one.id, one);
    worker.on('message', (message) => (message === 'running' ? this.#onRunning(one) : this.#cancelSoon(message)));
    worker.on('error', (error) => this.#onError(one, error));
    worker.on('exit', () => this.#onExit(one));
    // Some die while they start.
    if (plan.way === 'terminate' && role === 'passing' && this.#random() < 0.15) this.#soon(40, () => this.#kill(one));
  }

  #fate({ way }) {
    if (way === 'terminate') return undefined;
    const choices = places[way];
    return { way, place: choices[below(this.#random, choices.length)], after: below(this.#random, 200) };
  }

  #nested(generations) {
    if (generations === 0) return undefined;
    const fate = this.#random() < 0.3 ? { way: 'exit', place: 'section', after: below(this.#random, 200) } : undefined;
    return { seed: this.#seed(), fate, nested: this.#nested(generations - 1) };
  }

  #onRunning(one) {
    if (one.plan.way !== 'terminate') setTimeout(() => this.#kill(one), FATE_LIMIT_MS).unref();
    else this.#soon(one.role === 'lasting' ? 6_000 : 30, () => this.#kill(one));
  }

  /** At any moment in the next milliseconds, not only where a timer runs out. */
  #soon(limitMs, act) {
    setTimeout(() => {
      for (let i = below(this.#random, 20_000); i > 0; i--) Math.sqrt(i);
      act();
    }, below(this.#random, limitMs)).unref();
  }

  #cancelSoon(token) {
    const cancel = this.#manager.cancelToken(token);
    this.#soon(5, () => cancel.cancel('storm'));
  }

  #kill(one) {
    if (this.#over) return;
    this.#terminate(one);
    // Now and then several at once; and sometimes this thread hears of deaths late.
    if (this.#random() < 0.05) for (const other of this.#workers.values()) if (other.role === 'passing') this.#terminate(other);
    if (this.#random() < 0.02) for (const untilMs = performance.now() + 5 + below(this.#random, 40); performance.now() < untilMs; );
  }

  #terminate(one) {
    one.killed ??= 'terminate';
    void one.worker.terminate();
  }

  #onError(one, error) {
    const planned = one.plan.way === 'oom' ? error.code === 'ERR_WORKER_OUT_OF_MEMORY' : one.plan.way === 'throw' && error.message === 'as planned';
    if (planned) one.killed ??= one.plan.way;
    else this.#shadow.violation(`thread ${one.id} (${one.plan.way}) ended by an error of its own: ${error?.stack ?? error}`);
  }

  #onExit(one) {
    this.#workers.delete(one.id);
    if (this.#shadow.ofRow(one.id, 'fated') === 1) one.killed ??= one.plan.way;
    if (one.killed !== undefined) this.#count(one.plan.nested === 0 ? one.killed : `${one.killed} with workers`);
    else if (!this.#shadow.stopped) this.#shadow.violation(`thread ${one.id} (${one.plan.way}) ended for no reason`);
    if (!this.#shadow.stopped) this.#spawn(one.role);
    else if (this.#workers.size === 0) this.#finished.resolve();
  }

  #count(way) {
    this.#kills[way] = (this.#kills[way] ?? 0) + 1;
    if (this.#killCount >= this.#options.kills) this.#shadow.stop();
  }

  /** Tasks of a pool, each aborted while it runs; the pool replaces the thread. */
  async #runPool() {
    this.#pool = new Piscina({ filename: taskFile, minThreads: 1, maxThreads: 1 });
    while (!this.#shadow.stopped) {
      const controller = new AbortController();
      const task = this.#pool.run({ buffer: this.#shadow.buffer, seed: this.#seed(), parent: 0 }, { signal: controller.signal });
      this.#soon(400, () => controller.abort());
      try {
        await task;
      } catch (error) {
        if (error.name === 'AbortError') this.#count('abort');
        else this.#shadow.violation(`a task ended by an error of its own: ${error?.stack ?? error}`);
      }
    }
  }

  /** This thread takes part too, without blocking. */
  async #takePart() {
    this.#shadow.setRow('running', 1);
    try {
      while (!this.#shadow.stopped) {
        await this.#party.turn();
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.#shadow.violation(`an error in the main thread: ${error?.stack ?? error}`);
      this.#shadow.stop();
    }
    this.#shadow.setRow('running', 0);
  }

  #watch() {
    const nowMs = performance.now();
    for (let thread = 0; thread < this.#shadow.threads; thread++) {
      if (this.#isRunning(thread)) this.#watchOne(thread, nowMs);
      else {
        this.#seen.delete(thread);
        this.#shadow.writeOff(thread);
      }
    }
    if (this.#seconds >= this.#options.seconds || this.#shadow.violationCount > 0) this.#shadow.stop();
    if (this.#shadow.stopped && this.#workers.size === 0) this.#finished.resolve();
  }

  #watchOne(thread, nowMs) {
    const progress = this.#shadow.ofRow(thread, 'progress');
    const last = this.#seen.get(thread);
    if (last?.progress !== progress) {
      this.#seen.set(thread, { progress, sinceMs: nowMs });
      return;
    }
    const stallMs = nowMs - last.sinceMs;
    this.#longestStallMs = Math.max(this.#longestStallMs, stallMs);
    if (stallMs <= this.#options.stallMs || this.#over) return;
    this.#over = true;
    this.#shadow.violation(`thread ${thread} is stuck for ${Math.round(stallMs)} ms: ${JSON.stringify(this.#manager.getLockStatus())}`);
    this.#stalled.resolve();
  }

  #isRunning(thread) {
    if (this.#shadow.ofRow(thread, 'running') === 0 || this.#shadow.ofRow(thread, 'fated') === 1) return false;
    if (thread === 0 || this.#alive.has(thread)) return true;
    const parent = this.#shadow.ofRow(thread, 'parent') - 1;
    return parent > 0 && this.#isRunning(parent);
  }

  async #end() {
    this.#over = true;
    this.#shadow.stop();
    await Promise.all([...this.#workers.values()].map(({ worker }) => worker.terminate()));
    await this.#pool?.destroy();
    const { agents } = this.#manager.stats;
    if (agents !== 1) this.#shadow.violation(`${agents} agents are attached, but all threads other than this one have ended`);
    try {
      this.#party.checkAll();
    } catch (error) {
      this.#shadow.violation(`an error at the end: ${error?.stack ?? error}`);
    }
  }

  #summary() {
    const sums = audit(this.#shadow, this.#manager);
    return {
      seconds: Math.round(this.#seconds * 10) / 10,
      kills: this.#killCount,
      ways: this.#kills,
      ...sums,
      longestStallMs: Math.round(this.#longestStallMs),
      violationCount: this.#shadow.violationCount,
      violations: this.#shadow.violations(),
    };
  }

  #progressLine() {
    return `${Math.round(this.#seconds)} s: ${this.#killCount} kills, ${this.#shadow.violationCount} violations, longest time without progress ${Math.round(this.#longestStallMs)} ms`;
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
