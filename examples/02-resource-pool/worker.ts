/** Uses a connection as often as it is told. */
import { workerData } from 'node:worker_threads';
import { getLockManager, type MutexGuard } from 'holdfast';

const { uses, rounds } = workerData as { readonly uses: Int32Array; readonly rounds: number };
const manager = getLockManager();
const pool = manager.semaphore('pool', { permits: uses.length });
// Each is locked as well: should a thread die with one, the next to use it would be told.
const connections = Array.from(uses, (_, i) => manager.mutex(`connection/${i}`));

/** Who has a permit finds one that is free; others may be faster, but then another one is. */
function connect(): { readonly number: number; readonly connection: MutexGuard } {
  for (;;) {
    for (const [number, lock] of connections.entries()) {
      const connection = lock.tryAcquire();
      if (connection !== undefined) return { number, connection };
    }
  }
}

for (let i = 0; i < rounds; i++) {
  using _ = pool.acquire();
  const { number, connection } = connect();
  uses[number]!++;
  connection.release();
}
