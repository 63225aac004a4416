import { createRequire } from 'node:module';
import { afterEach, describe, expect, test } from 'vitest';
import { getLockManager, isLockError, LockError, LockManager, type ManagerOptions, type SharedManager } from 'holdfast';
import { header } from '../native-layout/index.js';
import { endThreads, refusal, refusalCode, runProgram, startThreads, Thread, untilBlocked } from './harness/workers.js';

const open = new Set<LockManager>();
let names = 0;

/** A manager of a name of its own, closed after the test. */
function create(options: ManagerOptions = {}): LockManager & { readonly name: string } {
  const manager = LockManager.create({ name: `manager ${names++}`, ...options });
  open.add(manager);
  return manager as LockManager & { readonly name: string };
}

/** A worker that has attached to it. */
async function attached(manager: LockManager): Promise<Thread> {
  const thread = await Thread.start();
  await thread.do('attach', manager.share());
  return thread;
}

function bufferOf(manager: LockManager): SharedArrayBuffer {
  return (manager.share().memory as { buffer: SharedArrayBuffer }).buffer;
}

afterEach(async () => {
  await endThreads();
  for (const manager of open) await manager.close();
  open.clear();
});

describe('getLockManager', () => {
  test('makes the manager on the main thread at its first call, and gives it at the next', () => {
    const manager = getLockManager();
    open.add(manager);
    expect(manager.name).toBe('default');
    expect(getLockManager()).toBe(manager);
    expect(getLockManager('default')).toBe(manager);
  });

  test('attaches in a worker, and in a worker of that worker', async () => {
    const manager = create();
    const worker = await Thread.start();
    const nested = await worker.nest();
    await worker.do('attach', manager.name);
    await nested.do('attach', manager.name);
    await nested.do('acquire', 'm');
    expect(await worker.do('tryAcquire', 'm')).toBeUndefined();
    expect(manager.mutex('m').tryAcquire()).toBeUndefined();
    expect(manager.stats.agents).toBe(3);
  });

  test('attaches in a nested worker whose parent never did', async () => {
    const manager = create();
    const nested = await (await Thread.start()).nest();
    await nested.do('attach', manager.name);
    await nested.do('acquire', 'm');
    expect(manager.mutex('m').tryAcquire()).toBeUndefined();
  });

  test('knows managers by name', async () => {
    const [one, other] = [create(), create()];
    expect(getLockManager(one.name)).toBe(one);
    expect(getLockManager(other.name)).toBe(other);
    one.mutex('m').lock();
    expect(other.mutex('m').tryAcquire()).toBeDefined();
    const worker = await Thread.start();
    expect(await worker.do('attach', other.name)).toMatchObject({ name: other.name });
  });

  test.each(['', 5, null, {}])('refuses %j as a name', (name) => {
    expect(() => getLockManager(name as string)).toThrow(/^the name of a manager must be a string that is not empty, not /);
  });
});

describe('a worker made before the manager', () => {
  test('is told how to order the two', async () => {
    const worker = await Thread.start();
    const manager = create();
    const error = await refusal(worker.do('attach', manager.name));
    expect(error).toMatchObject({ code: 'ERR_LOCK_NO_SEGMENT', report: { manager: manager.name } });
    expect(error.message).toMatch(/before the pool or worker is made/);
    expect(error.message).toMatch(/LockManager\.attach\(shared\)/);
  });

  test('attaches to what manager.share() gave', async () => {
    const worker = await Thread.start();
    const manager = create();
    expect(await worker.do('attach', manager.share())).toMatchObject({ name: manager.name });
    await worker.do('acquire', 'm');
    expect(manager.mutex('m').tryAcquire()).toBeUndefined();
    expect(await worker.do('attach', manager.name)).toMatchObject({ name: manager.name });
  });

  test('is noticed when it dies: a blocked waiter is told', async () => {
    const worker = await Thread.start();
    const manager = create();
    await worker.do('attach', manager.share());
    await worker.do('acquire', 'm');
    const waiter = await attached(manager);
    const refused = refusalCode(waiter.do('acquire', 'm'));
    await untilBlocked(manager, 'm', 1);
    await worker.end('terminate()');
    expect(await refused).toBe('ERR_LOCK_OWNER_DIED');
  });

  test('is noticed when it dies: a waiting flow is told', async () => {
    const worker = await Thread.start();
    const manager = create();
    await worker.do('attach', manager.share());
    await worker.do('acquire', 'm');
    const refused = refusalCode(manager.mutex('m').acquireAsync({ timeoutMs: 10_000 }));
    await worker.end('terminate()');
    expect(await refused).toBe('ERR_LOCK_OWNER_DIED');
  });

  test('is noticed when it has died: the next acquisition is told', async () => {
    const worker = await Thread.start();
    const manager = create();
    await worker.do('attach', manager.share());
    await worker.do('acquire', 'm');
    await worker.end('terminate()');
    expect(await refusalCode(manager.mutex('m').acquireAsync({ timeoutMs: 10_000 }))).toBe('ERR_LOCK_OWNER_DIED');
  });
});

