/**
 * Whether a wait can ever end, in a graph of who waits for whom. Knows no lock and no memory.
 *
 * A node waits until holders have given back enough: `holders[i]` would give back `shares[i]`, and `needed` is enough. A mutex has one
 * holder; a writer needs all readers; who wants permits needs any holders that have as many together. A node that does not wait
 * runs, and whoever runs may give back all it holds.
 *
 * Outcomes. No cycle: somebody who runs, or who will, can end the wait. A cycle: the start and others wait for each other, and none of
 * them can go on before one of them gives up. A start that waits for a cycle which it is not part of has none itself: giving up
 * would help nobody.
 */
export interface Wait {
  readonly needed: number;
  readonly holders: readonly number[];
  readonly shares: readonly number[];
}

/** What a node waits for; `undefined`: it runs. Must answer the same as long as one search lasts. */
export type WaitOf = (node: number) => Wait | undefined;

/** The shortest cycle through `start`, in the order in which they wait for each other; `undefined` if there is none. */
export function cycleThrough(start: number, waitOf: WaitOf): number[] | undefined {
  const waits = reachableFrom(start, waitOf);
  if (waits.size === 0) return undefined;
  removeWhoCanGoOn(waits);
  return waits.has(start) ? shortestWayBack(start, waits) : undefined;
}

/** All nodes that wait, from which the end of the wait of `start` depends. */
function reachableFrom(start: number, waitOf: WaitOf): Map<number, Wait> {
  const waits = new Map<number, Wait>();
  const looked = new Set([start]);
  // A set can be added to while it is walked.
  for (const node of looked) {
    const wait = waitOf(node);
    if (wait === undefined) continue;
    waits.set(node, wait);
    for (const holder of wait.holders) looked.add(holder);
  }
  return waits;
}

/** Leaves those whose wait nobody can end. */
function removeWhoCanGoOn(waits: Map<number, Wait>): void {
  for (let before = -1; before !== waits.size; ) {
    before = waits.size;
    for (const [node, { needed, holders, shares }] of waits) {
      const given = holders.reduce((sum, holder, i) => (waits.has(holder) ? sum : sum + shares[i]!), 0);
      if (given >= needed) waits.delete(node);
    }
  }
}

function shortestWayBack(start: number, waits: ReadonlyMap<number, Wait>): number[] | undefined {
  /** From whom the search came to a node. */
  const from = new Map<number, number>();
  const toVisit = new Set([start]);
  for (const node of toVisit) {
    for (const holder of waits.get(node)!.holders) {
      if (holder === start) return wayTo(node, start, from);
      if (!waits.has(holder) || toVisit.has(holder)) continue;
      from.set(holder, node);
      toVisit.add(holder);
    }
  }
  return undefined;
}

function wayTo(end: number, start: number, from: ReadonlyMap<number, number>): number[] {
  const way = [end];
  for (let node = end; node !== start; ) way.unshift((node = from.get(node)!));
  return way;
}
