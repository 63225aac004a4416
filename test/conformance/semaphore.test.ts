import { type Capabilities, lockSuite } from './lock-suite.js';

const semaphore: Capabilities = {
  mode: 'shared',
  waits: ['blocking', 'asynchronous'],
  tryAcquire: true,
  cancel: true,
  signal: true,
  fencing: true,
  reentrant: 'is refused',
  fifo: true,
  ownerDeath: 'sees nothing',
  counted: 'permit',
};

lockSuite('a semaphore of one permit', { ...semaphore, lock: 'semaphore, 1 permit', beside: 'nothing' });
lockSuite('a semaphore of one permit beside another manager', { ...semaphore, lock: 'semaphore, 1 permit', beside: 'another manager' });

// Several are served at once, so which of them runs first says nothing about the order.
const shared: Capabilities = { ...semaphore, reentrant: 'nests', fifo: false };
lockSuite('a semaphore of three permits', { ...shared, lock: 'semaphore, 3 permits', against: 'semaphore, 3 permits, all at once', againstCounts: true, beside: 'nothing' });
