import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, Unavailable } from './process.js';

const sources = fileURLToPath(new URL('../peers/', import.meta.url));
const built = fileURLToPath(new URL('./peers/', import.meta.url));

interface Language {
  readonly product: string;
  readonly compile: readonly [string, ...string[]];
  readonly run: readonly [string, ...string[]];
  readonly version: readonly [string, ...string[]];
}

const languages = {
  C: {
    product: `${built}peer-c`,
    compile: ['gcc', '-O2', '-pthread', '-o', `${built}peer-c`, `${sources}peer.c`],
    run: [`${built}peer-c`],
    version: ['gcc', '--version'],
  },
  Rust: {
    product: `${built}peer-rust`,
    compile: ['rustc', '--edition', '2021', '-C', 'opt-level=3', '-o', `${built}peer-rust`, `${sources}peer.rs`],
    run: [`${built}peer-rust`],
    version: ['rustc', '--version'],
  },
  Java: {
    product: `${built}Peer.class`,
    compile: ['javac', '-d', built, `${sources}Peer.java`],
    // Else the compiler merges neighbouring synchronized blocks, and no lock is left to measure.
    run: ['java', '-XX:-EliminateLocks', '-cp', built, 'Peer'],
    version: ['javac', '--version'],
  },
} satisfies Record<string, Language>;

export type LanguageName = keyof typeof languages;

/** Locks of other languages, to compare with where their compilers are at hand. */
type Peers = Readonly<Record<string, readonly [LanguageName, lock: string]>>;

const contending: Peers = {
  'C pthread_mutex': ['C', 'pthread'],
  'Rust std Mutex': ['Rust', 'std'],
  'Java ReentrantLock': ['Java', 'reentrant'],
  'Java synchronized': ['Java', 'synchronized'],
};

const peers: Readonly<Record<'pairs' | 'contention', Peers>> = {
  pairs: { 'C cmpxchg and xchg': ['C', 'pair'], 'C pthread_mutex, robust and shared': ['C', 'robust'], ...contending },
  contention: contending,
};

/** The peers, to be started in a mode of `contender.ts`. */
export function peerCommands(mode: keyof typeof peers, ...numbers: number[]): Map<string, Command> {
  return new Map(
    Object.entries(peers[mode]).map(([name, [language, lock]]) => [name, () => [...programOf(language), mode, lock, ...numbers.map(String)]]),
  );
}

export function peerVersions(): Record<string, string> {
  const found = (Object.keys(languages) as LanguageName[]).map((name): [string, string] => {
    const [program, ...args] = languages[name].version;
    try {
      return [name, execFileSync(program, args, { encoding: 'utf8' }).split('\n')[0]!];
    } catch {
      return [name, 'not available'];
    }
  });
  return Object.fromEntries(found);
}

/** Compiles on the first call; `dist` is emptied by the next build. */
function programOf(name: LanguageName): readonly [string, ...string[]] {
  const { product, compile, run } = languages[name];
  if (existsSync(product)) return run;
  const [program, ...args] = compile;
  try {
    mkdirSync(built, { recursive: true });
    execFileSync(program, args, { stdio: 'pipe' });
    return run;
  } catch (error) {
    throw new Unavailable((error as NodeJS.ErrnoException).code === 'ENOENT' ? `${program} is not installed` : String(error));
  }
}
