/** Puts numbers into the ring, or takes them out and adds them up. */
import { parentPort, workerData } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const { role, ring, first, count } = workerData as { readonly role: 'puts' | 'takes'; readonly ring: Int32Array; readonly first: number; readonly count: number };
const manager = getLockManager();
const lock = manager.mutex('ring');
const notEmpty = manager.condition('ring is not empty', lock);
const notFull = manager.condition('ring is not full', lock);
const [TAKEN, PUT, START] = [0, 1, 2];
const size = ring.length - START;

manager.barrier('ready', { parties: 5 }).wait();
let sum = 0;
for (let i = 0; i < count; i++) {
  lock.run((guard) => {
    if (role === 'puts') {
      notFull.waitFor(guard, () => ring[PUT]! - ring[TAKEN]! < size);
      ring[START + (ring[PUT]!++ % size)] = first + i;
      notEmpty.notify();
    } else {
      notEmpty.waitFor(guard, () => ring[PUT]! > ring[TAKEN]!);
      sum += ring[START + (ring[TAKEN]!++ % size)]!;
      notFull.notify();
    }
  });
}
parentPort!.postMessage(sum);
