import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readResults, type Results } from '../bench/harness/figures.js';
import { type Command, Unavailable } from '../bench/harness/process.js';
import { jain, quantile, ratiosOf, summarise } from '../bench/harness/statistics.js';
import { SuiteRun } from '../bench/harness/suite-run.js';

const run = promisify(execFile);
const dist = fileURLToPath(new URL('../bench/dist/', import.meta.url));
const main = join(dist, 'main.js');
const major = process.versions.node.split('.')[0];

describe('statistics', () => {
  test('quantiles lie between the values beside them', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([4, 1, 3, 2], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
    expect(quantile([7], 0.25)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });

  test('a summary is the middle half', () => {
    const values = [10, 9, 1, 2, 3];
    expect(summarise(values)).toEqual({ q1: 2, median: 3, q3: 9 });
    expect(values).toEqual([10, 9, 1, 2, 3]);
  });

  test('ratios are taken round by round', () => {
    expect(ratiosOf([2, 40, 6], [1, 20, 3])).toEqual([2, 2, 2]);
    expect(() => ratiosOf([1], [1, 2])).toThrow(RangeError);
  });

  test("Jain's index", () => {
    expect(jain([5, 5, 5, 5])).toBe(1);
    expect(jain([8, 0, 0, 0])).toBe(0.25);
    expect(jain([1, 3])).toBeCloseTo(0.8);
    expect(jain([0, 0])).toBe(0);
  });
});

describe('a suite', () => {
  const pair = (name: string): Command => [process.execPath, join(dist, 'contender.js'), 'pairs', name];

  test('takes the contenders in turn and leaves out those that are missing', async () => {
    const suite = new SuiteRun('some', { quick: true, only: /(pair|mutex|none|odd)$/ });
    const order: string[] = [];
    const contenders = new Map<string, Command>([
      ['a pair', pair('Atomics pair')],
      ['none', ['holdfast-no-such-program']],
      ['a mutex', pair('futex mutex')],
      [
        'odd',
        () => {
          throw new Unavailable('odd');
        },
      ],
      ['unwanted', pair('holdfast lock')],
    ]);
    await suite.interleave('case', contenders, {
      launches: 2,
      rounds: 2,
      measure: async (contender, name) => {
        order.push(name);
        return { ns: (await contender.ask(10)) as number };
      },
    });
    expect(order).toEqual(Array(4).fill(['a pair', 'a mutex']).flat());
    const { figures, unavailable } = suite.finish({});
    expect(figures.map(({ contender, values }) => [contender, values.length])).toEqual([
      ['a pair', 4],
      ['a mutex', 4],
    ]);
    expect(unavailable).toEqual({ none: expect.stringContaining('ENOENT') as string, odd: 'odd' });
  });
});

describe('a quick run', () => {
  const wanted = [
    'uncontended/acquire and release/(Atomics pair|holdfast lock|holdfast acquireAsync|holdfast read lock)',
    'readers/readers only, empty sections/holdfast read, [12] threads?',
    'contended/2 threads, 100 ns/(futex mutex|holdfast eventual)',
    'latency/from release to the (blocked thread|event loop of the main thread) running/(Atomics.wait and notify|holdfast eventual)',
    'latency/from the exit event of an owner of 1 lock .*',
    'registry/(from new Worker|core entry).*',
    'items/from one worker to another/(MessagePort|holdfast queue)',
  ];
  let out: string;
  let printed: string;
  let results: Results;

  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
    printed = (await run(process.execPath, [main, '--quick', '--only', `^(${wanted.join('|')})$`, '--out', out])).stdout;
    results = readResults(join(out, `node-${major}.json`))!;
  }, 180_000);

  afterAll(() => {
    rmSync(out, { recursive: true, force: true });
  });

  test('names Node, the machine and what was compared', () => {
    expect(results).toMatchObject({ node: process.version, v8: process.versions.v8, machine: { cores: expect.any(Number) as number } });
    expect(results.suites['uncontended']!.versions).toMatchObject({ 'async-mutex': expect.any(String) as string, Rust: expect.any(String) as string });
  });

  test('has a value for each round of each contender', () => {
    const measured = Object.entries(results.suites).map(([suite, { figures }]) => [suite, figures.length]);
    expect(Object.fromEntries(measured)).toEqual({
      uncontended: 4,
      readers: 2,
      // Throughput, fairness and processor time, and three times of waiting.
      contended: 2 * (3 + 3),
      latency: 3 * 2,
      registry: 2 + 2,
      items: 2,
    });
    for (const { figures, unavailable } of Object.values(results.suites)) {
      expect(unavailable).toEqual({});
      for (const figure of figures) {
        const inCase = figures.filter((other) => other.case === figure.case && other.metric === figure.metric);
        expect(new Set(inCase.map(({ values }) => values.length)).size).toBe(1);
        expect(figure.values.every(Number.isFinite)).toBe(true);
      }
    }
  });

  test('judges the targets that it has figures for', () => {
    const report = readFileSync(join(out, 'README.md'), 'utf8');
    expect(report).toContain(printed.trim());
    expect(printed).toMatch(/\| lock and unlock, time against a bare Atomics pair \| ≤ 0.85× \| (met|\*\*missed\*\*): [\d.]+× \|/);
    expect(printed).toMatch(/2 threads, 100 ns: throughput against the futex mutex/);
    expect(printed).toMatch(/\| readers only, empty sections: 2 threads against 1 \| ≥ 1\.9× \| (met|\*\*missed\*\*): [\d.]+× \|/);
    expect(printed).not.toContain('async-lock');
  });

  test('refuses a suite that does not exist', async () => {
    await expect(run(process.execPath, [main, 'nonsense', '--out', out])).rejects.toThrow(/there is no suite "nonsense"/);
  });
});
