import { expect, test } from 'vitest';
import { BuildCopy } from './harness/build-copy.js';
import { broken } from './harness/broken.js';
import { repository, runProgram } from './harness/program.js';

interface Result {
  readonly done: number;
  readonly refused: number;
  readonly killed: number;
  readonly violations: readonly string[];
}

const LIMIT_MS = 60_000;

async function soak(build: string, order: 'ordered' | 'any', ...args: readonly string[]): Promise<{ status: number | null; result: Result }> {
  const { status, stdout } = await runProgram(build, 'test/storm/soak.mjs', ['--order', order, '--seconds', '8', ...args], LIMIT_MS - 5_000);
  return { status, result: JSON.parse(stdout) as Result };
}

test('threads that take their locks in one order are never refused, whatever times out or dies meanwhile', async () => {
  const { status, result } = await soak(repository, 'ordered');
  expect(result).toMatchObject({ violations: [], refused: 0 });
  expect(result.done).toBeGreaterThan(0);
  expect(result.killed).toBeGreaterThan(0);
  expect(status).toBe(0);
}, LIMIT_MS);

test('threads that take them in any order are refused, and never hang', async () => {
  const { status, result } = await soak(repository, 'any');
  expect(result.violations).toEqual([]);
  expect(result.refused).toBeGreaterThan(0);
  expect(status).toBe(0);
}, LIMIT_MS);

test.each([
  ['does not look for cycles', 'any', broken.seesNoCycle, /nobody has come any further|nobody was refused/],
  ['takes a wait for a cycle', 'ordered', broken.seesCyclesEverywhere, /where none is possible/],
] as const)('positive control: a build that %s', async (_, order, changes, symptom) => {
  const build = new BuildCopy(changes);
  try {
    const { status, result } = await soak(build.folder, order, '--stall-ms', '3000', '--kill-ms', '100000');
    expect(result.violations.join('\n')).toMatch(symptom);
    expect(status).toBe(1);
  } finally {
    build.remove();
  }
}, LIMIT_MS);
