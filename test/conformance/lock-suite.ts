/** One suite for every `Lock`, whatever it is made of. In what locks differ is declared by each; all else is the same for all. */
import { LockError, type AcquireAsyncOptions, type AcquireOptions, type Guard, type Lock, LockManager, type LockMode } from 'holdfast';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { subjects, type SubjectName } from '../fixtures/subjects.mjs';
import { endThreads, entries, type Form, type GuardFacts, newLog, refusal, refusalCode, sharedWords, startThreads, Thread, until, untilBlocked } from '../harness/workers.js';

/** What a lock can do. What it can not is not tried. */
export interface Capabilities {
  readonly mode: LockMode;
  /** Which of the forms it has that wait. */
  readonly waits: readonly ('blocking' | 'asynchronous')[];
  readonly tryAcquire: boolean;
  /** Whether a blocking wait can be cancelled, an asynchronous one be aborted. */
  readonly cancel: boolean;
  readonly signal: boolean;
  /** Whether a guard has a token that grows with every exclusive acquisition. */
  readonly fencing: boolean;
  /** What comes of a thread that takes by a blocking form again what it holds. */
  readonly reentrant: 'nests' | 'is refused' | 'waits';
  /** Whether blocked threads get it, one by one, in the order in which they came. */
  readonly fifo: boolean;
  /** What the next one sees when a thread has ended that held it. */
  readonly ownerDeath: 'is refused' | 'is told' | 'sees nothing';
  /** Under which its counts stand in the statistics. */
  readonly counted: string;
}

/** A lock under test. */
export interface Subject extends Capabilities {
  readonly lock: SubjectName;
  /** The view of the same lock that excludes this one, and is excluded by it; omitted, itself: there is one holder at a time. */
  readonly against?: SubjectName;
  /** Whether the holds of that view stand in the same counts. */
  readonly againstCounts?: true;
  /** Whether another manager is there, in which the lock of the same name is held all the time. */
  readonly beside: 'nothing' | 'another manager';
}

/** In all threads: the lock under test, and what excludes it. */
const LOCK = 'lock';
const AGAINST = 'against';
const wrongTimeouts = [-1, -Infinity, NaN, '5', null, {}, true];

/** Somebody who acquires, in one way. Guards lie on a stack. */
interface Actor {
  readonly form: 'blocking' | 'asynchronous';
  acquire(options?: AcquireOptions & AcquireAsyncOptions): Promise<GuardFacts>;
  release(): Promise<GuardFacts>;
}

function factsOf({ held, fencingToken, ownerDied }: Guard): GuardFacts {
  return { held, fencingToken, ownerDied, permits: undefined };
}

