/** A snapshot as text: threads in a line, a table of locks, deadlocks, and who blocks whom. */
import { circleOf } from '../locks/deadlock.js';
import { duration, who } from '../locks/refusals.js';
import type { HolderStatus } from '../locks/status.js';
import type { BlockedThread, BlockingHolder, BlockingTree } from './blocking-trees.js';
import type { LockSnapshot, SnapshotData } from './snapshot.js';
import type { ModeStatistics } from './statistics.js';

/** What is more is counted, not shown. */
const MOST_ROWS = 30;
const MOST_HOLDERS = 3;
const MOST_WAITERS = 10;

const heads = ['lock', 'kind', 'state', 'held by', 'held for', 'waiting', 'oldest', 'in all', 'acquired', 'contended', 'wait p50/p99', 'hold avg/max *'];

export function renderText(snapshot: SnapshotData): string {
  const { cycles, locks, trees } = snapshot;
  const classes = classesOf(locks);
  const rows = classes.slice(0, MOST_ROWS).map(([name, members]) => rowOf(name, members));
  const notes = [
    ...(locks.some(hasSample) ? ['* of those holds alone that began with a wait'] : []),
    ...(locks.some(({ torn }) => torn) ? ['~ moved while it was read'] : []),
    ...(classes.length > MOST_ROWS ? [`${classes.length - MOST_ROWS} more rows`] : []),
  ];
  return [
    headOf(snapshot),
    ...(rows.length > 0 ? ['', ...alignColumns([heads, ...rows])] : []),
    ...notes.map((note) => `  ${note}`),
    ...(cycles.length > 0 ? ['', ...cycles.map(({ cycle }) => `deadlock: ${visible(circleOf(cycle))}`)] : []),
    ...trees.flatMap((tree) => ['', ...treeLines(tree)]),
  ].join('\n');
}

/** Characters that would end a line, or change how others are shown, as escapes. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => (character === '\n' ? '\\n' : `\\u{${character.codePointAt(0)!.toString(16)}}`));
}

function headOf({ name, processId, threads, locks, cycles }: SnapshotData): string {
  const states = (['running', 'blocked', 'ended'] as const).map((state) => [threads.filter((thread) => thread.state === state).length, state] as const);
  const threadText = states.filter(([count, state]) => count > 0 || state !== 'ended').map(([count, state]) => `${count} ${state}`);
  const held = locks.filter(({ holders }) => holders.length > 0).length;
  const deadlocks = cycles.length === 0 ? '' : `, ${plural(cycles.length, 'deadlock')}`;
  return `locks${name === undefined ? '' : ` "${visible(name)}"`} of process ${processId}: ${plural(threads.length, 'thread')} (${threadText.join(', ')}), ${plural(locks.length, 'lock')} (${held} held)${deadlocks}`;
}

/** Locks of one kind whose names differ in what stands in brackets are one row. */
function classesOf(locks: readonly LockSnapshot[]): [name: string, members: LockSnapshot[]][] {
  const classes = new Map<string, LockSnapshot[]>();
  for (const lock of locks) {
    const key = `${lock.kind} ${lock.name.replaceAll(/\[[^[\]]*\]/g, '[*]')}`;
    classes.set(key, [...(classes.get(key) ?? []), lock]);
  }
  const named = [...classes].map(([key, members]): [string, LockSnapshot[]] => [members.length === 1 ? members[0]!.name : key.slice(key.indexOf(' ') + 1), members]);
  return named.sort(([, a], [, b]) => blockedIn(b) - blockedIn(a));
}

function blockedIn(locks: readonly LockSnapshot[]): number {
  return locks.reduce((sum, { blockedMs }) => sum + blockedMs, 0);
}

function rowOf(name: string, locks: readonly LockSnapshot[]): string[] {
  const [first] = locks as [LockSnapshot];
  const holders = locks.flatMap((lock) => lock.holders);
  const waiters = locks.flatMap((lock) => lock.waiters);
  const flows = locks.flatMap((lock) => lock.awaitedBy).length;
  const modes = locks.flatMap(({ statistics }) => Object.values(statistics.modes));
  const acquired = locks.reduce((sum, { statistics }) => sum + statistics.totalAcquisitions, 0);
  const contended = locks.reduce((sum, { statistics }) => sum + statistics.contendedShare * statistics.totalAcquisitions, 0);
  const longest = longestHold(holders);
  return [
    `${locks.some(({ torn }) => torn) ? '~ ' : ''}${visible(name)}${locks.length > 1 ? ` (${locks.length})` : ''}`,
    first.kind,
    locks.length === 1 ? stateText(first) : `${locks.filter((lock) => lock.holders.length > 0).length} held`,
    holdersText(holders),
    longest === undefined ? '' : holdText(longest),
    [...(waiters.length > 0 ? [String(waiters.length)] : []), ...(flows > 0 ? [`${flows} async`] : [])].join(' + '),
    waiters.length === 0 ? '' : duration(Math.max(...waiters.map(({ waitedMs }) => waitedMs))),
    waiters.length === 0 ? '' : duration(blockedIn(locks)),
    String(acquired),
    acquired === 0 ? '' : `${Math.round((100 * contended) / acquired)} %`,
    // Those of several modes or locks can not be put together: that of the slowest.
    modes.some(({ totalWaits }) => totalWaits > 0) ? `${shortTime(largest(modes, 'waitP50Ms'))} / ${shortTime(largest(modes, 'waitP99Ms'))}` : '',
    locks.some(hasSample) ? `${shortTime(largest(modes, 'avgSampledHoldTimeMs'))} / ${shortTime(largest(modes, 'maxSampledHoldTimeMs'))}` : '',
  ];
}

