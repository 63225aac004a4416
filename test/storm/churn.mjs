import { Worker } from 'node:worker_threads';
import { LockManager } from 'holdfast';

const workerFile = new URL('./churn-worker.cjs', import.meta.url);

/** `count` threads come, lock and go, `workers` at a time, in a table with room for no more: every record must be given back. */
export async function churn({ count, workers }) {
  const manager = LockManager.create({ name: 'churn', capacity: { agents: workers + 1 }, ownerDeath: 'release' });
  const startMs = performance.now();
  const violations = [];
  let made = 0;
  let diedOwning = 0;
  const line = async () => {
    while (made < count && violations.length === 0) {
      const ends = ['idle', 'finish', 'exit', 'throw', 'terminate'][made++ % 5];
      const worker = new Worker(workerFile, { workerData: { ends } });
      if (ends === 'terminate') worker.once('message', () => void worker.terminate());
      worker.on('error', (error) => {
        if (error.message !== 'as planned') violations.push(`a thread ended by an error of its own: ${error?.stack ?? error}`);
      });
      await new Promise((resolve) => worker.once('exit', resolve));
      if (ends !== 'idle') diedOwning++;
    }
  };
  await Promise.all(Array.from({ length: workers }, line));
  const { agents } = manager.stats;
  if (agents !== 1) violations.push(`${agents} agents are attached, but all threads other than this one have ended`);
  const { ownerDeaths, locks } = manager.getStatistics('churn');
  if (ownerDeaths !== diedOwning) violations.push(`${ownerDeaths} owners died, expected ${diedOwning}`);
  if (locks.exclusive.totalAcquisitions !== made) violations.push(`${locks.exclusive.totalAcquisitions} acquisitions, expected ${made}`);
  await manager.close();
  return { threads: made, seconds: Math.round((performance.now() - startMs) / 100) / 10, diedOwning, ownerDeaths, violations };
}