export function lockSuite(title: string, subject: Subject): void {
  const { mode, waits, against = subject.lock } = subject;
  const excludesItself = against === subject.lock;
  let manager: LockManager;
  let other: LockManager | undefined;
  let lock: Lock;
  let threads: readonly [Thread, Thread, Thread];

  /** Has a thread know the lock. */
  async function introduce(thread: Thread): Promise<Thread> {
    await thread.do('attach', manager.share());
    await thread.do('openSubject', LOCK, subject.lock, LOCK);
    await thread.do('openSubject', AGAINST, against, LOCK);
    return thread;
  }

  function inWorker(form: Actor['form']): Actor {
    const operation = form === 'blocking' ? 'acquire' : 'acquireAsync';
    return { form, acquire: (options) => threads[0].do(operation, LOCK, options), release: () => threads[0].do('release', LOCK) };
  }

  function onMain(form: Actor['form']): Actor {
    const guards: Guard[] = [];
    return {
      form,
      acquire: async (options) => {
        const guard = form === 'blocking' ? lock.acquire(options) : await lock.acquireAsync(options);
        guards.push(guard);
        return factsOf(guard);
      },
      release: async () => {
        const guard = guards.pop()!;
        guard.release();
        return factsOf(guard);
      },
    };
  }

  const actors = waits.flatMap((form): [string, Actor][] => [
    [`a worker, ${form}`, inWorker(form)],
    [`the main thread, ${form}`, onMain(form)],
  ]);

  /** A thread that can be asked what the lock is, and holds what excludes it as long as it is told to. */
  const holder = (): Thread => threads[1];

  async function isFree(): Promise<boolean> {
    const taken = await holder().do('tryAcquire', AGAINST);
    if (taken !== undefined) await holder().do('release', AGAINST);
    return taken !== undefined;
  }

  describe(title, () => {
    beforeAll(async () => {
      threads = (await startThreads(3)) as [Thread, Thread, Thread];
    });
    beforeEach(async () => {
      manager = LockManager.create({ blockingOnMain: 'allow', capacity: { locks: 8, agents: 16 } });
      other = subject.beside === 'nothing' ? undefined : LockManager.create({ capacity: { locks: 8, agents: 16 } });
      if (other !== undefined) subjects[subject.lock](other, LOCK).acquire();
      lock = subjects[subject.lock](manager, LOCK);
      for (const thread of threads) await introduce(thread);
    });
    afterEach(async () => {
      await manager.close();
      await other?.close();
    });
    afterAll(endThreads);

    test('says what it is', () => {
      expect(lock).toMatchObject({ name: LOCK, mode });
      expect(typeof lock.kind).toBe('string');
    });

    describe.each(actors)('%s', (_, actor: Actor) => {
      test('holds from acquire to release', async () => {
        expect(await actor.acquire()).toMatchObject({ held: true });
        expect(await isFree()).toBe(false);
        expect(await actor.release()).toMatchObject({ held: false });
        expect(await isFree()).toBe(true);
      });

      test('gets it when it is released', async () => {
        await holder().do('acquire', AGAINST);
        // A flow does not show as blocked, and the main thread that is blocked asks nobody for anything.
        const released = actor.form === 'blocking' ? holder().do('releaseWhenBlocked', AGAINST, 1) : undefined;
        const waiting = actor.acquire({ timeoutMs: Infinity });
        if (released === undefined) {
          await threads[0].do('ping');
          await holder().do('release', AGAINST);
        }
        expect(await waiting).toMatchObject({ held: true });
        await released;
        await actor.release();
        expect(await isFree()).toBe(true);
      });

      test('with timeoutMs: 0 tries once', async () => {
        expect(await actor.acquire({ timeoutMs: 0 })).toMatchObject({ held: true });
        await actor.release();
        await holder().do('acquire', AGAINST);
        expect(await refusal(actor.acquire({ timeoutMs: 0 }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { timeoutMs: 0 } });
        await holder().do('release', AGAINST);
        expect(await isFree()).toBe(true);
      });

      test('waits as long as timeoutMs says, and leaves nothing behind', async () => {
        await holder().do('acquire', AGAINST);
        const begin = performance.now();
        const error = await refusal(actor.acquire({ timeoutMs: 30 }));
        expect(performance.now() - begin).toBeGreaterThanOrEqual(29);
        expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', report: { lock: LOCK, timeoutMs: 30 } });
        await holder().do('release', AGAINST);
        expect(await isFree()).toBe(true);
        expect(await actor.acquire({ timeoutMs: 0 })).toMatchObject({ held: true });
        await actor.release();
      });

      test.each(wrongTimeouts)('refuses timeoutMs: %s, and acquires nothing', async (timeoutMs) => {
        const wrong = { timeoutMs } as unknown as AcquireOptions;
        await expect(actor.acquire(wrong)).rejects.toMatchObject({ name: 'TypeError', message: expect.stringMatching(/^timeoutMs must be /) });
        expect(await isFree()).toBe(true);
      });

      test('has it after whichever hold before: others and its own', async () => {
        for (let i = 0; i < 3; i++) {
          await holder().do('acquire', AGAINST);
          await holder().do('release', AGAINST);
          await actor.acquire({ timeoutMs: 0 });
          await actor.release();
        }
        expect(await isFree()).toBe(true);
      });
    });

    describe('a guard', () => {
      const forms: [string, () => Promise<Guard>][] = [
        ...(waits.includes('blocking') ? [['acquire', async () => lock.acquire()] as [string, () => Promise<Guard>]] : []),
        ...(waits.includes('asynchronous') ? [['acquireAsync', () => lock.acquireAsync()] as [string, () => Promise<Guard>]] : []),
        ...(subject.tryAcquire ? [['tryAcquire', async () => lock.tryAcquire()!] as [string, () => Promise<Guard>]] : []),
      ];

      test.each(forms)('of %s names its lock, and is released once', async (_, take) => {
        const guard = await take();
        expect([guard.lock, guard.held]).toEqual([lock, true]);
        guard.release();
        await holder().do('acquire', AGAINST);
        guard.release();
        expect(guard.held).toBe(false);
        expect(await threads[2].do('tryAcquire', LOCK)).toBeUndefined();
        await holder().do('release', AGAINST);
      });

      test.each(forms)('of %s that is released twice does not end a later hold', async (_, take) => {
        const first = await take();
        first.release();
        const second = await take();
        first.release();
        expect([second.held, await isFree()]).toEqual([true, false]);
        second.release();
      });

      test.each(forms)('of %s is released by using and await using, also by a throw', async (_, take) => {
        const bodies = [
          async () => {
            using guard = await take();
            throw new Error(`held: ${guard.held}`);
          },
          async () => {
            await using guard = await take();
            throw new Error(`held: ${guard.held}`);
          },
        ];
        for (const body of bodies) {
          await expect(body()).rejects.toThrow('held: true');
          expect(await isFree()).toBe(true);
        }
      });
    });

    if (subject.tryAcquire) {
      test('tryAcquire gives a guard or nothing, at once', async () => {
        const guard = lock.tryAcquire()!;
        expect(guard.held).toBe(true);
        guard.release();
        expect(await threads[0].do('tryAcquire', LOCK)).toMatchObject({ held: true });
        await threads[0].do('release', LOCK);
        await holder().do('acquire', AGAINST);
        expect([lock.tryAcquire(), await threads[0].do('tryAcquire', LOCK)]).toEqual([undefined, undefined]);
      });
    }

    if (waits.includes('blocking')) {
      describe('run', () => {
        test('gives what the function gives, under the lock, and releases', async () => {
          expect(lock.run((guard) => [guard.lock, guard.held, 42])).toEqual([lock, true, 42]);
          expect(await isFree()).toBe(true);
        });

        test('releases when the function throws', async () => {
          expect(() => lock.run(() => { throw new Error('on purpose'); })).toThrow('on purpose');
          expect(await isFree()).toBe(true);
        });

        test('refuses a promise and any other thenable, which reject unheard, and releases', async () => {
          const rejected = (): unknown => Promise.reject(new Error('on purpose'));
          for (const body of [rejected, () => ({ then: () => {} })]) expect(await refusalCode(() => lock.run(body))).toBe('ERR_LOCK_ASYNC_BODY');
          expect(await isFree()).toBe(true);
        });

        test('waits as its options say, and does not call the function in vain', async () => {
          await holder().do('acquire', AGAINST);
          const ran: string[] = [];
          expect(await refusalCode(() => lock.run(() => ran.push('ran'), { timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
          expect(ran).toEqual([]);
        });

        test('refuses what is no function', async () => {
          expect(() => lock.run(5 as unknown as () => void)).toThrow(TypeError);
          expect(await isFree()).toBe(true);
        });
      });
    }

    if (waits.includes('asynchronous')) {
      describe('runAsync', () => {
        test('holds until the promise settles, and gives its result', async () => {
          expect(await lock.runAsync(async (guard) => [guard.held, await isFree()])).toEqual([true, false]);
          expect(await lock.runAsync(() => 42)).toBe(42);
          expect(await isFree()).toBe(true);
        });

        test('releases when the function throws or its promise rejects', async () => {
          for (const body of [() => { throw new Error('on purpose'); }, () => Promise.reject(new Error('on purpose'))]) {
            await expect(lock.runAsync(body)).rejects.toThrow('on purpose');
            expect(await isFree()).toBe(true);
          }
        });

        test('waits as its options say, and does not call the function in vain', async () => {
          await holder().do('acquire', AGAINST);
          const ran: string[] = [];
          expect(await refusalCode(lock.runAsync(() => ran.push('ran'), { timeoutMs: 5 }))).toBe('ERR_LOCK_TIMEOUT');
          expect(ran).toEqual([]);
        });

        test('rejects what is no function', async () => {
          await expect(lock.runAsync(5 as unknown as () => void)).rejects.toThrow(TypeError);
          expect(await isFree()).toBe(true);
        });
      });
    }

    if (subject.signal) {
      describe('a signal', () => {
        test('that was aborted before refuses even a free lock', async () => {
          expect(await refusal(lock.acquireAsync({ signal: AbortSignal.abort('enough') }))).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
          expect(await isFree()).toBe(true);
        });

        test('ends a wait, and no other one', async () => {
          await holder().do('acquire', AGAINST);
          const abort = new AbortController();
          const ended = refusal(lock.acquireAsync({ signal: abort.signal, timeoutMs: Infinity }));
          const spared = lock.acquireAsync({ timeoutMs: Infinity });
          abort.abort('enough');
          expect(await ended).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
          await holder().do('release', AGAINST);
          (await spared).release();
          expect(await isFree()).toBe(true);
        });

        test('does nothing to a hold', async () => {
          const abort = new AbortController();
          const guard = await lock.acquireAsync({ signal: abort.signal });
          abort.abort();
          expect([guard.held, await isFree()]).toEqual([true, false]);
        });

        test('must be one', async () => {
          await expect(lock.acquireAsync({ signal: 5 as unknown as AbortSignal })).rejects.toThrow(TypeError);
          expect(await isFree()).toBe(true);
        });
      });
    }

    if (subject.cancel) {
      describe('a cancel token', () => {
        test('that was cancelled before refuses even a free lock', async () => {
          const cancel = manager.cancelToken();
          cancel.cancel('enough');
          const refused = { code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } };
          expect(await refusal(() => lock.acquire({ cancel }))).toMatchObject(refused);
          expect(await refusal(threads[0].do('acquire', LOCK, { cancel }))).toMatchObject(refused);
          expect(await isFree()).toBe(true);
        });

        test('ends a blocked wait, and no other one', async () => {
          await holder().do('acquire', AGAINST);
          const cancel = manager.cancelToken();
          const ended = refusal(threads[0].do('acquire', LOCK, { cancel, timeoutMs: Infinity }));
          const spared = threads[2].do('acquire', LOCK, { timeoutMs: Infinity });
          await untilBlocked(manager, LOCK, 2);
          cancel.cancel('enough');
          expect(await ended).toMatchObject({ code: 'ERR_LOCK_ABORTED', report: { reason: 'enough' } });
          await holder().do('release', AGAINST);
          expect(await spared).toMatchObject({ held: true });
        });

        test('ends a wait that blocks the main thread', async () => {
          await holder().do('acquire', AGAINST);
          const cancel = manager.cancelToken();
          const cancelled = threads[0].do('cancelWhenBlocked', LOCK, 1, cancel);
          expect(await refusalCode(() => lock.acquire({ cancel, timeoutMs: Infinity }))).toBe('ERR_LOCK_ABORTED');
          await cancelled;
        });

        test('must be one', async () => {
          expect(() => lock.acquire({ cancel: {} as never })).toThrow(TypeError);
          expect(await isFree()).toBe(true);
        });
      });
    }

    const forms: Form[] = [
      ...(waits.includes('blocking') ? (['acquire', 'run'] as const) : []),
      ...(waits.includes('asynchronous') ? (['acquireAsync', 'runAsync'] as const) : []),
      ...(subject.tryAcquire ? (['tryAcquire'] as const) : []),
    ];

    if (excludesItself) {
      test.each(forms)('excludes workers and the main thread under load, by %s', async (form) => {
        const rounds = 5_000;
        const shadow = sharedWords(4);
        let working = true;
        const counted = Promise.all(threads.map((thread) => thread.do('count', LOCK, shadow, rounds, form, 3))).finally(() => (working = false));
        let own = 0;
        let violations = 0;
        // What the workers do in `count`, but for so long that they have to wait.
        const visit = async (): Promise<void> => {
          if (Atomics.add(shadow, 1, 1) !== 0) violations++;
          const before = shadow[0]!;
          await new Promise((resolve) => setImmediate(resolve));
          shadow[0] = before + 1;
          Atomics.sub(shadow, 1, 1);
          own++;
        };
        while (working && waits.includes('asynchronous')) await lock.runAsync(visit, { timeoutMs: Infinity });
        await counted;
        expect([...shadow.subarray(0, 3), violations]).toEqual([3 * rounds + own, 0, 0, 0]);
      });
    } else {
      test('lets several in at once, and whom it excludes only when all are gone', async () => {
        await threads[0].do('acquire', LOCK);
        const guard = lock.acquire();
        await threads[0].do('release', LOCK);
        expect(await isFree()).toBe(false);
        guard.release();
        expect(await isFree()).toBe(true);
      });
    }

    if (subject.fencing) {
      test('fencing tokens grow with every acquisition, by whichever thread and form', async () => {
        const tokens: bigint[] = [];
        for (let i = 0; i < 3; i++) {
          for (const [, actor] of actors) {
            tokens.push((await actor.acquire()).fencingToken);
            await actor.release();
          }
        }
        expect(tokens.length).toBeGreaterThan(3);
        expect(tokens.every((token, i) => i === 0 || token > tokens[i - 1]!)).toBe(true);
      });
    }

    if (subject.reentrant === 'nests') {
      test('a thread may take it again, and holds until the last release', async () => {
        const outer = lock.acquire();
        const inner = lock.acquire({ timeoutMs: 0 });
        outer.release();
        expect([inner.held, await isFree()]).toEqual([true, false]);
        inner.release();
        expect(await isFree()).toBe(true);
      });
    } else {
      test(`a thread that takes it again ${subject.reentrant}, and keeps its hold`, async () => {
        const [code, timeoutMs] = subject.reentrant === 'waits' ? ['ERR_LOCK_TIMEOUT', 5] : ['ERR_LOCK_RECURSIVE', Infinity];
        for (const form of ['acquire', 'acquireAsync'] as const) {
          await threads[0].do(form, LOCK);
          expect(await refusalCode(threads[0].do('acquire', LOCK, { timeoutMs }))).toBe(code);
          expect(await isFree()).toBe(false);
          await threads[0].do('release', LOCK);
        }
      });
    }

    if (subject.fifo) {
      test('blocked threads get it in the order in which they came', async () => {
        const crowd = await startThreads(4);
        for (const thread of crowd) await introduce(thread);
        const log = newLog(4);
        await holder().do('acquire', AGAINST);
        const entered: Promise<void>[] = [];
        for (const [i, thread] of crowd.entries()) {
          entered.push(thread.do('enter', LOCK, log, i));
          await untilBlocked(manager, LOCK, i + 1);
        }
        await holder().do('release', AGAINST);
        await Promise.all(entered);
        expect(entries(log)).toEqual([0, 1, 2, 3]);
      });
    }

    describe(`when a thread ends that holds it, the next one ${subject.ownerDeath}`, () => {
      const outcomes = { 'is refused': 'ERR_LOCK_OWNER_DIED', 'is told': 'told', 'sees nothing': 'nothing' };

      /** What comes of an acquisition. */
      async function outcome(taking: Promise<GuardFacts>): Promise<string> {
        try {
          return (await taking).ownerDied === undefined ? 'nothing' : 'told';
        } catch (error) {
          return LockError.from(error)!.code;
        }
      }

      async function mortal(): Promise<Thread> {
        return introduce(await Thread.start());
      }

      test('if it was not waiting', async () => {
        const thread = await mortal();
        await thread.do('acquire', LOCK);
        await thread.end('terminate()');
        for (const [, actor] of actors) {
          expect(await outcome(actor.acquire())).toBe(outcomes[subject.ownerDeath]);
          if (subject.ownerDeath === 'is refused') continue;
          await actor.release();
          // Only the first one is told.
          if (subject.ownerDeath === 'is told') break;
        }
      });

      test('if it was waiting, in whichever form', async () => {
        const thread = await mortal();
        await thread.do('acquire', LOCK);
        const waiting: Promise<string>[] = [];
        if (waits.includes('blocking')) waiting.push(outcome(threads[0].do('acquire', AGAINST, { timeoutMs: Infinity })).finally(() => threads[0].do('release', AGAINST).catch(() => {})));
        await untilBlocked(manager, LOCK, waiting.length);
        if (waits.includes('asynchronous')) waiting.push(outcome(subjects[against](manager, LOCK).runAsync(factsOf, { timeoutMs: Infinity })));
        await thread.end('terminate()');
        const expected = subject.ownerDeath === 'is told' ? waiting.map((_, i) => (i === 0 ? 'told' : 'nothing')) : waiting.map(() => outcomes[subject.ownerDeath]);
        expect((await Promise.all(waiting)).sort()).toEqual(expected.sort());
      });

      test('and a thread that ends while it waits takes nothing with it', async () => {
        const thread = await mortal();
        await holder().do('acquire', AGAINST);
        thread.do('acquire', LOCK).catch(() => {});
        await untilBlocked(manager, LOCK, 1);
        await thread.end('terminate()');
        await until('no waiter', () => manager.getLockStatus(LOCK)!.waiters.length === 0);
        await holder().do('release', AGAINST);
        expect(await isFree()).toBe(true);
      });
    });

    test('closing the manager ends all waits, and refuses what comes later', async () => {
      await holder().do('acquire', AGAINST);
      const ended = [
        ...(waits.includes('blocking') ? [refusalCode(threads[0].do('acquire', LOCK, { timeoutMs: Infinity }))] : []),
        ...(waits.includes('asynchronous') ? [refusalCode(lock.acquireAsync({ timeoutMs: Infinity })), refusalCode(threads[2].do('acquireAsync', LOCK, { timeoutMs: Infinity }))] : []),
      ];
      await untilBlocked(manager, LOCK, waits.includes('blocking') ? 1 : 0);
      await threads[2].do('ping');
      await manager.close();
      expect(await Promise.all(ended)).toEqual(ended.map(() => 'ERR_LOCK_CLOSED'));
      for (const [, actor] of actors) expect(await refusalCode(actor.acquire())).toBe('ERR_LOCK_CLOSED');
      await holder().do('release', AGAINST);
    });

    test('its statistics add up', async () => {
      const counts = () => (manager.getStatistics(LOCK)!.locks as unknown as Record<string, Record<string, number>>)[subject.counted]!;
      expect(counts()).toMatchObject({ totalAcquisitions: 0, contendedAcquisitions: 0, totalTimeouts: 0, totalAborts: 0, totalWaits: 0 });
      for (const [, actor] of actors) {
        await actor.acquire();
        await actor.release();
      }
      const direct = actors.length;
      expect(counts()).toMatchObject({ totalAcquisitions: direct, totalWaits: 0 });
      await holder().do('acquire', AGAINST);
      for (const [, actor] of actors) await refusal(actor.acquire({ timeoutMs: 1 }));
      const waiting = threads[0].do('acquire', LOCK, { timeoutMs: Infinity });
      await untilBlocked(manager, LOCK, 1);
      await holder().do('release', AGAINST);
      await waiting;
      await threads[0].do('release', LOCK);
      const taken = direct + 1 + (excludesItself || subject.againstCounts ? 1 : 0);
      expect(counts()).toMatchObject({ totalAcquisitions: taken, totalTimeouts: direct, totalAborts: 0, totalWaits: 1 });
      expect(counts()['contendedAcquisitions']).toBeGreaterThanOrEqual(1);
    });
  });
}
