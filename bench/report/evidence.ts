import type { Metric, Results } from '../harness/figures.js';
import { ratiosOf, type Summary, summarise } from '../harness/statistics.js';

/** The figures of one result file, as claims are judged by them. */
export class Evidence {
  readonly #results: Results;

  constructor(results: Results) {
    this.#results = results;
  }

  values(suite: string, kase: string, contender: string, metric: Metric): readonly number[] | undefined {
    const figures = this.#results.suites[suite]?.figures ?? [];
    return figures.find((figure) => figure.case === kase && figure.contender === contender && figure.metric === metric)?.values;
  }

  median(suite: string, kase: string, contender: string, metric: Metric): number | undefined {
    const values = this.values(suite, kase, contender, metric);
    return values && summarise(values).median;
  }

  /** How many times as much as the reference, round by round. */
  ratio(suite: string, kase: string, contender: string, reference: string, metric: Metric): Summary | undefined {
    const values = this.values(suite, kase, contender, metric);
    const others = this.values(suite, kase, reference, metric);
    return values && others && summarise(ratiosOf(values, others));
  }
}
