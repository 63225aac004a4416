/** What differs between runtimes, for Node. Nothing else in `src` imports `node:`. */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, readlinkSync } from 'node:fs';
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId, type Worker } from 'node:worker_threads';

export { isMainThread, threadId };

export const processId = process.pid;

/** What the thread that made this one has left for it; see {@link leaveForWorkers}. */
export function inherited(key: string): unknown {
  return getEnvironmentData(key);
}

/** Leaves a value for all workers that this thread makes from now on, and for theirs; `undefined` takes it back. */
export function leaveForWorkers(key: string, value: unknown): void {
  setEnvironmentData(key, value as Parameters<typeof setEnvironmentData>[1]);
}

type EndListener = (threadId: number) => void;

const endListeners = new Set<EndListener>();

/**
 * Calls the listener whenever a worker that this thread made since this file was loaded has ended, in whatever way: nothing is
 * written by it any more. Nothing needs to be passed: the runtime announces every worker, Piscina's too. Returns what ends it.
 */
export function onThreadEnd(listener: EndListener): () => void {
  endListeners.add(listener);
  return () => void endListeners.delete(listener);
}

/** Workers whose end this thread will hear. */
const own = new Set<number>();

/** Whether the listeners of this thread will be told of the end of a worker. */
export function hearsEndOf(id: number): boolean {
  return own.has(id);
}

function onWorkerMade(message: unknown): void {
  const { worker } = message as { worker: Worker };
  // Reads −1 once the worker has ended.
  const id = worker.threadId;
  own.add(id);
  worker.once('exit', () => {
    own.delete(id);
    for (const listener of [...endListeners]) listener(id);
  });
}

subscribe('worker_threads', onWorkerMade);

/** The operating system's name for a thread: its id, and the moment it started, so that a reused id is no mistake. */
export interface KernelThread {
  readonly id: number;
  readonly start: number;
}

/** The calling thread, where the operating system shows it (Linux); else `undefined`. */
export function kernelThread(): KernelThread | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    const start = startOf(id);
    return start === undefined ? undefined : { id, start };
  } catch {
    return undefined;
  }
}

/**
 * Whether a thread of this process is known to have ended: nothing is written by it any more. If it is not known when it started, a later
 * thread of the same id is taken for it, and lets it seem to live.
 */
export function hasEnded(id: number, start: number | undefined): boolean {
  try {
    const found = startOf(id);
    return start !== undefined && found !== undefined && found !== start;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Field 22 of the thread's status: clock ticks since the system started. The name before it may hold spaces and brackets. */
function startOf(id: number): number | undefined {
  const status = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
  const start = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[19]);
  return Number.isFinite(start) ? start : undefined;
}

/** Keeps the event loop alive while it is wanted, and calls `tick` every `everyMs` meanwhile. A pending asynchronous wait does neither. */
export class KeepAlive {
  readonly #tick: () => void;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(tick: () => void, everyMs: number) {
    this.#tick = tick;
    this.#everyMs = everyMs;
  }

  want(): void {
    this.#timer ??= setInterval(this.#tick, this.#everyMs);
  }

  release(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
