const { once } = require('node:events');
const { threadId, Worker } = require('node:worker_threads');
const { getLockManager } = require('holdfast');
const { Finished } = require('./fate.cjs');
const { Party } = require('./party.cjs');
const { randomOf } = require('./random.cjs');
const { Shadow } = require('./shadow.cjs');

/** Takes part in the storm until it is over, or until this thread is. `nested`: what a worker of this worker is given. */
async function participate({ buffer, seed, parent, fate, nested }, { askForCancel, onRunning } = {}) {
  const shadow = new Shadow({ buffer });
  shadow.setRow('parent', parent + 1);
  const manager = getLockManager();
  const random = randomOf(seed);
  const party = new Party({ manager, shadow, random, mayBlock: true, fate, askForCancel });
  const child = nested && new Worker(require.resolve('./worker.cjs'), { workerData: { ...nested, buffer, parent: threadId } });
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

module.exports = { participate };
