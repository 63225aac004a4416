import { Worker } from 'node:worker_threads';
import { LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agent, header } from '../native-layout/index.js';
import { bare, broken } from './harness/broken.js';
import { BuildCopy, type Change } from './harness/build-copy.js';
import { type Ended, repository, runProgram } from './harness/program.js';

/** As many rounds as fit into the time. */
const limits = { rounds: 60, boxMs: 10_000, limitMs: 15_000 };
/** In a broken build somebody waits in vain sooner or later. */
const brokenLimits = { rounds: 10_000, boxMs: 90_000, limitMs: 4_000 };
/** Generous: a race takes seconds. */
const raceMs = 180_000;

function race(folder: string, name: string, within: typeof limits): Promise<Ended> {
  return runProgram(folder, 'test/fixtures/races/run.mjs', [name, JSON.stringify(within)], raceMs - 10_000);
}

async function expectWon(folder: string, name: string, within = limits): Promise<void> {
  const { status, stdout, stderr } = await race(folder, name, within);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect((JSON.parse(stdout) as { rounds: number }).rounds).toBeGreaterThan(0);
}

const races = {
  wokenWaiterAlone: 'a woken waiter dies before it takes the lock',
  wokenWaiterInTurn: 'a waiter dies that the lock is handed to',
  wokenWaiterWithBarger: 'a woken waiter dies while a third thread barges in',
  wokenFlow: 'a thread dies whose flows wait in front',
  flowBehindWokenWaiter: 'a woken waiter dies before the flows of another',
  releasingOwner: 'an owner dies between release and wake',
  busyOwner: 'an owner dies that locks and unlocks without end',
  finishedOwner: 'an owner ends by having nothing more to do',
  parentOfOwner: 'the parent of the owner dies',
  parentOfWaiter: 'the parent of a woken waiter dies',
  recovererDies: 'a thread dies while it recovers after another',
  parentOfRecovererDies: 'the parent of a thread that recovers after another dies',
  twoDeathsAtOnce: 'two owners die in one tick of a busy main thread',
};

describe('by the protocol alone', () => {
  let build: BuildCopy;
  beforeAll(() => {
    build = new BuildCopy(bare);
  });
  afterAll(() => build.remove());

  test.each(Object.entries(races))('%s: %s', (name) => expectWon(build.folder, name), raceMs);
});

// Elsewhere only a main thread that is not blocked hears of a death.
describe.runIf(process.platform === 'linux')('by looking for the thread', () => {
  test.each([
    ['deathsUnheard', 'two owners die while the main thread is busy all the time'],
    ['ownerOfMainDies', 'the owner dies for whom the main thread waits, blocked'],
    ['grandchildOfMainDies', 'the same, and the owner is the worker of a worker'],
  ])('%s: %s', (name) => expectWon(repository, name), raceMs);
});

describe('crowds', () => {
  test('128 threads die in one tick', () => expectWon(repository, 'allAtOnce', { ...limits, rounds: 1 }), raceMs);

  test('300 threads come and go through 4 records', async () => {
    const manager = LockManager.create({ name: 'churn', capacity: { agents: 5 }, ownerDeath: 'release' });
    const { memory, start } = manager.share() as { memory: WebAssembly.Memory; start: number };
    let made = 0;
    const comeAndGo = async (): Promise<void> => {
      while (made < 300) {
        const ends = ['idle', 'finish', 'exit', 'terminate'][made++ % 4];
        const worker = new Worker(new URL('./storm/churn-worker.cjs', import.meta.url), { workerData: { ends } });
        if (ends === 'terminate') worker.once('message', () => void worker.terminate());
        await new Promise((resolve) => worker.once('exit', resolve));
      }
    };
    await Promise.all(Array.from({ length: 4 }, comeAndGo));

    expect(manager.stats).toMatchObject({ agents: 1, active: 0, waiting: 0 });
    expect(manager.getStatistics('churn')).toMatchObject({ ownerDeaths: 225, locks: { exclusive: { totalAcquisitions: 300 } } });
    const words = new Int32Array(memory.buffer);
    const generations = [1, 2, 3, 4, 5].map((id) => words[(start + header.size + id * agent.size + agent.fields.generation.at) / 4]!);
    expect(generations.reduce((sum, one) => sum + one)).toBeGreaterThanOrEqual(300);
    await manager.close();
  }, raceMs);
});

describe('positive control: a broken build loses', () => {
  const controls: [string, readonly Change[], keyof typeof races, RegExp][] = [
    ['sweeps after the death of owners only', [...bare, ...broken.sweepsOnlyAfterOwners], 'wokenWaiterAlone', /not within.*"free"/],
    ['sweeps after the death of owners only', [...bare, ...broken.sweepsOnlyAfterOwners], 'wokenWaiterWithBarger', /not within.*"waiters":\[\{/],
    ['sweeps after the death of owners only', [...bare, ...broken.sweepsOnlyAfterOwners], 'releasingOwner', /not within.*"free"/],
    ['releases without a wake', [...bare, ...broken.releasesWithoutWake], 'busyOwner', /not within/],
    ['never recovers', [...bare, ...broken.recoversNever], 'twoDeathsAtOnce', /not within.*"held"/],
    ['forgets those who stopped with a thread', [...bare, ...broken.forgetsKin], 'parentOfOwner', /not within.*"held"/],
    ['asks who recovers before it marks descendants', [...bare, ...broken.marksKinLate], 'parentOfRecovererDies', /not within.*"(held|inconsistent)"/],
    ['tells nobody of a death', broken.tellsNobody, 'finishedOwner', /told of undefined/],
  ];

  test.each(controls)('one that %s', async (_, changes, name, symptom) => {
    const build = new BuildCopy(changes);
    try {
      const { status, stderr } = await race(build.folder, name, brokenLimits);
      expect(status).toBe(1);
      expect(stderr).toMatch(symptom);
    } finally {
      build.remove();
    }
  }, raceMs);

  test('one that does not look whether the owner lives', async () => {
    const build = new BuildCopy(broken.neverPatrols);
    try {
      // The main thread is blocked for good; one round takes a fraction of a second otherwise.
      const { status } = await runProgram(build.folder, 'test/fixtures/races/run.mjs', ['ownerOfMainDies', JSON.stringify({ ...limits, rounds: 1 })], 8_000);
      expect(status).toBeNull();
    } finally {
      build.remove();
    }
  }, raceMs);
});
