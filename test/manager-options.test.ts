import { afterEach, describe, expect, test } from 'vitest';
import { LockManager, type ManagerOptions } from 'holdfast';
import { plainWords } from '../src/shm/atomics.js';
import { readOptions, type SegmentOptions } from '../src/shm/header.js';

const open = new Set<LockManager>();

function create(options: ManagerOptions = {}): LockManager {
  const manager = LockManager.create({ name: 'options', ...options });
  open.add(manager);
  return manager;
}

/** What all threads will read of a manager's options. */
function optionsOf(manager: LockManager): SegmentOptions {
  const { memory, start } = manager.share();
  return readOptions(plainWords((memory as { buffer: SharedArrayBuffer }).buffer), start);
}

afterEach(async () => {
  for (const manager of open) await manager.close();
  open.clear();
});

describe('LockManager.create', () => {
  test('has the documented defaults', () => {
    const { slotLimit, agentLimit, ...rest } = optionsOf(create());
    expect(slotLimit).toBeGreaterThanOrEqual(1_024);
    expect(agentLimit).toBeGreaterThanOrEqual(128);
    expect(rest).toEqual({ heapBytes: 8_388_608, sharedMs: 10_000, exclusiveMs: 30_000, distributedMs: 60_000, ownerDeath: 'poison', blockingOnMain: 'refuse', deadlock: 'throw' });
  });

  test('gives its options to all threads', () => {
    const timeouts = { sharedMs: 1, exclusiveMs: 0.5, distributedMs: Infinity };
    const manager = create({ capacity: { locks: 3, agents: 2, queueBytes: 128 }, timeouts, ownerDeath: 'release', blockingOnMain: 'allow', deadlock: 'report' });
    expect(optionsOf(manager)).toEqual({
      slotLimit: 3,
      agentLimit: 2,
      heapBytes: 128,
      ...timeouts,
      ownerDeath: 'release',
      blockingOnMain: 'allow',
      deadlock: 'report',
    });
  });

  const wrong: [string, unknown, RegExp][] = [
    ['options', 5, /^options must be an object, not 5/],
    ['options', null, /^options must be an object, not null/],
    ['name', { name: '' }, /^the name of a manager must be a string that is not empty, not ""/],
    ['name', { name: 7 }, /^the name of a manager must be a string that is not empty, not 7/],
    ['capacity', { capacity: 100 }, /^capacity must be an object, not 100/],
    ['capacity.locks', { capacity: { locks: 0 } }, /^capacity\.locks must be a whole number from 1 to 1000000, not 0/],
    ['capacity.locks', { capacity: { locks: 1.5 } }, /^capacity\.locks must be a whole number/],
    ['capacity.locks', { capacity: { locks: '10' } }, /^capacity\.locks must be a whole number .*, not "10"/],
    ['capacity.locks', { capacity: { locks: 2_000_000 } }, /^capacity\.locks must be a whole number/],
    ['capacity.agents', { capacity: { agents: 0 } }, /^capacity\.agents must be a whole number from 1 to 65535, not 0/],
    ['capacity.agents', { capacity: { agents: 70_000 } }, /^capacity\.agents must be a whole number/],
    ['capacity.agents', { capacity: { agents: NaN } }, /^capacity\.agents must be a whole number/],
    ['capacity.queueBytes', { capacity: { queueBytes: -1 } }, /^capacity\.queueBytes must be a whole number from 0 to \d+, not -1/],
    ['timeouts', { timeouts: 'fast' }, /^timeouts must be an object, not "fast"/],
    ['timeouts.sharedMs', { timeouts: { sharedMs: -1 } }, /^timeouts\.sharedMs must be a non-negative number of milliseconds or Infinity, not -1/],
    ['timeouts.exclusiveMs', { timeouts: { exclusiveMs: '30' } }, /^timeouts\.exclusiveMs must be .*, not "30"/],
    ['timeouts.distributedMs', { timeouts: { distributedMs: null } }, /^timeouts\.distributedMs must be .*, not null/],
    ['ownerDeath', { ownerDeath: true }, /^ownerDeath must be 'poison' or 'release', not true/],
    ['blockingOnMain', { blockingOnMain: null }, /^blockingOnMain must be 'refuse' or 'allow', not null/],
  ];
  test.each(wrong)('refuses a wrong %s: %j', (_, options, message) => {
    const attempt = () => LockManager.create(options as ManagerOptions);
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(message);
  });

  test('refuses more than can be addressed, and says how much that is', () => {
    const attempt = () => LockManager.create({ name: 'vast', capacity: { locks: 1_000_000, agents: 65_535 } });
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(/^capacity: 1000000 locks for 65535 threads and 8388608 bytes of queues would take \d+ bytes; at most \d+ are possible/);
  });

  const wrongMutex: [object, RegExp][] = [
    [{ fairness: 'strict' }, /^fairness must be 'eventual' or 'fifo', not "strict"/],
    [{ reentrant: 1 }, /^reentrant must be true or false, not 1/],
    [{ ownerDeath: 'ignore' }, /^ownerDeath must be 'poison' or 'release', not "ignore"/],
    [{ repair: 'yes' }, /^repair must be a function, not "yes"/],
    [{ timeoutMs: -1 }, /^timeoutMs must be a non-negative number of milliseconds or Infinity, not -1/],
  ];
  test.each(wrongMutex)('makes a manager whose mutex() refuses %j, with no lock made', (options, message) => {
    const manager = create();
    expect(() => manager.mutex('m', options)).toThrow(message);
    expect(manager.getLockStatus('m')).toBeUndefined();
  });
});
