import type { TermCount, TermTable } from './term-table.js';

/** The most frequent terms of all tables. */
export async function topTerms(tables: readonly TermTable[], limit: number): Promise<TermCount[]> {
  const top: TermCount[] = [];
  for (const table of tables) {
    await table.visit((term) => {
      if (top.length === limit && term.count <= top[limit - 1]!.count) return;
      // Sorted at every time, and short.
      top.splice(top.findIndex((other) => other.count < term.count) >>> 0, 0, term);
      top.length = Math.min(top.length, limit);
    });
  }
  return top;
}
