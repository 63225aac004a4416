/** Makes transfers between accounts chosen at random. */
import { workerData } from 'node:worker_threads';
import { getLockManager, lockAll } from 'holdfast';

const { accounts, transfers } = workerData as { readonly accounts: Int32Array; readonly transfers: number };
const manager = getLockManager();
const locks = Array.from(accounts, (_, i) => manager.mutex(`account/${i}`));

for (let i = 0; i < transfers; i++) {
  const from = Math.floor(Math.random() * accounts.length);
  const to = (from + 1 + Math.floor(Math.random() * (accounts.length - 1))) % accounts.length;
  // Another worker may want the same two the other way round: whoever names them, they are taken in one order.
  lockAll([locks[from]!, locks[to]!], () => {
    const amount = Math.min(accounts[from]!, 1 + Math.floor(Math.random() * 100));
    accounts[from]! -= amount;
    accounts[to]! += amount;
  });
}
