import { type Capabilities, lockSuite } from './lock-suite.js';

const mutex: Capabilities = {
  mode: 'exclusive',
  waits: ['blocking', 'asynchronous'],
  tryAcquire: true,
  cancel: true,
  signal: true,
  fencing: true,
  reentrant: 'is refused',
  fifo: false,
  ownerDeath: 'is refused',
  counted: 'exclusive',
};

lockSuite('a mutex', { ...mutex, lock: 'mutex', beside: 'nothing' });
lockSuite('a mutex beside another manager', { ...mutex, lock: 'mutex', beside: 'another manager' });
lockSuite('a mutex, fifo', { ...mutex, lock: 'mutex, fifo', fifo: true, beside: 'nothing' });
lockSuite('a mutex, reentrant', { ...mutex, lock: 'mutex, reentrant', reentrant: 'nests', beside: 'nothing' });
lockSuite('a mutex, reentrant and fifo, beside another manager', { ...mutex, lock: 'mutex, reentrant and fifo', reentrant: 'nests', fifo: true, beside: 'another manager' });
lockSuite("a mutex with ownerDeath: 'release'", { ...mutex, lock: "mutex, ownerDeath: 'release'", ownerDeath: 'is told', beside: 'nothing' });
