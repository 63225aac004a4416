/** What is aimed at, judged by the figures. A target whose contenders were not measured has no verdict. */
import { summarise } from '../harness/statistics.js';
import type { Metric, Results } from '../harness/figures.js';
import { nameOf, type Shape, shapes } from '../suites/contended.js';
import { HANDOFF, HOLDFAST, lockCounts, recoveryOf, WAKE } from '../suites/latency.js';
import { ADDRESSES, ATTACH, LOOKUP, MEMORY, OPENING, SIZE, START } from '../suites/registry.js';
import { OPTIMISED } from '../suites/uncontended.js';
import { BARE, EMPTY, PAIR, RAW, TICKETS, WASM_PAIR } from '../contenders/baselines.js';
import { Evidence } from './evidence.js';

export interface Verdict {
  readonly measured: string;
  readonly met: boolean;
  /** The same figure of what does the bare work and nothing else, in the same run: no lock can be better here. */
  readonly bare?: string;
}

export interface Target {
  readonly claim: string;
  readonly limit: string;
  judge(results: Results): Verdict | undefined;
}

type Measure = (evidence: Evidence) => number | undefined;

function atMost(limit: number, unit: string, claim: string, measure: Measure, bare?: Measure): Target {
  return bound(claim, `≤ ${amount(limit, unit)}`, unit, measure, (value) => value <= limit, bare);
}

function atLeast(limit: number, unit: string, claim: string, measure: Measure): Target {
  return bound(claim, `≥ ${amount(limit, unit)}`, unit, measure, (value) => value >= limit);
}

function bound(claim: string, limit: string, unit: string, measure: Measure, within: (value: number) => boolean, bare?: Measure): Target {
  return {
    claim,
    limit,
    judge(results) {
      const evidence = new Evidence(results);
      const value = measure(evidence);
      if (value === undefined) return undefined;
      const least = bare?.(evidence);
      return { measured: amount(value, unit), met: within(value), ...(least === undefined ? {} : { bare: amount(least, unit) }) };
    },
  };
}

function amount(value: number, unit: string): string {
  const text = Number(value.toPrecision(3)).toLocaleString('en', { maximumSignificantDigits: 6 });
  return unit === '×' ? `${text}×` : unit === '' ? text : `${text} ${unit}`;
}

/** Time of one against that of another, nobody else wanting the lock. */
function uncontended(contender: string, reference: string): Measure {
  return (evidence) => evidence.ratio('uncontended', OPTIMISED, contender, reference, 'ns')?.median;
}

function throughput(shape: Shape, contender: string, reference: string): Measure {
  return (evidence) => evidence.ratio('contended', nameOf(shape), contender, reference, 'opsPerSecond')?.median;
}

/** The worst of several cases; `undefined` if none was measured. */
function worst(pick: 'least' | 'most', measures: readonly Measure[]): Measure {
  return (evidence) => {
    const values = known(measures, evidence);
    return values.length === 0 ? undefined : pick === 'least' ? Math.min(...values) : Math.max(...values);
  };
}

function middle(measures: readonly Measure[]): Measure {
  return (evidence) => {
    const values = known(measures, evidence);
    return values.length === 0 ? undefined : summarise(values).median;
  };
}

function known(measures: readonly Measure[], evidence: Evidence): number[] {
  return measures.map((measure) => measure(evidence)).filter((value) => value !== undefined);
}

function median(suite: string, kase: string, contender: string, metric: Metric): Measure {
  return (evidence) => evidence.median(suite, kase, contender, metric);
}

const short: Shape = { threads: 2, sectionNs: 100, saturated: false };
const even = shapes.filter(({ saturated }) => !saturated);
const saturation = shapes.filter(({ saturated }) => saturated);
const waiting: Shape = { threads: 8, sectionNs: 1_000, saturated: false };

function inEach(cases: readonly Shape[], contender: string, metric: Metric): Measure[] {
  return cases.map((shape) => median('contended', nameOf(shape), contender, metric));
}

function eachAgainst(cases: readonly Shape[], reference: string, metric: Metric): Measure[] {
  return cases.map((shape) => (evidence) => evidence.ratio('contended', nameOf(shape), HOLDFAST, reference, metric)?.median);
}

/** Longest wait in mean waits of the same round: those of the acquisitions that slept, or of all, though most need not wait. */
function longestWait(contender: string, mean: 'meanSleepUs' | 'meanWaitUs'): Measure {
  return (evidence) => {
    const longest = evidence.values('contended', nameOf(waiting), contender, 'maxWaitUs');
    const means = evidence.values('contended', nameOf(waiting), contender, mean);
    return longest && means && summarise(longest.map((value, round) => value / means[round]!)).median;
  };
}

function latency(kase: string, reference: string): Measure {
  return (evidence) => evidence.ratio('latency', kase, HOLDFAST, reference, 'us')?.median;
}

function divided(measure: Measure, by: number): Measure {
  return (evidence) => {
    const value = measure(evidence);
    return value === undefined ? undefined : value / by;
  };
}

const [oneLock, manyLocks] = lockCounts.map(recoveryOf) as [string, string];