function stateText({ state, permits, left, meeting, isSet, items }: LockSnapshot): string {
  if (state === 'closed') return state;
  if (permits !== undefined) return `${permits.available} of ${permits.total} free`;
  if (items !== undefined) return `${items.length} of ${items.capacity} items`;
  if (left !== undefined) return `${left} left`;
  if (meeting !== undefined) return meeting.broken === undefined ? `${meeting.waiting} of ${meeting.parties} here` : 'broken';
  return isSet === undefined ? state : isSet ? 'set' : 'not set';
}

function holdersText(holders: readonly HolderStatus[]): string {
  const named = holders.slice(0, MOST_HOLDERS).map((holder) => `${who(holder)}${holder.permits === undefined ? '' : ` (${holder.permits})`}`);
  return [...named, ...(holders.length > MOST_HOLDERS ? [`${holders.length - MOST_HOLDERS} more`] : [])].join(', ');
}

/** Of those of whom it is known, at least that they held at some moment. */
function longestHold(holders: readonly HolderStatus[]): HolderStatus | undefined {
  return holders.filter(({ heldForMs, heldSinceKnown }) => heldSinceKnown || heldForMs > 0).sort((a, b) => b.heldForMs - a.heldForMs)[0];
}

function holdText({ heldForMs, heldSinceKnown }: HolderStatus): string {
  return `${heldSinceKnown ? '' : '≥ '}${duration(heldForMs)}`;
}

function hasSample({ statistics }: LockSnapshot): boolean {
  return Object.values(statistics.modes).some(({ sampledHolds }) => sampledHolds > 0);
}

function largest(modes: readonly ModeStatistics[], what: 'waitP50Ms' | 'waitP99Ms' | 'avgSampledHoldTimeMs' | 'maxSampledHoldTimeMs'): number {
  return Math.max(...modes.map((mode) => mode[what]));
}

function shortTime(ms: number): string {
  return ms < 1 ? `${Math.round(ms * 1_000)} µs` : duration(ms);
}

/** A column in which nothing stands is left out. */
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const used = heads.map((_, i) => i).filter((i) => rows.slice(1).some((row) => row[i] !== ''));
  const widths = new Map(used.map((i) => [i, Math.max(...rows.map((row) => row[i]!.length))]));
  return rows.map((row) => `  ${used.map((i) => row[i]!.padEnd(widths.get(i)!)).join('  ')}`.trimEnd());
}

function treeLines(tree: BlockingTree): string[] {
  const { lock, kind, holders, threads, blockedMs, inCycle } = tree;
  const held = holders.length === 0 ? '' : `, held by ${holders.slice(0, MOST_HOLDERS).map(holderText).join(', ')}${holders.length > MOST_HOLDERS ? ` and ${holders.length - MOST_HOLDERS} more` : ''}`;
  const circle = inCycle ? ', in a deadlock' : '';
  return [`"${visible(lock)}" (${kind})${held}${circle}: ${plural(threads, 'thread')} blocked for ${duration(blockedMs)} in all`, ...branchLines(tree)];
}

function holderText(holder: BlockingHolder): string {
  return `${who(holder)} (${holder.state})${longestHold([holder]) === undefined ? '' : ` for ${holdText(holder)}`}`;
}

function branchLines({ waiters }: BlockingTree): string[] {
  const shown = waiters.slice(0, MOST_WAITERS).map(waiterLines);
  const branches = waiters.length > MOST_WAITERS ? [...shown, [`${waiters.length - MOST_WAITERS} more`]] : shown;
  return branches.flatMap(indent);
}

function waiterLines(waiter: BlockedThread): string[] {
  const wish = waiter.wants === undefined ? (waiter.permits === undefined ? (waiter.mode ?? '') : plural(waiter.permits, 'permit')) : waiter.wants;
  const below = waiter.blocks.map((tree) => [`holds "${visible(tree.lock)}" (${tree.kind})`, ...branchLines(tree)]);
  return [`${who(waiter)} for ${duration(waiter.waitedMs)}${wish && `: ${wish}`}`, ...below.flatMap(indent)];
}

/** The lines of one of several branches, the first of which it begins with. */
function indent([first, ...rest]: readonly string[], i: number, { length }: readonly unknown[]): string[] {
  const isLast = i === length - 1;
  return [`${isLast ? '└─' : '├─'} ${first}`, ...rest.map((line) => `${isLast ? '  ' : '│ '} ${line}`)];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
