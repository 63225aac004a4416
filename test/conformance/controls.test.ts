import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bare, broken } from '../harness/broken.js';
import { BuildCopy, type Change } from '../harness/build-copy.js';
import { repository, runProgram } from '../harness/program.js';

const limitMs = 120_000;

interface Outcome {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

/** Runs those tests of the suite whose names begin so, for a plain mutex, in a build with other code. */
async function conformance(changes: readonly Change[], tests: string): Promise<Outcome> {
  const build = new BuildCopy(changes);
  try {
    for (const path of ['test/conformance', 'vitest.config.ts']) cpSync(join(repository, path), join(build.folder, path), { recursive: true });
    const filter = ['test/conformance/mutex.test.ts', '--testNamePattern', `^a mutex ${tests}`];
    const args = ['run', ...filter, '--reporter', 'json', '--testTimeout', '5000', '--hookTimeout', '5000'];
    const { stdout } = await runProgram(build.folder, join(repository, 'node_modules/vitest/vitest.mjs'), args, limitMs - 10_000);
    return JSON.parse(stdout) as Outcome;
  } finally {
    build.remove();
  }
}

describe('positive control: the suite', () => {
  test('passes a build with no other code', async () => {
    expect(await conformance([], 'excludes')).toMatchObject({ numPassedTests: 5, numFailedTests: 0 });
  }, limitMs);

  const controls: [string, readonly Change[], string][] = [
    ['lets two threads in', broken.letsTwoIn, 'excludes workers and the main thread under load, by acquire$'],
    ['tells nobody of a death', broken.tellsNobody, 'when a thread ends that holds it, the next one is refused if it was not waiting'],
    ['wakes nobody', [...bare, ...broken.releasesWithoutWake], 'a worker, blocking gets it when it is released'],
  ];

  test.each(controls)('fails a build that %s', async (_, changes, tests) => {
    expect(await conformance(changes, tests)).toMatchObject({ numPassedTests: 0, numFailedTests: 1 });
  }, limitMs);
});
