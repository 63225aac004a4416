import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Machine } from './machine.js';

export const metrics = {
  ns: 'ns',
  us: 'µs',
  ms: 'ms',
  bytes: 'bytes',
  opsPerSecond: 'acquisitions per second',
  jain: "Jain's index",
  cpuUs: 'µs of processor time per acquisition',
  meanWaitUs: 'mean wait, µs',
  meanSleepUs: 'mean wait of those that slept, µs',
  maxWaitUs: 'longest wait, µs',
} as const;

export type Metric = keyof typeof metrics;

/** What one contender showed in one case, a value per round; rounds of one case belong together across its contenders. */
export interface Figure {
  readonly case: string;
  readonly contender: string;
  readonly metric: Metric;
  readonly values: number[];
}

export interface SuiteFigures {
  readonly date: string;
  readonly mode: 'full' | 'quick';
  readonly seconds: number;
  /** Load average when it began: what else the machine was doing. */
  readonly load: number;
  /** Versions of what was compared. */
  readonly versions: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
  /** Contenders that could not run here, and why. */
  readonly unavailable: Readonly<Record<string, string>>;
}

/** One result file: what one version of Node showed on one machine. */
export interface Results {
  readonly node: string;
  readonly v8: string;
  readonly machine: Machine;
  readonly suites: Readonly<Record<string, SuiteFigures>>;
}

export function readResults(file: string): Results | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  const round = (_: string, value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(5)) : value);
  // A list of numbers goes on one line.
  const text = JSON.stringify(results, round, 1).replace(/\[[-+.,\d\se]*\]/g, (list) => list.replace(/\s+/g, ''));
  writeFileSync(file, `${text}\n`);
}
