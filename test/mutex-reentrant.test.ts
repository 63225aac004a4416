import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { getLockManager, type MutexGuard } from 'holdfast';
import { endThreads, ownerOf, refusal, refusalCode, Thread } from './harness/workers.js';

const manager = getLockManager();
const reentrant = { reentrant: true } as const;
afterEach(endThreads);

function isHeld(name: string): boolean {
  return ownerOf(manager, name) !== undefined;
}

test('a guard within a guard keeps the lock until both are released', () => {
  const mutex = manager.mutex('nested/guards', reentrant);
  const outer = mutex.acquire();
  const inner = mutex.acquire();
  inner.release();
  expect(isHeld('nested/guards')).toBe(true);
  outer.release();
  expect(isHeld('nested/guards')).toBe(false);
});

test('guards may be released in the order in which they were acquired', () => {
  const mutex = manager.mutex('nested/order', reentrant);
  const outer = mutex.acquire();
  const inner = mutex.acquire();
  outer.release();
  expect([outer.held, inner.held, isHeld('nested/order')]).toEqual([false, true, true]);
  inner.release();
  expect(isHeld('nested/order')).toBe(false);
});

test('releasing an inner guard twice does not end the outer hold', () => {
  const mutex = manager.mutex('nested/twice', reentrant);
  const outer = mutex.acquire();
  const inner = mutex.acquire();
  inner.release();
  inner.release();
  mutex.assertHeld();
  outer.release();
});

test('run nests', () => {
  const mutex = manager.mutex('nested/run', reentrant);
  expect(mutex.run(() => mutex.run(() => mutex.run(() => 3)))).toBe(3);
  expect(isHeld('nested/run')).toBe(false);
});

test('nested holds have the fencing token of the outermost', () => {
  const mutex = manager.mutex('nested/token', reentrant);
  using outer = mutex.acquire();
  using inner = mutex.acquire();
  expect(inner.fencingToken).toBe(outer.fencingToken);
});

test('two handles of one lock nest in each other', () => {
  const outer = manager.mutex('nested/handles', reentrant);
  const inner = manager.mutex('nested/handles', { reentrant: true, timeoutMs: 1 });
  outer.run(() => inner.run(() => outer.lock()));
  inner.assertHeld();
  inner.unlock();
  expect(isHeld('nested/handles')).toBe(false);
});

test('a nested acquisition checks its options', () => {
  const mutex = manager.mutex('nested/options', reentrant);
  mutex.run(() => expect(() => mutex.acquire({ timeoutMs: -1 })).toThrow(TypeError));
});

test('other threads stay out until the outermost hold ends', async () => {
  const worker = await Thread.start();
  await worker.do('open', 'nested/threads', reentrant);
  const mutex = manager.mutex('nested/threads', reentrant);
  mutex.lock();
  mutex.lock();
  mutex.unlock();
  expect(await worker.do('tryAcquire', 'nested/threads')).toBeUndefined();
  mutex.unlock();
  expect(await worker.do('tryAcquire', 'nested/threads')).toBeDefined();
});

test('holds nest in any mixture of guards and lock(), as a counter of each would', () => {
  const action = fc.constantFrom('acquire', 'tryAcquire', 'acquireInconsistent', 'lock', 'unlock', 'release', 'release again');
  let names = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(action, fc.nat()), { maxLength: 30 }), (program) => {
      const name = `mixture/${names++}`;
      const mutex = manager.mutex(name, reentrant);
      const guards: MutexGuard[] = [];
      let pairs = 0;
      for (const [what, n] of program) {
        const guard = guards[n % guards.length];
        if (what === 'lock') {
          mutex.lock();
          pairs++;
        } else if (what === 'unlock') {
          if (pairs === 0) expect(() => mutex.unlock()).toThrow(expect.objectContaining({ code: 'ERR_LOCK_NOT_HELD' }));
          else mutex.unlock();
          pairs = Math.max(0, pairs - 1);
        } else if (what === 'release') guard?.release();
        else if (what === 'release again') guards.find((one) => !one.held)?.release();
        else guards.push(mutex[what]()!);
        expect(isHeld(name)).toBe(pairs + guards.filter((one) => one.held).length > 0);
      }
      for (const guard of guards) guard.release();
      for (; pairs > 0; pairs--) mutex.unlock();
      expect(isHeld(name)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('asynchronous holds do not nest: the second waits', async () => {
  const mutex = manager.mutex('nested/flows', reentrant);
  const first = await mutex.acquireAsync();
  expect(await refusalCode(mutex.acquireAsync({ timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
  first.release();
});

test('an asynchronous acquisition waits for the blocking hold of its own thread', async () => {
  const mutex = manager.mutex('nested/flow-in-hold', reentrant);
  const order: string[] = [];
  mutex.lock();
  const flow = mutex.runAsync(() => void order.push('flow'));
  mutex.run(() => order.push('nested'));
  await new Promise((resolve) => setImmediate(resolve));
  order.push('unlock');
  mutex.unlock();
  await flow;
  expect(order).toEqual(['nested', 'unlock', 'flow']);
});

test('a blocking acquisition within an asynchronous hold of its thread is refused at once', async () => {
  const mutex = manager.mutex('nested/hold-in-flow', reentrant);
  const guard = await mutex.acquireAsync();
  expect(await refusal(() => mutex.lock({ timeoutMs: Infinity }))).toMatchObject({ code: 'ERR_LOCK_RECURSIVE', report: { holding: 'asynchronous' } });
  mutex.assertHeld();
  guard.release();
  expect(isHeld('nested/hold-in-flow')).toBe(false);
});
