import { parentPort, workerData } from 'node:worker_threads';
import { participate } from './participate.mjs';

await participate(workerData, {
  askForCancel: (token) => parentPort.postMessage(token),
  onRunning: () => parentPort.postMessage('running'),
});
