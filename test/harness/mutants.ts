/**
 * Production code with one piece of it replaced. The checker must find fault with each such mutant; one that survives shows that
 * the scenarios are too small.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Mutation {
  readonly name: string;
  /** Path of the file from the root of the project; the first module unless told. */
  readonly file?: string;
  /** Text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant<Modules> {
  readonly name: string;
  /** The modules, and all that they import, as a copy of their own with the mutation in it. */
  load(): Promise<Modules>;
}

/**
 * Mutants of some modules, named by paths from the root of the project. Throws if the text of a mutation occurs never or more
 * than once, so that none of them rots.
 */
export function mutate<Modules extends Record<string, object>>(
  modules: Readonly<Record<keyof Modules & string, string>>,
  mutations: readonly Mutation[],
): Mutant<Modules>[] {
  const [first] = Object.values<string>(modules);
  return mutations.map(({ name, file = first!, find, replace }) => {
    const path = root + file;
    const mutated = replaceOnce(readFileSync(path, 'utf8'), find, replace, `mutant '${name}' of ${file}`);
    return { name, load: async () => (await loadBundle(modules, path, mutated)) as Modules };
  });
}

function replaceOnce(text: string, find: string, replace: string, what: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${what}: its text occurs ${parts.length - 1} times, not once: ${JSON.stringify(find)}`);
  if (find === replace) throw new Error(`${what} changes nothing`);
  return parts.join(replace);
}

async function loadBundle(modules: Readonly<Record<string, string>>, path: string, mutated: string): Promise<unknown> {
  let isLoaded = false;
  const substitute: Plugin = {
    name: 'substitute',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, (file) => {
        if (file.path !== path) return undefined;
        isLoaded = true;
        return { contents: mutated, loader: 'ts' };
      });
    },
  };
  const contents = Object.entries(modules).map(([name, file]) => `export * as ${name} from './${file}';`).join('\n');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    plugins: [substitute],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
  });
  if (!isLoaded) throw new Error(`${path} is not imported by ${Object.values(modules).join(', ')}`);
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`);
}
