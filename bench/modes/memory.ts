import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { LockManager, type SharedManager } from 'holdfast';
import type { Answer } from './modes.js';
import { messageOf, startThread } from './thread.js';

const LOCKS = 10_000;
const AGENTS = 32;

export interface MemoryUse {
  /** Bytes of real memory that the segment grows by; absent where the system does not show it. */
  readonly lock?: number;
  readonly agent?: number;
  /** Bytes of this thread's heap for the handle of a lock. */
  readonly handle: number;
}

/** Uses many locks from many threads and sees what the segment and the heap have grown by. */
export async function answerMemory(): Promise<Answer> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  return async (): Promise<MemoryUse> => {
    const manager = LockManager.create({ capacity: { locks: LOCKS, agents: 2 * AGENTS } });
    const use = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const lock = manager.mutex(`lock-${i}`);
        lock.lock();
        lock.unlock();
      }
    };
    use(0, 100);
    const before = { heap: heap(), resident: residentBytes(manager.share()) };
    use(100, LOCKS);
    const after = { heap: heap(), resident: residentBytes(manager.share()) };
    const workers = Array.from({ length: AGENTS }, () => startThread('attendant', manager.share()));
    await Promise.all(workers.map((worker) => messageOf(worker)));
    const attended = residentBytes(manager.share());
    await Promise.all(workers.map((worker) => worker.terminate()));
    const perLock = (grown: number): number => grown / (LOCKS - 100);
    const handle = perLock(after.heap - before.heap);
    if (before.resident === undefined || after.resident === undefined || attended === undefined) return { handle };
    return { handle, lock: perLock(after.resident - before.resident), agent: (attended - after.resident) / AGENTS };
  };
}

/** In a worker: attaches, uses a lock in both ways, and stays. */
export async function attendant(shared: SharedManager): Promise<void> {
  const lock = LockManager.attach(shared).mutex('lock-0');
  lock.lock();
  lock.unlock();
  (await lock.acquireAsync()).release();
  parentPort!.on('message', () => {});
  parentPort!.postMessage('attached');
}

/** What of the manager's memory is backed by real pages; `undefined` where the system does not show it. */
function residentBytes({ memory }: SharedManager): number | undefined {
  const size = (memory as WebAssembly.Memory).buffer.byteLength;
  let maps: string;
  try {
    maps = readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return undefined;
  }
  // The memory is a mapping of its own size, with what is reserved after it not accessible.
  const of = maps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((map) => /^\S+ rw/.test(map) && Number(/^Size: +(\d+) kB/m.exec(map)?.[1]) * 1024 === size);
  return of.length === 1 ? Number(/^Rss: +(\d+) kB/m.exec(of[0]!)![1]) * 1024 : undefined;
}
