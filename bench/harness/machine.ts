import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, type } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly os: string;
}

export function thisMachine(): Machine {
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), os: `${type()} ${release()} ${process.arch}` };
}

const packages = ['async-lock', 'async-mutex', 'async-sema', 'await-lock', 'multithreading', 'mutexify', 'tinybench'];

/** Of the packages that are compared, and of this one. */
export function packageVersions(): Record<string, string> {
  const root = new URL('../../', import.meta.url);
  const versionIn = (path: string): string => (JSON.parse(readFileSync(new URL(path, root), 'utf8')) as { version: string }).version;
  return {
    holdfast: versionIn('package.json'),
    ...Object.fromEntries(packages.map((name) => [name, versionIn(`node_modules/${name}/package.json`)])),
  };
}
