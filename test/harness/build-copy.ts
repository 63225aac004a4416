import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** A replacement in the built package. The text must be there exactly once, so that a build that has changed is noticed. */
export interface Change {
  readonly find: RegExp;
  readonly put: string;
}

/**
 * A copy of the built package with other code in some places, and of the programs under `test` that use it. They find the copy when they
 * import `holdfast`.
 */
export class BuildCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-build-'));

  constructor(changes: readonly Change[]) {
    cpSync(join(repository, 'package.json'), join(this.folder, 'package.json'));
    for (const path of ['dist', 'test/storm', 'test/soak', 'test/fixtures', 'test/harness']) cpSync(join(repository, path), join(this.folder, path), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(this.folder, 'node_modules'), 'dir');
    for (const change of changes) this.#apply(change);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #apply(change: Change): void {
    for (const format of ['.js', '.cjs']) {
      const files = readdirSync(join(this.folder, 'dist')).filter((file) => file.endsWith(format));
      const counts = files.map((file) => replaceIn(join(this.folder, 'dist', file), change)).filter((count) => count > 0);
      // ES modules share chunks; CommonJS files stand alone, so there it may be once in each.
      const isOnce = counts.length > 0 && counts.every((count) => count === 1) && (counts.length === 1 || format === '.cjs');
      if (!isOnce) throw new Error(`${change.find} is ${counts.join(' + ') || 0} times in the built package (${format}), not once`);
    }
  }
}

/** How often it was there. */
function replaceIn(path: string, { find, put }: Change): number {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(find, put));
  return [...text.matchAll(new RegExp(find, 'g'))].length;
}
