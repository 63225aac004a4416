import { setTimeout } from 'node:timers/promises';
import { parentPort, type Worker } from 'node:worker_threads';
import { readerContenders } from '../contenders/readers.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, signal, startThread, waitFor } from './thread.js';

const GATE = 0;
const STOP = 1;
/** Reads between two looks whether to stop. */
const BATCH = 1_000;

interface ReadData {
  readonly name: string;
  readonly shared: object;
  readonly control: Int32Array;
}

/** Answers `durationMs` with the reads per second of all threads together. */
export async function answerReaders(name: string, threads: number): Promise<Answer> {
  const shared = await readerContenders[name]!.share();
  const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const workers = Array.from({ length: threads }, () => startThread('read', { name, shared, control } satisfies ReadData));
  await allOf(workers);
  let round = 0;
  return async (durationMs): Promise<number> => {
    round++;
    Atomics.store(control, STOP, 0);
    const ready = allOf(workers);
    for (const worker of workers) worker.postMessage(round);
    await ready;
    const done = allOf<number>(workers);
    const startNs = nowNs();
    signal(control, GATE, round);
    await setTimeout(durationMs);
    Atomics.store(control, STOP, 1);
    const elapsedNs = nowNs() - startNs;
    return ((await done).reduce((sum, reads) => sum + reads, 0) / elapsedNs) * 1e9;
  };
}

function allOf<T>(workers: readonly Worker[]): Promise<T[]> {
  return Promise.all(workers.map((worker) => messageOf<T>(worker)));
}

/** In a worker: reads in each round that it is told of. */
export async function read({ name, shared, control }: ReadData): Promise<void> {
  const once = await readerContenders[name]!.open(shared);
  parentPort!.on('message', (round: number) => {
    parentPort!.postMessage('ready');
    waitFor(control, GATE, round);
    let reads = 0;
    for (; Atomics.load(control, STOP) === 0; reads += BATCH) for (let i = 0; i < BATCH; i++) once();
    parentPort!.postMessage(reads);
  });
  parentPort!.postMessage('open');
}
