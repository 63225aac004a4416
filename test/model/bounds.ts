/**
 * What the model tests run. By default: bounds that take some minutes in all. `HOLDFAST_MODEL=full`: the larger ones too; needs
 * about 8 GB of memory and an hour.
 */
import { expect, test } from 'vitest';
import type { Limits, Result } from '../harness/explorer.js';
import { printResult } from '../harness/report.js';
import type { Scenario } from '../harness/scenario.js';
import { expectCaught, expectHolds } from '../harness/verdict.js';
import type { Mutant } from '../harness/mutants.js';

export const isFull = process.env['HOLDFAST_MODEL'] === 'full';

const LIMITS: Limits = { maxMs: 3_600_000, maxStates: 400_000_000 };

/** A mutant may have no end of states. */
const MUTANT_LIMITS: Limits = { maxMs: 120_000, maxStates: 3_000_000 };

/** For rows that belong to the larger bounds only. */
export interface Costly {
  readonly only?: 'full';
}

/** Every schedule of each row is without fault. */
export function testRows<Row extends Costly & { readonly name: string }>(rows: readonly Row[], scenarioOf: (row: Row) => Scenario): void {
  for (const row of rows) {
    test.skipIf(row.only === 'full' && !isFull)(row.name, () => print(expectHolds(scenarioOf(row), LIMITS)), LIMITS.maxMs);
  }
}

/** The scenario finds fault with each mutant. */
export function testMutants<Modules>(mutants: readonly Mutant<Modules>[], scenarioOf: (modules: Modules, mutant: number) => Scenario): void {
  for (const [i, mutant] of mutants.entries()) {
    test(mutant.name, async () => print(await expectCaught(mutant, (modules) => [scenarioOf(modules, i)], MUTANT_LIMITS)), LIMITS.maxMs);
  }
}

/** Merging local states leaves all ends of each row as they are. Not for rows with a thread that is stuck: how it came there is part of the end. */
export function testMerging<Row extends { readonly name: string }>(rows: readonly Row[], scenarioOf: (row: Row, reduction: 'merged' | undefined) => Scenario): void {
  for (const row of rows) {
    test(row.name, () => expect(expectHolds(scenarioOf(row, 'merged'), LIMITS).ends).toBe(expectHolds(scenarioOf(row, undefined), LIMITS).ends), LIMITS.maxMs);
  }
}

function print(result: Result): void {
  console.log(printResult(result));
}
