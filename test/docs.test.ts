import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
mkdirSync(join(root, 'test/.scratch'), { recursive: true });
// Inside the project, so that `holdfast` and `piscina` resolve.
const scratch = mkdtempSync(join(root, 'test/.scratch/docs-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** What the fragments of the documents take for granted. */
const prelude = `
import { getLockManager, isLockError, LockError, LockManager } from 'holdfast';
const manager = LockManager.create({ blockingOnMain: 'allow' });
const token = manager.cancelToken();
const { signal } = new AbortController();
const rebuild = async () => {};
const shared = new Int32Array(new SharedArrayBuffer(4));
const balance = new Int32Array(2);
`;

async function run(name: string, code: string): Promise<string> {
  const { code: lowered } = await transform(code, { loader: 'ts', target: 'node20', format: 'esm' });
  writeFileSync(join(scratch, name), lowered);
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(scratch, name)], { encoding: 'utf8', timeout: 20_000 });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

function blocksOf(text: string): string[] {
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);
}

describe('the README', () => {
  const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'));
  const named = blocks.filter((block) => /^\/\/ (main|agent)\.js/.test(block));
  const fragments = blocks.filter((block) => !named.includes(block));

  test('has a pool that runs and prints what it says', async () => {
    const [main, agent] = named as [string, string];
    writeFileSync(join(scratch, 'agent.js'), agent);
    expect(await run('main.js', main)).toBe('100 100\n');
  });

  test.each(fragments.map((code, i) => [i + 1, code] as const))('has fragment %i, which runs', async (i, code) => {
    await run(`fragment-${i}.mjs`, prelude + code);
  });

  test('has both kinds', () => {
    expect([named.length, fragments.length]).toEqual([2, expect.toSatisfy((count: number) => count >= 2)]);
  });

  test('links to files that exist', () => {
    const links = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(([^)#]+)/g)].map((match) => match[1]!);
    for (const link of links.filter((target) => !target.startsWith('http'))) {
      const folder = readdirSync(join(root, link, '..'));
      expect(folder).toContain(link.split('/').at(-1));
    }
  });
});

describe('the examples of docstrings', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const examples = sources.flatMap((file) => {
    const text = readFileSync(join(root, 'src', file), 'utf8');
    return [...text.matchAll(/@example\n(.*?)(?:\n *\*\/|\n *\* @)/gs)].map((match) => [file, match[1]!.replaceAll(/^ *\* ?/gm, '')] as const);
  });

  test('exist', () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  test.each(examples)('of %s runs', async (file, code) => {
    await run(`${file.replaceAll(/\W/g, '-')}.mjs`, prelude + code);
  });
});
