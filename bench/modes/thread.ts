import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Starts a worker of this process in a role of `worker.ts`. */
export function startThread(role: string, data: unknown = undefined): Worker {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: { role, data } });
  worker.once('error', (error) => {
    throw error;
  });
  return worker;
}

export async function messageOf<T>(worker: Worker): Promise<T> {
  const [message] = (await once(worker, 'message')) as [T];
  return message;
}

/** The same clock in all threads; whole nanoseconds are exact for the first hundred days of a machine. */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** Sets a word that another thread waits for by `waitFor`. */
export function signal(words: Int32Array, at: number, value: number): void {
  Atomics.store(words, at, value);
  Atomics.notify(words, at);
}

export function waitFor(words: Int32Array, at: number, value: number): void {
  for (;;) {
    const seen = Atomics.load(words, at);
    if (seen === value) return;
    Atomics.wait(words, at, seen);
  }
}
