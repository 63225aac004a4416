import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';
import * as layout from './native-layout/index.js';

const shared: Options = {
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  // Development dependencies and `holdfast` itself stay imports.
  skipNodeModulesBundle: true,
};

/**
 * The package carries the layout as plain numbers: its prose is for its readers, its checks have run when this file was loaded,
 * and the fingerprint is known.
 */
const layoutAsNumbers: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'layout-as-numbers',
  setup(build) {
    build.onLoad({ filter: /native-layout[/\\]index\.ts$/ }, () => ({ contents: renderModule(), loader: 'js' }));
  },
};

function renderModule(): string {
  const { records, mask, fingerprint, ...constants } = layout;
  const values = Object.entries(constants).map(([name, value]) => `export const ${name} = ${JSON.stringify(numbersOf(value))};`);
  return [...values, `export ${mask.toString()}`, `export const fingerprint = () => ${fingerprint()};`].join('\n');
}

/** Without words, types and unused bytes. */
function numbersOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const dropped = ['name', 'means', 'writers', 'staleness', 'states', 'type', 'waitedOn', 'align'];
  const entries = Object.entries(value).filter(([key, inner]) => !key.startsWith('reserved') && !(dropped.includes(key) && typeof inner !== 'object'));
  return Object.fromEntries(entries.map(([key, inner]) => [key, numbersOf(inner)]));
}

const library: Options = {
  ...shared,
  name: 'library',
  entry: { index: 'src/index.ts', decorators: 'src/faces/decorators.ts', testing: 'src/faces/testing.ts' },
  outDir: 'dist',
  // `splitting` is left to its default: ES modules share chunks, CommonJS files stand alone.
  format: ['esm', 'cjs'],
  dts: true,
  esbuildPlugins: [layoutAsNumbers],
  esbuildOptions(options) {
    // Names stay, so that stack traces do.
    options.minifyWhitespace = true;
  },
};

/** Each `.ts` file directly in `folder` is a program or a worker of its own. */
function programs(folder: string): Options[] {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const entry = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => `${folder}/${file}`);
  if (entry.length === 0) return [];
  return [{ ...shared, name: folder, entry, outDir: `${folder}/dist`, format: ['esm'], dts: false }];
}

const examples = readdirSync('examples').map((folder) => `examples/${folder}`);

export default defineConfig([library, ...examples.flatMap(programs), ...programs('bench')]);
