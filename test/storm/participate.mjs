import { once } from 'node:events';
import { threadId, Worker } from 'node:worker_threads';
import { getLockManager } from 'holdfast';
import { Finished } from './fate.mjs';
import { Party } from './party.mjs';
import { randomOf } from './random.mjs';
import { Shadow } from './shadow.mjs';

/** Takes part in the storm until it is over, or until this thread is. `nested`: what a worker of this worker is given. */
export async function participate({ buffer, seed, parent, fate, nested }, { askForCancel, onRunning } = {}) {
  const shadow = new Shadow({ buffer });
  shadow.setRow('parent', parent + 1);
  const manager = getLockManager();
  const random = randomOf(seed);
  const party = new Party({ manager, shadow, random, mayBlock: true, fate, askForCancel });
  const child = nested && new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { ...nested, buffer, parent: threadId } });
  const childEnded = child && once(child, 'exit');
  shadow.setRow('running', 1);
  onRunning?.();
  try {
    while (!shadow.stopped) await party.turn();
  } catch (error) {
    if (error instanceof Finished) return;
    throw error;
  }
  shadow.setRow('running', 0);
  await childEnded;
  if (random() < 0.5) await manager.close();
}