describe('LockManager.create', () => {
  test('refuses a name that is in use, until that manager is closed', async () => {
    const manager = create();
    expect(() => LockManager.create({ name: manager.name })).toThrow(/^a manager ".*" exists already/);
    await manager.close();
    expect(create({ name: manager.name }).name).toBe(manager.name);
  });

  test('makes managers that only share() reaches, while another has the default name', async () => {
    open.add(getLockManager());
    const manager = LockManager.create();
    open.add(manager);
    expect(manager.name).toBeUndefined();
    expect(getLockManager()).not.toBe(manager);
    const worker = await Thread.start();
    await worker.do('attach', manager.share());
    await worker.do('acquire', 'm');
    expect(manager.mutex('m').tryAcquire()).toBeUndefined();
    expect(getLockManager().mutex('m').tryAcquire()).toBeDefined();
  });
});

describe('a manager made in a worker', () => {
  test('does not take the default name from that of the process', async () => {
    open.add(getLockManager());
    const worker = await Thread.start();
    expect(await worker.do('create', {})).toBeUndefined();
    await worker.do('attach');
    getLockManager().mutex('m').lock();
    expect(await worker.do('tryAcquire', 'm')).toBeUndefined();
  });

  test('may not have the name of one that the worker has inherited', async () => {
    const manager = create();
    const worker = await Thread.start();
    await expect(worker.do('create', { name: manager.name })).rejects.toThrow(/^a manager ".*" exists already/);
  });

  test('does not lose its name to one of that name that is attached by share()', async () => {
    const worker = await Thread.start();
    const manager = create();
    await worker.do('create', { name: manager.name });
    await worker.do('acquire', 'm');
    await worker.do('attach', manager.share());
    await worker.do('acquire', 'm');
    await worker.do('close');
    await worker.do('attach', manager.name);
    expect(await worker.do('tryAcquire', 'm')).toBeUndefined();
  });

  test('is found by the workers of that worker', async () => {
    const worker = await Thread.start();
    const own = await worker.do('create', { name: 'made in a worker' });
    const nested = await worker.nest();
    expect(await nested.do('attach', own)).toMatchObject({ name: own });
    await nested.do('acquire', 'm');
    expect(await worker.do('tryAcquire', 'm')).toBeUndefined();
  });
});

describe('LockManager.attach', () => {
  test('lets the workers made afterwards find the manager by its name', async () => {
    const worker = await Thread.start();
    const manager = create();
    await worker.do('attach', manager.share());
    const nested = await worker.nest();
    expect(await nested.do('attach', manager.name)).toMatchObject({ name: manager.name });
  });

  test('gives the manager that the thread has already', () => {
    const manager = create();
    expect(LockManager.attach(manager.share())).toBe(manager);
    expect(LockManager.attach(structuredClone(manager.share()))).toBe(manager);
  });

  test.each([undefined, null, 5, {}, { holdfast: 'manager' }, { holdfast: 'manager', memory: new ArrayBuffer(1 << 20), start: 65_536 }])('refuses %j, which share() did not give', (shared) => {
    expect(() => LockManager.attach(shared as unknown as SharedManager)).toThrow(/^LockManager\.attach needs what manager\.share\(\) returned/);
  });

  test.each([65_538, 65_536, 100])('refuses a memory of %i bytes', (bytes) => {
    const shared = { holdfast: 'manager', name: undefined, memory: new SharedArrayBuffer(bytes), start: 65_536 } as const;
    expect(() => LockManager.attach(shared)).toThrow(/^LockManager\.attach needs what manager\.share\(\) returned/);
  });

  test.each([-65_536, 0, 3, 65_537, 1 << 30, NaN, '65536'])('refuses the start %s, where no segment can be', (start) => {
    const manager = create();
    expect(() => LockManager.attach({ ...manager.share(), start: start as number })).toThrow(/^LockManager\.attach needs what manager\.share\(\) returned/);
  });

  const memories = { 'a SharedArrayBuffer': () => new SharedArrayBuffer(1 << 20), 'a WebAssembly.Memory': () => new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true }) };
  test.each(Object.entries(memories))('refuses %s of other origin', async (_, make) => {
    const shared = { holdfast: 'manager', name: undefined, memory: make(), start: 65_536 } as const;
    const error = await refusal(() => LockManager.attach(shared));
    expect(error.code).toBe('ERR_LOCK_LAYOUT');
    expect(error.message).toMatch(/^the shared memory holds no manager/);
    create().mutex('m').run(() => {});
  });

  test('refuses a segment of another version, and names both layouts', async () => {
    const manager = create();
    const worker = await Thread.start();
    const words = new Int32Array(bufferOf(manager));
    const at = (manager.share().start + header.fields.fingerprint.at) / 4;
    const own = words[at]!;
    words[at] = 0x1234abcd;
    const error = await refusal(worker.do('attach', manager.share()));
    words[at] = own;
    const hex = (own >>> 0).toString(16).padStart(8, '0');
    expect(error).toMatchObject({ code: 'ERR_LOCK_LAYOUT', report: { found: '1234abcd', own: hex } });
    expect(error.message).toContain('1234abcd');
    expect(error.message).toContain(hex);
    expect(await worker.do('attach', manager.share())).toMatchObject({ name: manager.name });
  });
});

