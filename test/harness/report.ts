/** Replays schedules and prints them and the results of searches. */
import type { Fault, Result } from './explorer.js';
import { Machine } from './machine.js';
import { waitOutcomes } from './model-words.js';
import { type Request, type Scenario, Violation } from './scenario.js';
import { decode, STEP } from './transition.js';

export interface Change {
  /** Address or name of a ghost. */
  readonly of: number | string;
  readonly before: number;
  readonly after: number;
}

export interface Step {
  readonly thread: string;
  /** What the thread did, or what was done to it. */
  readonly text: string;
  readonly changes: readonly Change[];
}

export interface Replay {
  readonly steps: readonly Step[];
  /** The fault that the schedule leads to, if it does. */
  readonly message: string | undefined;
}

const ROW = 0;
const BEFORE = 1;
const SCRATCH = 2;

/**
 * Takes a scenario through one schedule. Stops where the schedule ends or cannot be followed. No histories are merged, so a
 * fault that is reached again is none of a wrong `merge`.
 */
export function replay(scenario: Scenario, schedule: readonly number[]): Replay {
  const machine = new Machine({ ...scenario, threads: scenario.threads.map(({ merge: _, ...plan }) => plan) });
  const steps: Step[] = [];
  let message: string | undefined;
  try {
    machine.start(ROW);
    for (const code of schedule) {
      const possible: number[] = [];
      machine.transitions(ROW, possible);
      if (!possible.includes(code)) return { steps, message: undefined };
      machine.rows.copy(ROW, BEFORE);
      const description = describe(machine, code);
      try {
        machine.apply(ROW, code);
      } finally {
        steps.push({ ...description, changes: changesOf(machine) });
      }
    }
    const outlook = machine.transitions(ROW, []);
    if (outlook === 'nothing') message = machine.faultAtEnd(ROW, SCRATCH);
    if (outlook === 'only time-outs') message = machine.faultAtRest(ROW, SCRATCH);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    message = error.message;
  }
  return { steps, message };
}

function describe(machine: Machine, code: number): { thread: string; text: string } {
  const { scenario } = machine;
  const { kind, name, thread, outcome } = decode(code);
  const said = { thread: machine.nameOf(thread) };
  if (kind !== STEP) return { ...said, text: name };
  const state = machine.localState(ROW, thread);
  const before = state.cell < 0 ? undefined : machine.rows.get(ROW, state.cell);
  return { ...said, text: textOf(scenario, state.request, before, outcome) };
}

function textOf(scenario: Scenario, { kind, at, a, b, name }: Request, before: number | undefined, outcome: number): string {
  const where = scenario.nameOf?.(at) ?? String(at);
  const show = (value: number): string => scenario.describe?.(at, value) ?? String(value);
  const seen = before === undefined ? '' : ` → ${show(before)}`;
  switch (kind) {
    case 'load':
    case 'loadNumber':
    case 'count':
      return `${kind} ${where}${seen}`;
    case 'store':
    case 'storeNumber':
    case 'exchange':
      return `${kind} ${where}, ${show(a)}${seen}`;
    case 'add':
      return `${kind} ${where}, ${a}${seen}`;
    case 'compareExchange':
    case 'claim':
      return `${kind} ${where}, ${show(a)} ⇒ ${show(b)}${seen} (${before === a ? 'written' : 'refused'})`;
    case 'wait':
    case 'waitAsync': {
      const limit = kind === 'wait' && b !== Infinity ? ', with a limit' : '';
      return `${kind} ${where} while ${show(a)}${limit}${before === a ? '' : `${seen} (${waitOutcomes[1]})`}`;
    }
    case 'notify':
    case 'notifyOne':
      return `${kind} ${where}`;
    case 'choose':
      return `${name}: ${outcome} of ${a}`;
    case 'exited':
      return `hears of the end of T${outcome % scenario.threads.length}`;
    case 'hasExited':
    case 'respawn':
      return `${kind} T${at}`;
    default:
      return kind;
  }
}

/** What differs between the row and the one before. */
function changesOf(machine: Machine): Change[] {
  const { rows } = machine;
  return rows.keys
    .map((key) => ({ of: key, before: rows.get(BEFORE, rows.cellOf(key)), after: rows.get(ROW, rows.cellOf(key)) }))
    .filter(({ before, after }) => before !== after);
}

/** Lines of a long schedule that are printed from its beginning and from its end. */
const SHOWN = 150;

/** A schedule as a table: thread, operation, what changed. */
export function printSchedule(scenario: Scenario, fault: Fault): string {
  const { steps, message } = replay(scenario, fault.schedule);
  const threadWidth = Math.max(...steps.map(({ thread }) => thread.length), 0);
  const lines = steps.map(({ thread, text, changes }, i) => {
    const changed = changes.map((change) => printChange(scenario, change)).join(', ');
    return `${String(i + 1).padStart(4)}  ${thread.padEnd(threadWidth)}  ${text.padEnd(changed ? 56 : 0)}  ${changed}`.trimEnd();
  });
  if (lines.length > 2 * SHOWN) lines.splice(SHOWN, lines.length - 2 * SHOWN, '   …');
  if (message !== fault.message) lines.push(`(the replay ended otherwise: ${message ?? 'no fault'})`);
  return [`${scenario.name}: ${fault.message}`, ...lines, `schedule: [${fault.schedule.join(', ')}]`].join('\n');
}

function printChange(scenario: Scenario, { of, before, after }: Change): string {
  if (typeof of === 'string') return `‹${of}› ${before} → ${after}`;
  const show = (value: number): string => scenario.describe?.(of, value) ?? String(value);
  return `${scenario.nameOf?.(of) ?? of}: ${show(before)} → ${show(after)}`;
}

/** One line about a search. */
export function printResult({ scenario, complete, states, transitions, ends, deepest, localStates, ms, fault }: Result): string {
  const verdict = fault ? `FAULT ${fault.message}` : complete ? 'holds (complete)' : 'holds (not complete)';
  const rate = Math.round(transitions / (ms / 1000));
  return `${scenario.name}: ${verdict} | ${states} states, ${transitions} transitions, ${ends} ends, depth ${deepest}, ${localStates} local states, ${Math.round(ms)} ms, ${rate}/s`;
}
