/** What tests expect of scenarios. */
import { explore, type Fault, type Limits, type Result } from './explorer.js';
import type { Mutant } from './mutants.js';
import { printResult, printSchedule, replay } from './report.js';
import type { Scenario } from './scenario.js';

/** Every schedule within the limits is without fault. `coverage: 'partial'`: as many as the limits on states and time allow. */
export function expectHolds(scenario: Scenario, limits: Limits & { readonly coverage?: 'complete' | 'partial' } = {}): Result {
  const result = explore(scenario, limits);
  if (result.fault) throw new Error(printSchedule(scenario, result.fault));
  if (!result.complete && limits.coverage !== 'partial') throw new Error(`not complete: ${printResult(result)}`);
  return result;
}

/** Some schedule leads to a fault, with that in its message, and leads to it again. */
export function expectFault(scenario: Scenario, message: RegExp, limits: Limits = {}): Result {
  const result = explore(scenario, limits);
  if (!result.fault) throw new Error(`no fault found: ${printResult(result)}`);
  if (!message.test(result.fault.message)) throw new Error(`another fault than ${message}:\n${printSchedule(scenario, result.fault)}`);
  checkReplay(scenario, result.fault);
  return result;
}

function checkReplay(scenario: Scenario, fault: Fault): void {
  const again = replay(scenario, fault.schedule).message;
  if (again !== fault.message) throw new Error(`the replay of '${fault.message}' ended with '${again}': is a merge wrong?`);
}

/** At least one of the scenarios, tried in order, finds fault with the mutant. */
export async function expectCaught<Modules>(
  mutant: Mutant<Modules>,
  scenariosOf: (modules: Modules) => readonly Scenario[],
  limits: Limits = {},
): Promise<Result> {
  const results: Result[] = [];
  for (const scenario of scenariosOf(await mutant.load())) {
    const result = explore(scenario, limits);
    if (result.fault) {
      if (/^threw (Reference|Syntax)Error/.test(result.fault.message)) throw new Error(`mutant '${mutant.name}' is no program: ${result.fault.message}`);
      checkReplay(scenario, result.fault);
      return result;
    }
    results.push(result);
  }
  throw new Error([`not caught: ${mutant.name}`, ...results.map(printResult)].join('\n'));
}
