import { parentPort } from 'node:worker_threads';
import { type Enter, sharedContenders } from '../contenders/sections.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, signal, startThread, waitFor } from './thread.js';

/** Words of the handshake; each counts samples. */
const HOLDING = 0;
const ASKING = 1;
const DONE = 2;
/** After this the waiter has surely parked. */
const PARKED_AFTER_NS = 200_000;

interface HandoffData {
  readonly name: string;
  readonly shared: object;
  readonly control: Int32Array;
  /** When the releaser was about to release. */
  readonly released: Float64Array;
}

async function dataOf(name: string): Promise<HandoffData | undefined> {
  const shared = await sharedContenders[name]!.share();
  if (shared === undefined) return undefined;
  return { name, shared, control: new Int32Array(new SharedArrayBuffer(64)), released: new Float64Array(new SharedArrayBuffer(64)) };
}

/** Two workers. Answers a number of samples with the times from release to acquisition, in ns. */
export async function answerHandoff(name: string): Promise<Answer | undefined> {
  const data = await dataOf(name);
  if (data === undefined) return undefined;
  const workers = [startThread('releaser', data), startThread('waiter', data)] as const;
  await Promise.all(workers.map((worker) => messageOf(worker)));
  let first = 1;
  return async (samples) => {
    for (const worker of workers) worker.postMessage([first, samples]);
    first += samples!;
    return messageOf(workers[1]);
  };
}

/** The same with the event loop of the main thread as the waiter. */
export async function answerWake(name: string): Promise<Answer | undefined> {
  const openAsync = sharedContenders[name]!.openAsync;
  const data = openAsync && (await dataOf(name));
  if (data === undefined) return undefined;
  const worker = startThread('releaser', data);
  await messageOf(worker);
  const enter = await openAsync!(data.shared);
  let first = 1;
  return (samples) => {
    worker.postMessage([first, samples]);
    const times = waitOften(enter, data, first, samples!);
    first += samples!;
    return times;
  };
}

/** In a worker: holds until the other waits, then releases. */
export async function releaser({ name, shared, control, released }: HandoffData): Promise<void> {
  const enter = await sharedContenders[name]!.open(shared);
  parentPort!.on('message', async ([first, samples]: [number, number]) => {
    for (let sample = first; sample < first + samples; sample++) {
      await enter(() => {
        signal(control, HOLDING, sample);
        waitFor(control, ASKING, sample);
        const until = nowNs() + PARKED_AFTER_NS;
        do released[0] = nowNs();
        while (released[0]! < until);
      });
      waitFor(control, DONE, sample);
    }
  });
  parentPort!.postMessage('open');
}

/** In a worker: waits for what the releaser holds. */
export async function waiter(data: HandoffData): Promise<void> {
  const enter = await sharedContenders[data.name]!.open(data.shared);
  parentPort!.on('message', async ([first, samples]: [number, number]) => {
    parentPort!.postMessage(await waitOften(enter, data, first, samples));
  });
  parentPort!.postMessage('open');
}

async function waitOften(enter: Enter, { control, released }: HandoffData, first: number, samples: number): Promise<number[]> {
  const times: number[] = [];
  for (let sample = first; sample < first + samples; sample++) {
    waitFor(control, HOLDING, sample);
    signal(control, ASKING, sample);
    const left = enter(() => {
      times.push(nowNs() - released[0]!);
    });
    if (left !== undefined) await left;
    signal(control, DONE, sample);
  }
  return times;
}