export const targets: readonly Target[] = [
  atMost(0.85, '×', 'lock and unlock, time against a bare Atomics pair', uncontended('holdfast lock', PAIR)),
  atMost(1.6, '×', "lock and unlock, time against C's cmpxchg and xchg", uncontended('holdfast lock', 'C cmpxchg and xchg'), uncontended(WASM_PAIR, 'C cmpxchg and xchg')),
  atMost(1, '×', 'lock and unlock, time against a robust, shared pthread_mutex', uncontended('holdfast lock', 'C pthread_mutex, robust and shared'), uncontended(WASM_PAIR, 'C pthread_mutex, robust and shared')),
  atMost(1, '×', 'run(hoisted), time against a bare Atomics pair', uncontended('holdfast run', PAIR)),
  atMost(1.25, '×', 'acquire and release with guard, time against a bare Atomics pair', uncontended('holdfast acquire', PAIR)),
  atMost(0.3, '×', 'reentrant inner acquire, time against a bare Atomics pair', uncontended('holdfast lock, reentrant inner', PAIR)),
  ...(
    [
      ['async-mutex acquire', 20],
      ['async-lock', 12],
      ['V8 Atomics.Mutex', 1.8],
      ['Web Locks', 250],
      ['multithreading', 60],
    ] as const
  ).map(([other, limit]) => atLeast(limit, '×', `lock and unlock, faster than ${other}`, uncontended(other, 'holdfast lock'))),
  atMost(0.5, '×', "acquireAsync and release, time against async-mutex's acquire", uncontended('holdfast acquireAsync', 'async-mutex acquire')),
  atLeast(2, '×', `${nameOf(short)}: throughput against the futex mutex`, throughput(short, HOLDFAST, 'futex mutex')),
  atLeast(0.9, '×', `${nameOf(short)}: throughput against Rust's std Mutex`, throughput(short, HOLDFAST, 'Rust std Mutex')),
  atLeast(1.1, '×', `${nameOf(short)}: throughput against V8's Atomics.Mutex`, throughput(short, HOLDFAST, 'V8 Atomics.Mutex')),
  atLeast(1, '×', '2 to 16 threads, 100 ns to 10 µs: throughput against the futex mutex, worst', worst('least', eachAgainst(even, 'futex mutex', 'opsPerSecond'))),
  atLeast(1.5, '×', 'the same, median', middle(eachAgainst(even, 'futex mutex', 'opsPerSecond'))),
  atLeast(0.95, '', "the same: Jain's index, worst", worst('least', inEach(even, HOLDFAST, 'jain'))),
  atMost(1, '×', 'the same: processor time per acquisition against the futex mutex, worst', worst('most', eachAgainst(even, 'futex mutex', 'cpuUs'))),
  atLeast(0.95, '', "4 threads, nothing outside: Jain's index, worst", worst('least', inEach(saturation, HOLDFAST, 'jain'))),
  atLeast(0.7, '×', 'the same: throughput against a spinning futex mutex, worst', worst('least', eachAgainst(saturation, 'futex mutex, spinning', 'opsPerSecond'))),
  atMost(50, '×', `${nameOf(waiting)}: longest wait against the mean one, eventual`, longestWait('holdfast eventual', 'meanSleepUs')),
  atMost(50, '×', `${nameOf(waiting)}: longest wait against the mean of all acquisitions, eventual`, longestWait('holdfast eventual', 'meanWaitUs')),
  atMost(5, '×', `${nameOf(waiting)}: longest wait against the mean one, fifo`, longestWait('holdfast fifo', 'meanSleepUs'), longestWait(TICKETS, 'meanSleepUs')),
  atMost(1.15, '×', `${HANDOFF}, against bare Atomics`, latency(HANDOFF, RAW)),
  atMost(1.2, '×', `${WAKE}, against bare Atomics`, latency(WAKE, RAW)),
  atMost(3, '×', `${oneLock}, against a bare wake`, latency(oneLock, BARE)),
  atMost(2, 'ms', manyLocks, divided(median('latency', manyLocks, HOLDFAST, 'us'), 1_000)),
  atMost(1_000, 'ns', OPENING, median('registry', OPENING, '1 name', 'ns')),
  atMost(1_000, 'ns', LOOKUP, median('registry', LOOKUP, '1 name, with options', 'ns')),
  atMost(1.3, '×', `${LOOKUP}: 10,000 names against 1`, (evidence) => evidence.ratio('registry', LOOKUP, '10,000 names, with options', '1 name, with options', 'ns')?.median),
  atMost(5, 'ms', 'attach in a new worker, import included, more than an empty module', (evidence) => {
    const attached = evidence.values('registry', START, ATTACH, 'ms');
    const empty = evidence.values('registry', START, EMPTY, 'ms');
    return attached && empty && summarise(attached.map((value, round) => value - empty[round]!)).median;
  }),
  atMost(256, 'bytes', 'real memory per lock', median('registry', MEMORY, 'lock', 'bytes')),
  atMost(16, 'KiB', 'address space per thread', divided(median('registry', ADDRESSES, 'thread', 'bytes'), 1_024)),
  atMost(12, 'KiB', 'core entry, gzip', divided(median('registry', SIZE, 'as published, gzip', 'bytes'), 1_024)),
];
