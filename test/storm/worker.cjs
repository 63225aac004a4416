// Whatever threads of a storm load is CommonJS: Node ends the whole process if a thread is terminated while it links an ES module.
const { parentPort, workerData } = require('node:worker_threads');
const { participate } = require('./participate.cjs');

void participate(workerData, {
  askForCancel: (token) => parentPort.postMessage(token),
  onRunning: () => parentPort.postMessage('running'),
});
