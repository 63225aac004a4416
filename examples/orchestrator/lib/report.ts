/** What is printed at the end. */
import type { LockStatistics, ModeStatistics } from 'holdfast';
import type { Difference, Occurrences, Reference } from './check.js';
import type { TermCount } from './term-table.js';
import type { Sums } from './totals.js';

type Cell = string | number;

const whole = new Intl.NumberFormat('en-US');

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function count(n: number, noun: string): string {
  return `${whole.format(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** The first column is set to the left, the others, which are numbers, to the right. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const texts = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? whole.format(cell) : cell)))];
  const widths = head.map((_, i) => Math.max(...texts.map((row) => row[i]!.length)));
  const pad = (text: string, i: number): string => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!));
  return texts.map((row) => row.map(pad).join('  ').trimEnd());
}

export function agentTable(agents: readonly Sums[], total: Sums, seconds: number): string[] {
  const share = (sums: Sums): string => `${((100 * sums.bytes) / Math.max(1, total.bytes)).toFixed(1)} %`;
  const row = (name: string, sums: Sums): Cell[] => [name, sums.files, megabytes(sums.bytes), sums.tokens, share(sums)];
  const perSecond = (n: number): number => Math.round(n / seconds);
  return table(
    ['', 'files', 'size', 'tokens', 'share'],
    [
      ...agents.map((sums, i) => row(`agent ${i}`, sums)),
      row('all', total),
      ['per second', perSecond(total.files), megabytes(total.bytes / seconds), perSecond(total.tokens), ''],
    ],
  );
}

/** Locks whose names differ only in `[n]` share a row. */
export function lockTable(statistics: Readonly<Record<string, LockStatistics>>): string[] {
  const classes = new Map<string, LockStatistics[]>();
  for (const [name, one] of Object.entries(statistics)) {
    const key = name.replace(/\[\d+\]$/, '[*]');
    classes.set(key, [...(classes.get(key) ?? []), one]);
  }
  const rows = [...classes].map(([name, members]): Cell[] => {
    const modes = members.map((member) => member.locks.exclusive);
    const sum = (column: keyof ModeStatistics): number => modes.reduce((total, mode) => total + mode[column], 0);
    const acquired = sum('totalAcquisitions');
    const waits = sum('totalWaits');
    const waitedMs = modes.reduce((total, mode) => total + mode.avgWaitTimeMs * mode.totalWaits, 0);
    return [
      name,
      acquired,
      `${((100 * sum('contendedAcquisitions')) / Math.max(1, acquired)).toFixed(2)} %`,
      waits,
      `${(waits === 0 ? 0 : waitedMs / waits).toFixed(2)} ms`,
      `${Math.max(...modes.map((mode) => mode.maxWaitTimeMs)).toFixed(1)} ms`,
      members.reduce((total, member) => total + member.ownerDeaths, 0),
    ];
  });
  return table(['lock', 'acquired', 'contended', 'waits', 'mean wait', 'longest', 'owners died'], rows);
}

export function termTable(terms: readonly TermCount[]): string[] {
  return table(['term', 'count', 'files'], terms.map(({ term, count: times, files }) => [term, times, files]));
}

function sampleLine({ term, found, expected }: Difference['samples'][number]): string {
  return `  ${JSON.stringify(term)}: ${occurrences(found)} instead of ${occurrences(expected)}`;
}

function occurrences({ count: times, files }: Occurrences): string {
  return `${whole.format(times)} in ${count(files, 'file')}`;
}

export interface Verdict {
  readonly passed: boolean;
  readonly lines: readonly string[];
}

/** `locks`: whether the agents merged under them; without, differences are what was asked for. */
export function verdict(found: Sums, { sums: expected }: Reference, difference: Difference, locks: 'all' | 'none'): Verdict {
  const totals = (Object.keys(expected) as (keyof Sums)[]).filter((column) => found[column] !== expected[column]);
  const passed = difference.different === 0 && totals.length === 0;
  if (passed) {
    const line = `check: passed, ${count(difference.equal, 'term')} equal`;
    const luck = 'No update was lost this time. That was luck: nothing kept the agents apart. More --agents, or again?';
    return { passed, lines: locks === 'all' ? [line] : [line, luck] };
  }
  const surplus = difference.surplus > 0 ? `, ${whole.format(difference.surplus)} too many` : '';
  const details = [
    `  ${count(difference.missing, 'occurrence')} missing${surplus}`,
    ...totals.map((column) => `  ${column}: ${whole.format(found[column])} instead of ${whole.format(expected[column])}`),
    ...difference.samples.map(sampleLine),
  ];
  const terms = `${count(difference.different, 'term')} different, ${whole.format(difference.equal)} equal`;
  if (locks === 'all') return { passed, lines: [`check: FAILED, ${terms}`, ...details] };
  const why = 'That is what --unsafe asked for: the agents read, added and wrote at the same time, and overwrote each other.';
  return { passed, lines: [`check: updates lost, ${terms}`, ...details, why] };
}
