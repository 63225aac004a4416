import { loadavg } from 'node:os';
import { type Command, ContenderProcess, Unavailable } from './process.js';
import type { Figure, Metric, SuiteFigures } from './figures.js';

export type Values = Partial<Record<Metric, number>>;

/** How often things are repeated. */
export interface Plan {
  /** Each launch starts all contenders anew: code may be compiled well or badly for the life of a process. */
  readonly launches: number;
  readonly rounds: number;
  /** Before the first round of a launch. */
  readonly prepare?: (contender: ContenderProcess, name: string) => Promise<void>;
  readonly measure: (contender: ContenderProcess, name: string) => Promise<Values>;
}

/** One suite while it runs: what is wanted of it, and what it has shown so far. */
export class SuiteRun {
  readonly quick: boolean;
  readonly #suite: string;
  readonly #only: RegExp;
  readonly #figures: Figure[] = [];
  readonly #unavailable: Record<string, string> = {};
  readonly #startedMs = performance.now();
  readonly #load = loadavg()[0]!;
  #reportedMs = -Infinity;

  constructor(suite: string, { quick, only }: { readonly quick: boolean; readonly only: RegExp }) {
    this.#suite = suite;
    this.quick = quick;
    this.#only = only;
  }

  /** Measures the contenders of a case in turn, A B C A B C …, so that whatever else the machine does meets them all. */
  async interleave(kase: string, contenders: ReadonlyMap<string, Command>, plan: Plan): Promise<void> {
    const wanted = [...contenders].filter(([name]) => this.wants(kase, name));
    if (wanted.length === 0) return;
    const values = new Map(wanted.map(([name]) => [name, new Map<Metric, number[]>()]));
    const running = new Map<string, ContenderProcess>();
    const giveUp = (name: string, error: unknown): void => {
      if (!(error instanceof Unavailable)) throw error;
      this.#unavailable[name] = error.message;
      values.delete(name);
      running.get(name)?.stop();
      running.delete(name);
    };
    for (let launch = 0; launch < plan.launches; launch++) {
      try {
        for (const [name, command] of wanted) {
          if (!values.has(name)) continue;
          try {
            const contender = await ContenderProcess.start(command);
            running.set(name, contender);
            await plan.prepare?.(contender, name);
          } catch (error) {
            giveUp(name, error);
          }
        }
        for (let round = 0; round < plan.rounds; round++) {
          this.#progress(kase, (launch * plan.rounds + round) / (plan.launches * plan.rounds));
          for (const [name, contender] of running) {
            try {
              const columns = values.get(name)!;
              for (const [metric, value] of Object.entries(await plan.measure(contender, name)) as [Metric, number][]) {
                columns.set(metric, [...(columns.get(metric) ?? []), value]);
              }
            } catch (error) {
              giveUp(name, error);
            }
          }
        }
      } finally {
        for (const contender of running.values()) contender.stop();
        running.clear();
      }
    }
    for (const [name, columns] of values) {
      for (const [metric, list] of columns) this.#figures.push({ case: kase, contender: name, metric, values: list });
    }
  }

  /** Something that is not measured in rounds. */
  record(kase: string, contender: string, metric: Metric, value: number): void {
    if (this.wants(kase, contender)) this.#figures.push({ case: kase, contender, metric, values: [value] });
  }

  wants(kase: string, contender: string): boolean {
    return this.#only.test(`${this.#suite}/${kase}/${contender}`);
  }

  finish(versions: Readonly<Record<string, string>>): SuiteFigures {
    return {
      date: new Date().toISOString(),
      mode: this.quick ? 'quick' : 'full',
      seconds: (performance.now() - this.#startedMs) / 1_000,
      load: this.#load,
      versions,
      figures: this.#figures,
      unavailable: this.#unavailable,
    };
  }

  #progress(kase: string, done: number): void {
    const nowMs = performance.now();
    if (done > 0 && nowMs - this.#reportedMs < 5_000) return;
    this.#reportedMs = nowMs;
    const seconds = Math.round((nowMs - this.#startedMs) / 1_000);
    console.error(`${process.version} ${String(seconds).padStart(4)} s  ${this.#suite}: ${kase}${done > 0 ? `, ${Math.round(done * 100)} %` : ''}`);
  }
}
