import { fileURLToPath } from 'node:url';
import type { modes } from '../modes/modes.js';
import type { Command } from '../harness/process.js';

const program = fileURLToPath(new URL('./contender.js', import.meta.url));

/** Starts contenders of this very version of Node in a mode of `contender.ts`. */
export function commands(
  mode: keyof typeof modes,
  contenders: Readonly<Record<string, { readonly flags?: readonly string[] }>>,
  ...numbers: number[]
): Map<string, Command> {
  const command = (name: string, flags: readonly string[] = []): Command => [process.execPath, ...flags, program, mode, name, ...numbers.map(String)];
  return new Map(Object.entries(contenders).map(([name, { flags }]) => [name, command(name, flags)]));
}

export function pick<T>(all: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, all[name]!]));
}
