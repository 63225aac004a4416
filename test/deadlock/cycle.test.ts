import { describe, expect, test } from 'vitest';
import { cycleThrough, type Wait } from '../../src/deadlock/cycle.js';

type Graph = ReadonlyMap<number, Wait>;

function graph(waits: Readonly<Record<number, Wait>>): Graph {
  return new Map(Object.entries(waits).map(([node, wait]) => [Number(node), wait]));
}

/** Waits for all of them. */
function all(...holders: number[]): Wait {
  return { needed: holders.length, holders, shares: holders.map(() => 1) };
}

/** Waits for any one of them. */
function any(...holders: number[]): Wait {
  return { ...all(...holders), needed: 1 };
}

function cycle(of: Graph, start = 1): number[] | undefined {
  return cycleThrough(start, (node) => of.get(node));
}

describe('by hand', () => {
  test.each<readonly [string, Graph, readonly number[] | undefined]>([
    ['nobody waits', graph({}), undefined],
    ['the holder runs', graph({ 1: all(2) }), undefined],
    ['two wait for each other', graph({ 1: all(2), 2: all(1) }), [1, 2]],
    ['three', graph({ 1: all(2), 2: all(3), 3: all(1) }), [1, 2, 3]],
    ['for itself', graph({ 1: all(1) }), [1]],
    ['for two who wait for each other', graph({ 1: all(2), 2: all(3), 3: all(2) }), undefined],
    ['a writer behind a reader that runs and one that waits for the writer', graph({ 1: all(2, 3), 2: all(1) }), [1, 2]],
    ['a permit that one who runs may give back', graph({ 1: any(2, 3), 2: all(1) }), undefined],
    ['permits of which all holders are stuck', graph({ 1: any(2, 3), 2: all(1), 3: all(1) }), [1, 2]],
    ['more permits than those who run hold', graph({ 1: { needed: 3, holders: [2, 3], shares: [2, 2] }, 2: all(1) }), [1, 2]],
    ['a holder that goes on as soon as another has', graph({ 1: all(2), 2: any(1, 3), 3: all(4) }), undefined],
    ['the short way back', graph({ 1: all(2, 3), 2: all(4), 3: all(1), 4: all(1) }), [1, 3]],
  ])('%s', (_, waits, expected) => expect(cycle(waits)).toEqual(expected));
});

/** Numbers below `limit`, the same for the same seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % limit;
  };
}

function randomGraph(roll: (limit: number) => number): Graph {
  const nodes = 2 + roll(5);
  const waits = new Map<number, Wait>();
  for (let node = 1; node <= nodes; node++) {
    if (roll(5) === 0) continue;
    const holders = Array.from({ length: nodes }, (_, i) => i + 1).filter(() => roll(nodes) < 2);
    if (holders.length === 0) continue;
    const shares = holders.map(() => 1 + roll(2));
    waits.set(node, { needed: 1 + roll(shares.reduce((sum, share) => sum + share)), holders, shares });
  }
  return waits;
}

/** Those who can go on, found by trying every order in which they might. */
function whoCanGoOn(waits: Graph, nodes: readonly number[]): Set<number> {
  const seen = new Set<number>();
  const can = new Set<number>();
  const visit = (gone: number): void => {
    if (seen.has(gone)) return;
    seen.add(gone);
    for (const node of nodes) {
      const wait = waits.get(node);
      const given = wait?.holders.map((holder, i) => (gone & (1 << holder) ? wait.shares[i]! : 0)).reduce((sum, share) => sum + share, 0);
      if (gone & (1 << node) || (wait !== undefined && given! < wait.needed)) continue;
      can.add(node);
      visit(gone | (1 << node));
    }
  };
  visit(0);
  return can;
}

/** Length of the shortest of all ways that lead back to the start, none of them past one who can go on; 0 = none. */
function shortestByTrying(waits: Graph, can: ReadonlySet<number>, start: number): number {
  if (can.has(start)) return 0;
  let shortest = 0;
  const walk = (node: number, way: readonly number[]): void => {
    for (const next of waits.get(node)!.holders) {
      if (next === start && (shortest === 0 || way.length < shortest)) shortest = way.length;
      if (!can.has(next) && !way.includes(next)) walk(next, [...way, next]);
    }
  };
  walk(start, [start]);
  return shortest;
}

test('agrees with trying everything, on random graphs', () => {
  const lengths = new Map<number, number>();
  for (let seed = 1; seed <= 20_000; seed++) {
    const waits = randomGraph(dice(seed));
    const nodes = [...new Set([1, ...waits.keys(), ...[...waits.values()].flatMap(({ holders }) => holders)])];
    const can = whoCanGoOn(waits, nodes);
    const found = cycle(waits);
    const shortest = shortestByTrying(waits, can, 1);
    expect(found?.length ?? 0, `seed ${seed}`).toBe(shortest);
    lengths.set(shortest, (lengths.get(shortest) ?? 0) + 1);
    found?.forEach((node, i) => {
      expect(can.has(node), `seed ${seed}`).toBe(false);
      expect(waits.get(node)!.holders, `seed ${seed}`).toContain(found[(i + 1) % found.length]);
    });
    if (found !== undefined) expect(found[0]).toBe(1);
  }
  // Of each kind enough that a fault would show.
  for (const length of [0, 1, 2, 3, 4]) expect(lengths.get(length) ?? 0, `cycles of ${length}`).toBeGreaterThan(20);
});
