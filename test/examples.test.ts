import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const folder = fileURLToPath(new URL('../examples', import.meta.url));
const numbered = readdirSync(folder).filter((name) => /^\d\d-/.test(name));
const longest = 60;

/** What each of them prints. */
const printed: Record<string, RegExp> = {
  '01-counter': /^counted 200000 of 200000, under 200000 acquisitions\ncheck: passed\n$/,
  '02-resource-pool': /^3 connections were used 25000 times, and 3 are free\ncheck: passed\n$/,
  '03-signalling': /^20000 numbers, whose sum is 200010000 of 200010000, 0 left in the ring\ncheck: passed\n$/,
  '04-work-queue': /^4 workers did 2000 of 2000 jobs and found 17984 primes\ncheck: passed\n$/,
  '05-cache': /^80000 look-ups of 100 values, each computed once: 100; 0 were wrong\ncheck: passed\n$/,
  '06-rate-limit': /^30 requests, never more than 5 within 50 ms\ncheck: passed\n$/,
  '07-transfer': /^20000 transfers, 0 of the audits meanwhile found another sum than 6000\ncheck: passed\n$/,
};

test('they are numbered without gaps, and each is known here', () => {
  expect(numbered.map((name) => Number(name.slice(0, 2)))).toEqual(numbered.map((_, i) => i + 1));
  expect(numbered).toEqual(Object.keys(printed));
});

describe.each(numbered)('%s', (name) => {
  const files = readdirSync(join(folder, name)).filter((file) => file.endsWith('.ts'));
  const texts = files.map((file) => readFileSync(join(folder, name, file), 'utf8'));

  test('runs, and finds its result right', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, name, 'dist/main.js')], { encoding: 'utf8', timeout: 25_000 });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(printed[name]!);
  });

  test(`has at most ${longest} lines, and uses the package by its public name only`, () => {
    expect(texts.join('').split('\n').length - 1).toBeLessThanOrEqual(longest);
    const imported = texts.flatMap((text) => ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName));
    expect(imported).toContain('holdfast');
    for (const from of imported) expect(from).toMatch(/^(node:[a-z_/]+|holdfast(\/[a-z]+)?)$/);
  });
});
