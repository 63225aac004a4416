const { parentPort, workerData } = require('node:worker_threads');
const { getLockManager } = require('holdfast');

const mutex = getLockManager('churn').mutex('churn');
mutex.lock();
switch (workerData.ends) {
  case 'idle':
    mutex.unlock();
    break;
  case 'exit':
    process.exit(0);
    break;
  case 'throw':
    throw new Error('as planned');
  case 'terminate':
    parentPort.postMessage('holding');
    for (;;);
}
