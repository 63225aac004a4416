/** Makes its requests as soon as it may, and notes when each began. */
import { workerData } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

const { starts, limit, windowMs } = workerData as { readonly starts: Float64Array; readonly limit: number; readonly windowMs: number };
const permits = getLockManager().semaphore('requests', { permits: limit });

for (let i = 0; i < starts.length; i++) {
  const guard = await permits.acquireAsync();
  starts[i] = performance.timeOrigin + performance.now();
  // The permit of a request goes back when it no longer counts, however soon it is done. A timer may be a millisecond early.
  setTimeout(() => guard.release(), windowMs + 1);
}
