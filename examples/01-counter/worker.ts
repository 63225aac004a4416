/** Adds 1 as often as it is told. */
import { workerData } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const { counter, rounds } = workerData as { readonly counter: Int32Array; readonly rounds: number };
const lock = getLockManager().mutex('counter');

for (let i = 0; i < rounds; i++) {
  lock.run(() => {
    counter[0]!++;
  });
}
