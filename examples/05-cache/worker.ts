/** Looks values up, and computes those that are not there yet. */
import { workerData } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const { values, counts, lookups } = workerData as { readonly values: Float64Array; readonly counts: Int32Array; readonly lookups: number };
const cache = getLockManager().rwlock('cache');

const compute = (key: number): number => Math.sqrt(key + 1);

function valueOf(key: number): number {
  const known = cache.read.run(() => values[key]!);
  if (known !== 0) return known;
  return cache.write.run(() => {
    // Another may have been quicker between the two.
    if (values[key] === 0) {
      values[key] = compute(key);
      counts[0]!++;
    }
    return values[key]!;
  });
}

let wrong = 0;
for (let i = 0; i < lookups; i++) {
  const key = i % values.length;
  if (valueOf(key) !== compute(key)) wrong++;
}
Atomics.add(counts, 1, wrong);
