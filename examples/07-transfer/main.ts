/** Workers move amounts between accounts, each of which has a lock of its own, and nobody ever sees money on its way. */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { getLockManager, lockAllAsync } from 'holdfast';

const WORKERS = 4;
const TRANSFERS = 5_000;
const ACCOUNTS = 6;
const EACH = 1_000;

await using manager = getLockManager();
const accounts = new Int32Array(new SharedArrayBuffer(ACCOUNTS * 4)).fill(EACH);
const locks = Array.from(accounts, (_, i) => manager.mutex(`account/${i}`));

const url = new URL('./worker.js', import.meta.url);
const workers = Array.from({ length: WORKERS }, () => new Worker(url, { workerData: { accounts, transfers: TRANSFERS } }));
let working = true;
const worked = Promise.all(workers.map((worker) => once(worker, 'exit'))).finally(() => (working = false));

/** The sum of all accounts, while nobody can change one. */
const audit = (): Promise<number> => lockAllAsync(locks, () => accounts.reduce((sum, balance) => sum + balance));

const sums: number[] = [];
while (working) {
  sums.push(await audit());
  // Locks that are free are awaited without a turn of the event loop, which also has to hear of the workers.
  await setImmediate();
}
await worked;
sums.push(await audit());

const wrong = sums.filter((sum) => sum !== ACCOUNTS * EACH).length;
console.log(`${WORKERS * TRANSFERS} transfers, ${wrong} of the audits meanwhile found another sum than ${ACCOUNTS * EACH}`);
console.log(`check: ${wrong === 0 ? 'passed' : 'failed'}`);
process.exitCode = wrong === 0 ? 0 : 1;
