import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { broken } from './harness/broken.js';
import { BuildCopy, type Change } from './harness/build-copy.js';
import { repository, runProgram } from './harness/program.js';

interface Result {
  readonly storm: { readonly kills: number; readonly operations: number; readonly diedInside: number; readonly told: number; readonly diedHolding: number };
  readonly churn?: { readonly threads: number; readonly diedOwning: number };
  readonly violations: readonly string[];
}

/** Generous: a storm takes seconds. */
const stormMs = 180_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-storm-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function storm(build: string, args: readonly string[]): Promise<{ status: number | null; result: Result }> {
  const json = join(folder, 'storm.json');
  const { status, stderr } = await runProgram(build, 'test/storm/run.mjs', [...args, '--json', json], stormMs - 10_000);
  expect(stderr).toBe('');
  return { status, result: JSON.parse(readFileSync(json, 'utf8')) as Result };
}

test('threads are killed in all ways for a while: nobody is stuck, no two hold, each death is told once, no permit is lost or given twice', async () => {
  const { status, result } = await storm(repository, ['--kills', '500', '--seconds', '20', '--churn', '100']);
  expect(result.violations).toEqual([]);
  expect(status).toBe(0);
  expect(result.storm.kills).toBeGreaterThan(0);
  expect(result.storm.diedInside).toBeGreaterThan(0);
  expect(result.storm.told).toBeGreaterThanOrEqual(result.storm.diedInside);
  expect(result.storm.diedHolding).toBeGreaterThan(0);
  expect(result.churn).toMatchObject({ threads: 100, diedOwning: 80 });
}, stormMs);

describe('positive control: the storm finds what is broken', () => {
  const controls: [string, readonly Change[], RegExp][] = [
    ['never recovers', [...broken.recoversNever, ...broken.neverPatrols], /is stuck/],
    ['tells nobody of a death', broken.tellsNobody, /a death that was not told/],
    ['tells of a death twice', broken.tellsTwice, /told twice/],
    // Whichever of the audits comes first: each of these can only be where two were inside.
    ['lets two threads in', broken.letsTwoIn, /two holders|second holder|torn data|came in before|is too low|is not held by this thread/],
    ['gives permits that others hold', broken.givesPermitsTwice, /more permits were held than there are/],
    ['does not take back the permits of the dead', broken.losesPermits, /is stuck|permits are lost/],
    ['leaves the section of a semaphore to the dead', broken.keepsSection, /is stuck|permits are lost/],
    // Told by the newcomer that finds no room, or by the audit.
    ['does not give records back', broken.keepsRecords, /agents are attached|no room for another thread/],
  ];

  test.each(controls)('a build that %s', async (_, changes, symptom) => {
    const build = new BuildCopy(changes);
    try {
      // It ends when it has found something: for the rarest of these, after some hundred.
      const { status, result } = await storm(build.folder, ['--kills', '3000', '--stall', '4']);
      expect(status).toBe(1);
      expect(result.violations.join('\n')).toMatch(symptom);
    } finally {
      build.remove();
    }
  }, stormMs);
});
