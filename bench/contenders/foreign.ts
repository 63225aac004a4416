/** What Node offers itself and what users have today, with what it takes to load it. */
import type { Mutex } from 'multithreading';

/** As far as it is used here; `Atomics.Mutex` is an experiment behind `--harmony-struct`. */
export interface V8Mutex {
  new (): object;
  lock(mutex: object, body: () => void): void;
}

export interface WebLocks {
  request(name: string, body: () => void): Promise<void>;
}

export const v8MutexFlags = ['--harmony-struct'];

export function v8Mutex(): V8Mutex | undefined {
  return (Atomics as { Mutex?: V8Mutex }).Mutex;
}

export function webLocks(): WebLocks | undefined {
  return (globalThis as { navigator?: { locks?: WebLocks } }).navigator?.locks;
}

export async function multithreadingMutex(memory: SharedArrayBuffer): Promise<Mutex> {
  // Node 20 has no `navigator`, which the package reads when it is loaded.
  (globalThis as { navigator?: object }).navigator ??= { hardwareConcurrency: 2 };
  const { Mutex } = await import('multithreading');
  return new Mutex(undefined, memory);
}
