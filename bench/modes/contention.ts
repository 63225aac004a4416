import { setTimeout } from 'node:timers/promises';
import { parentPort, type Worker } from 'node:worker_threads';
import { type Enter, sharedContenders } from '../contenders/sections.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, signal, startThread, waitFor } from './thread.js';
import { work } from './work.js';

const GATE = 0;
const STOP = 1;
/** Lines of their own, so that what is measured is the lock. */
const COUNT = 32;
const WORDS = 64;

interface Task {
  readonly round: number;
  /** Steps of `work` in each section, and after it. */
  readonly inside: number;
  readonly outside: number;
  /** Whether each wait is timed, which takes time itself. */
  readonly clocks: boolean;
}

/** An acquisition that took so long has slept for it. */
const SLEPT_MS = 0.016;

interface Done {
  readonly acquisitions: number;
  readonly sleeps: number;
  readonly sleepMsSum: number;
  readonly waitMsSum: number;
  readonly waitMsMax: number;
}

interface ContendData {
  readonly name: string;
  readonly shared: object;
  readonly control: Int32Array;
}

/** What a round showed. */
export interface Contention {
  readonly acquisitions: readonly number[];
  readonly elapsedUs: number;
  readonly cpuUs: number;
  /** Over all acquisitions, most of which need not wait at all. */
  readonly meanWaitUs: number;
  /** Over those that slept. */
  readonly meanSleepUs: number;
  readonly maxWaitUs: number;
}

/** Answers `inside outside durationMs clocks` with a {@link Contention}. */
export async function answerContention(name: string, threads: number): Promise<Answer | undefined> {
  const shared = await sharedContenders[name]!.share();
  if (shared === undefined) return undefined;
  const control = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  const workers = Array.from({ length: threads }, () => startThread('contend', { name, shared, control } satisfies ContendData));
  await allOf(workers);
  let round = 0;
  return async (inside, outside, durationMs, clocks): Promise<Contention | { readonly unavailable: string }> => {
    round++;
    Atomics.store(control, STOP, 0);
    Atomics.store(control, COUNT, 0);
    const ready = allOf(workers);
    for (const worker of workers) worker.postMessage({ round, inside: inside!, outside: outside!, clocks: clocks === 1 } satisfies Task);
    await ready;
    const done = allOf<Done>(workers);
    const startCpu = process.cpuUsage();
    const startNs = nowNs();
    signal(control, GATE, round);
    await setTimeout(durationMs);
    Atomics.store(control, STOP, 1);
    const elapsedUs = (nowNs() - startNs) / 1_000;
    const { user, system } = process.cpuUsage(startCpu);
    const results = await done;
    const total = sumOf(results, 'acquisitions');
    const counted = Atomics.load(control, COUNT);
    if (counted !== total) {
      const fault = `does not exclude: ${total} sections, ${counted} counted`;
      if (name.startsWith('holdfast')) throw new Error(`${name} ${fault}`);
      return { unavailable: fault };
    }
    return {
      acquisitions: results.map(({ acquisitions }) => acquisitions),
      elapsedUs,
      cpuUs: user + system,
      meanWaitUs: (sumOf(results, 'waitMsSum') / total) * 1_000,
      meanSleepUs: (sumOf(results, 'sleepMsSum') / Math.max(1, sumOf(results, 'sleeps'))) * 1_000,
      maxWaitUs: Math.max(...results.map(({ waitMsMax }) => waitMsMax)) * 1_000,
    };
  };
}

function sumOf(results: readonly Done[], field: keyof Done): number {
  return results.reduce((sum, done) => sum + done[field], 0);
}

function allOf<T>(workers: readonly Worker[]): Promise<T[]> {
  return Promise.all(workers.map((worker) => messageOf<T>(worker)));
}

/** In a worker: contends in each round that it is told of. */
export async function contend({ name, shared, control }: ContendData): Promise<void> {
  const contender = sharedContenders[name]!;
  const contest = contestant(await contender.open(shared), contender.isAsync === true, control);
  parentPort!.on('message', async (task: Task) => {
    parentPort!.postMessage('ready');
    waitFor(control, GATE, task.round);
    parentPort!.postMessage(await contest(task));
  });
  parentPort!.postMessage('open');
}

function contestant(enter: Enter, isAsync: boolean, control: Int32Array): (task: Task) => Done | Promise<Done> {
  let task: Task;
  let x = 1;
  let askedMs = 0;
  let sleeps = 0;
  let sleepMsSum = 0;
  let waitMsSum = 0;
  let waitMsMax = 0;
  const section = (): void => {
    control[COUNT]!++;
    x = work(x, task.inside);
  };
  const timedSection = (): void => {
    const waitMs = performance.now() - askedMs;
    waitMsSum += waitMs;
    if (waitMs > waitMsMax) waitMsMax = waitMs;
    if (waitMs >= SLEPT_MS) {
      sleeps++;
      sleepMsSum += waitMs;
    }
    section();
  };
  const loop = (): number => {
    let acquisitions = 0;
    do {
      if (task.clocks) askedMs = performance.now();
      void enter(task.clocks ? timedSection : section);
      x = work(x, task.outside);
      acquisitions++;
    } while (Atomics.load(control, STOP) === 0);
    return acquisitions;
  };
  const loopAsync = async (): Promise<number> => {
    let acquisitions = 0;
    do {
      if (task.clocks) askedMs = performance.now();
      await enter(task.clocks ? timedSection : section);
      x = work(x, task.outside);
      acquisitions++;
    } while (Atomics.load(control, STOP) === 0);
    return acquisitions;
  };
  const done = (acquisitions: number): Done => ({ acquisitions, sleeps, sleepMsSum, waitMsSum, waitMsMax });
  return (next) => {
    task = next;
    sleeps = sleepMsSum = waitMsSum = waitMsMax = 0;
    return isAsync ? loopAsync().then(done) : done(loop());
  };
}
