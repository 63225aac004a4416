import { type Capabilities, lockSuite } from './lock-suite.js';

const write: Capabilities = {
  mode: 'exclusive',
  waits: ['blocking', 'asynchronous'],
  tryAcquire: true,
  cancel: true,
  signal: true,
  fencing: true,
  reentrant: 'is refused',
  fifo: true,
  ownerDeath: 'is refused',
  counted: 'write',
};
// Whoever only reads leaves nothing half-written.
const upgradable: Capabilities = { ...write, mode: 'shared', fencing: false, ownerDeath: 'sees nothing', counted: 'read' };
const read: Capabilities = { ...upgradable, reentrant: 'nests', fifo: false };

lockSuite('an rwlock to write', { ...write, lock: 'rwlock.write', beside: 'nothing' });
lockSuite('an rwlock to write, beside another manager', { ...write, lock: 'rwlock.write', beside: 'another manager' });
lockSuite("an rwlock to write with ownerDeath: 'release'", { ...write, lock: "rwlock.write, ownerDeath: 'release'", ownerDeath: 'is told', beside: 'nothing' });
lockSuite('an rwlock to read', { ...read, lock: 'rwlock.read', against: 'rwlock.write', beside: 'nothing' });
lockSuite('an rwlock to read and upgrade', { ...upgradable, lock: 'rwlock.upgradableRead', beside: 'nothing' });
