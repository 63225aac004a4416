/** A snapshot as a graph: an edge from a thread leads to the lock that it waits for, one from a lock to a thread that holds it. */
import { duration, who } from '../locks/refusals.js';
import type { SnapshotData } from './snapshot.js';
import { visible } from './snapshot-text.js';

interface Node {
  readonly id: string;
  readonly shape: 'thread' | 'lock';
  readonly lines: readonly string[];
}

interface Link {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  readonly style: 'holds' | 'waits' | 'awaits';
  readonly inCycle: boolean;
}

interface Graph {
  readonly nodes: readonly Node[];
  readonly links: readonly Link[];
}

/** Of all that is held or waited for. Names of users stand in the lines of nodes only. */
function graphOf({ threads, locks, cycles }: SnapshotData): Graph {
  const links: Link[] = [];
  const idOf = ({ threadId }: { readonly threadId: number }): string => `thread${threadId}`;
  const edges = cycles.flatMap(({ cycle }) => cycle.map((edge, i) => ({ lock: edge.waitsFor, waiter: edge.threadId, holder: cycle[(i + 1) % cycle.length]!.threadId })));
  const nodes: Node[] = [];
  for (const [i, { name, kind, state, holders, waiters, awaitedBy, torn }] of locks.entries()) {
    const id = `lock${i}`;
    const here = edges.filter(({ lock }) => lock === name);
    for (const holder of holders) {
      const amount = holder.permits === undefined ? (holder.mode ?? '') : String(holder.permits);
      links.push({ from: id, to: idOf(holder), label: `held by ${amount && `(${amount})`}`.trim(), style: 'holds', inCycle: here.some((edge) => edge.holder === holder.threadId) });
    }
    for (const waiter of waiters) {
      links.push({ from: idOf(waiter), to: id, label: `waits for ${duration(waiter.waitedMs)}`, style: 'waits', inCycle: here.some((edge) => edge.waiter === waiter.threadId) });
    }
    for (const thread of awaitedBy) links.push({ from: idOf(thread), to: id, label: 'awaits', style: 'awaits', inCycle: false });
    if (holders.length + waiters.length + awaitedBy.length > 0) nodes.push({ id, shape: 'lock', lines: [`"${visible(name)}"`, `${kind}, ${state}${torn ? ', moved' : ''}`] });
  }
  const linked = new Set(links.flatMap(({ from, to }) => [from, to]));
  const shown = new Map<string, Node>();
  for (const thread of threads) shown.set(idOf(thread), { id: idOf(thread), shape: 'thread', lines: [who(thread), thread.state] });
  // One that was not yet there, or no longer, when the threads were listed.
  for (const id of linked) if (id.startsWith('thread') && !shown.has(id)) shown.set(id, { id, shape: 'thread', lines: [who({ threadId: Number(id.slice('thread'.length)) })] });
  return { nodes: [...[...shown.values()].filter(({ id }) => linked.has(id)), ...nodes], links };
}

/** In the language of Graphviz. */
export function renderDOT(snapshot: SnapshotData): string {
  const { nodes, links } = graphOf(snapshot);
  const shapes = { thread: 'ellipse', lock: 'box' };
  const styles = { holds: 'solid', waits: 'bold', awaits: 'dashed' };
  return [
    'digraph holdfast {',
    ...nodes.map(({ id, shape, lines }) => `  ${id} [shape=${shapes[shape]}, label="${lines.map(inDOT).join('\\n')}"];`),
    ...links.map(({ from, to, label, style, inCycle }) => `  ${from} -> ${to} [label="${inDOT(label)}", style=${styles[style]}${inCycle ? ', color=red' : ''}];`),
    '}',
    '',
  ].join('\n');
}

/** Between quotes; a label is searched for entities. */
function inDOT(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

/** As a flow chart of Mermaid. */
export function renderMermaid(snapshot: SnapshotData): string {
  const { nodes, links } = graphOf(snapshot);
  const brackets = { thread: ['([', '])'], lock: ['[', ']'] } as const;
  const arrows = { holds: '-->', waits: '==>', awaits: '-.->' };
  const red = links.flatMap(({ inCycle }, i) => (inCycle ? [i] : []));
  return [
    'flowchart LR',
    ...nodes.map(({ id, shape, lines }) => `  ${id}${brackets[shape][0]}"${lines.map(inMermaid).join('<br/>')}"${brackets[shape][1]}`),
    ...links.map(({ from, to, label, style }) => `  ${from} ${arrows[style]}|"${inMermaid(label)}"| ${to}`),
    ...(red.length > 0 ? [`  linkStyle ${red.join(',')} stroke:red`] : []),
    '',
  ].join('\n');
}

/** What can mean anything to Mermaid, a comment, an entity, an element of a page, is given by its number. */
function inMermaid(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N} .,()/_-]/gu, (character) => `#${character.codePointAt(0)};`);
}
