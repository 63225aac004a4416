/** The command line. */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly directory: string;
  readonly agents: number;
  readonly files: number;
  readonly seconds: number;
  readonly mode: 'safe' | 'kill' | 'unsafe';
}

/** Something is wrong with what the user has typed. */
export class UsageError extends Error {}

const MOST_AGENTS = 64;
const MOST_FILES = 100_000;
const MOST_SECONDS = 3_600;

export const help = `Usage: npm start -- [options] [directory]

Agents in worker threads count the terms of the text and source files under a directory (by default, of this project with
its node_modules) into tables in shared memory, each under a named mutex. Then one thread counts again, and the two must agree.

  --agents N    number of agents, 1 to ${MOST_AGENTS} (default: processors, at least 2)
  --files N     take the first N files only
  --seconds N   begin no more files after N seconds
  --kill        terminate agents inside critical sections and at random: the result is right all the same
  --unsafe      merge without locks, and see what gets lost
  --help        show this

Exit code: 0 if the check passed, or with --unsafe in any case; 1 if it failed; 2 for bad options; 130 after Ctrl-C.
`;

/** `directory`: the default. `'help'`: that is all that was asked for. */
export function parseOptions(args: readonly string[], directory: string): Options | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  if (values.kill && values.unsafe) {
    throw new UsageError('--kill and --unsafe exclude each other: without locks nobody can tell where an agent died');
  }
  if (positionals.length > 1) throw new UsageError(`one directory at most, not ${positionals.length}: ${positionals.join(' ')}`);
  return {
    directory: directoryOf(positionals[0] ?? directory),
    agents: numberOf('--agents', values.agents, { least: 1, most: MOST_AGENTS, whole: true }) ?? defaultAgents(),
    files: numberOf('--files', values.files, { least: 1, most: MOST_FILES, whole: true }) ?? MOST_FILES,
    seconds: numberOf('--seconds', values.seconds, { least: 0.1, most: MOST_SECONDS, whole: false }) ?? Infinity,
    mode: values.kill ? 'kill' : values.unsafe ? 'unsafe' : 'safe',
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        agents: { type: 'string' },
        files: { type: 'string' },
        seconds: { type: 'string' },
        kill: { type: 'boolean' },
        unsafe: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // Its second sentence is about arguments that begin with a dash.
    throw new UsageError(message.split('. ')[0]);
  }
}

function defaultAgents(): number {
  return Math.min(MOST_AGENTS, Math.max(2, availableParallelism()));
}

interface Limits {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

function numberOf(flag: string, text: string | undefined, { least, most, whole }: Limits): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(`${flag} must be a ${whole ? 'whole number' : 'number'} from ${least} to ${most}, not "${text}"`);
}

function directoryOf(path: string): string {
  const directory = resolve(path);
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) throw new UsageError(`there is no directory ${directory}`);
  if (!found.isDirectory()) throw new UsageError(`${directory} is not a directory`);
  return directory;
}