test('a module and a CommonJS module in one thread are one agent and share holds', async () => {
  const required = createRequire(import.meta.url)('holdfast') as typeof import('holdfast');
  expect(required.LockManager).not.toBe(LockManager);
  const manager = create();
  expect(required.getLockManager(manager.name)).toBe(manager);
  expect(required.LockManager.attach(manager.share())).toBe(manager);
  expect(manager.stats.agents).toBe(1);
  manager.mutex('m').lock();
  const error = await refusal(() => required.getLockManager(manager.name).mutex('m').acquire());
  expect(error.code).toBe('ERR_LOCK_RECURSIVE');
  expect([isLockError(error), required.isLockError(error), required.LockError.from(error) === error, LockError.from(error) === error]).toEqual([true, true, true, true]);
});

test('a copy of another version in the same thread is refused, and both layouts are named', async () => {
  const { stdout, stderr } = await runProgram('program-other-version.mjs');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ code: 'ERR_LOCK_LAYOUT', found: '1234abcd', message: expect.stringMatching(/^another copy in this thread is of another version of holdfast: its layout is 1234abcd, this one's [0-9a-f]{8}\n/) as string });
});

test('a lock may be opened again and again, with options and repair functions, and no memory is kept', async () => {
  const { stdout } = await runProgram('program-handles.mjs', [], ['--expose-gc']);
  expect(Number(stdout)).toBeLessThan(4 * 1024 * 1024);
});

describe('a full agent table', () => {
  test('refuses one more thread, and has room again after a death', async () => {
    const manager = create({ capacity: { agents: 3 } });
    const [one, two, three] = await startThreads(3);
    await one!.do('attach', manager.share());
    await two!.do('attach', manager.share());
    const error = await refusal(three!.do('attach', manager.share()));
    expect(error).toMatchObject({ code: 'ERR_LOCK_AGENTS_FULL', report: { agents: 3 } });
    expect(error.message).toContain('capacity: { agents: 6 }');
    await one!.end('terminate()');
    expect(await three!.do('attach', manager.share())).toMatchObject({ name: manager.name });
    expect(manager.stats.agents).toBe(3);
  });

  test('has room again after a thread has left', async () => {
    const manager = create({ capacity: { agents: 2 } });
    const [one, two] = await startThreads(2);
    await one!.do('attach', manager.share());
    expect(await refusalCode(two!.do('attach', manager.share()))).toBe('ERR_LOCK_AGENTS_FULL');
    await one!.do('close');
    expect(await two!.do('attach', manager.share())).toMatchObject({ name: manager.name });
  });

  test('has room for a hundred threads one after the other', async () => {
    const manager = create({ capacity: { agents: 2 } });
    const worker = await Thread.start();
    for (let i = 0; i < 100; i++) {
      await worker.do('attach', manager.share());
      await worker.do('acquire', 'm', { timeoutMs: 0 });
      await worker.do('release', 'm');
      await worker.do('close');
    }
    expect(manager.getStatistics('m')?.locks.exclusive.totalAcquisitions).toBe(100);
  });
});
