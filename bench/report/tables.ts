/** Result files as Markdown. Nothing here knows a figure. */
import { type Figure, type Metric, metrics, type Results } from '../harness/figures.js';
import { summarise } from '../harness/statistics.js';
import { Evidence } from './evidence.js';
import { targets, type Verdict } from './targets.js';

/** The whole report, of result files of several versions of Node. */
export function renderReport(all: readonly Results[]): string {
  return [
    '# Benchmark results',
    'Made by `npm run bench -- --nodes 20,22,24,26` from the files beside this one; not edited by hand. Contenders ran in turn, each in a process of its own. ' +
      '"Bare" is the same figure of what does that work and nothing else, in the same run: a lock can be no better on this machine. ' +
      'Cells show the median over the rounds with the middle half in brackets, and how many times the value of the first row of the table (the median of the ratios round by round).',
    ...machines(all),
    '## Targets',
    renderTargets(all),
    ...suitesOf(all).flatMap((suite) => [`## ${suite}`, ...(suite === 'contended' ? contendedTables(all) : plainTables(all, suite))]),
  ].join('\n\n') + '\n';
}

export function renderTargets(all: readonly Results[]): string {
  const judged = targets.map((target) => ({ target, verdicts: all.map((results) => target.judge(results)) }));
  return table(
    ['', 'target', ...all.map(({ node }) => node)],
    judged
      .filter(({ verdicts }) => verdicts.some((verdict) => verdict !== undefined))
      .map(({ target, verdicts }) => [target.claim, target.limit, ...verdicts.map((verdict) => (verdict ? verdictOf(verdict) : '–'))]),
  );
}

function verdictOf({ met, measured, bare }: Verdict): string {
  return `${met ? 'met' : '**missed**'}: ${measured}${bare === undefined ? '' : ` (bare: ${bare})`}`;
}

function machines(all: readonly Results[]): string[] {
  return all.map(({ node, v8, machine, suites }) => {
    const versions = Object.assign({}, ...Object.values(suites).map((suite) => suite.versions)) as Record<string, string>;
    const ran = Object.entries(suites).map(([name, { date, mode, seconds, load }]) => `${name} ${date.slice(0, 10)} (${mode}, ${Math.round(seconds)} s, load before ${short(load)})`);
    const missing = Object.assign({}, ...Object.values(suites).map((suite) => suite.unavailable)) as Record<string, string>;
    return [
      `Node ${node}, V8 ${v8}: ${machine.cpu}, ${machine.cores} processors, ${machine.os}. ${ran.join(', ')}.`,
      `Versions: ${list(versions)}.`,
      ...(Object.keys(missing).length > 0 ? [`Not measured: ${list(missing)}.`] : []),
    ].join(' ');
  });
}

function list(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name} (${value})`)
    .join(', ');
}

function suitesOf(all: readonly Results[]): string[] {
  return [...new Set(all.flatMap(({ suites }) => Object.keys(suites)))];
}

/** One table for each case and metric: contenders down, versions of Node across. */
function plainTables(all: readonly Results[], suite: string): string[] {
  const figures = all.flatMap(({ suites }) => suites[suite]?.figures ?? []);
  return distinct(figures, (figure) => `${figure.case}, ${metrics[figure.metric]}`).map(({ case: kase, metric }) => {
    const inCase = figures.filter((figure) => figure.case === kase && figure.metric === metric);
    const [reference, ...others] = distinct(inCase, (figure) => figure.contender).map((figure) => figure.contender);
    const rows = [reference!, ...others].map((contender) => [contender, ...all.map((results) => cell(results, suite, kase, contender, reference!, metric))]);
    return table([`${kase}, ${metrics[metric]}`, ...all.map(({ node }) => node)], rows);
  });
}

function cell(results: Results, suite: string, kase: string, contender: string, reference: string, metric: Metric): string {
  const evidence = new Evidence(results);
  const values = evidence.values(suite, kase, contender, metric);
  if (values === undefined) return '–';
  const { q1, median, q3 } = summarise(values);
  const ratio = contender === reference || metric === 'bytes' ? undefined : evidence.ratio(suite, kase, contender, reference, metric);
  return `${short(median)}${values.length > 1 ? ` (${short(q1)}–${short(q3)})` : ''}${ratio ? ` · ${short(ratio.median)}×` : ''}`;
}

/** Two tables for each version of Node: cases down, contenders across. */
function contendedTables(all: readonly Results[]): string[] {
  return all.flatMap((results) => {
    const figures = results.suites['contended']?.figures ?? [];
    const contenders = distinct(figures, (figure) => figure.contender).map((figure) => figure.contender);
    const cases = distinct(figures, (figure) => figure.case).map((figure) => figure.case);
    if (cases.length === 0) return [];
    const evidence = new Evidence(results);
    const rows = (shown: readonly Metric[]): string[][] =>
      cases.map((kase) => [
        kase,
        ...contenders.map((contender) => {
          const medians = shown.map((metric) => evidence.median('contended', kase, contender, metric));
          return medians.every((value) => value === undefined) ? '–' : medians.map((value) => (value === undefined ? '–' : short(value))).join(' · ');
        }),
      ]);
    const title = (shown: readonly Metric[]): string => `${results.node}: ${shown.map((metric) => metrics[metric]).join(' · ')}`;
    const tables: readonly (readonly Metric[])[] = [
      ['opsPerSecond', 'jain', 'cpuUs'],
      ['meanWaitUs', 'meanSleepUs', 'maxWaitUs'],
    ];
    return tables.map((shown) => table([title(shown), ...contenders], rows(shown)));
  });
}

function distinct(figures: readonly Figure[], key: (figure: Figure) => string): Figure[] {
  return [...new Map(figures.map((figure) => [key(figure), figure])).values()];
}

function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
