import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  /** `null`: it was killed because of the limit. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a program of `test` in a process of its own, for `limitMs` at most. `folder`: the repository, or a copy of the build. */
export function runProgram(folder: string, program: string, args: readonly string[], limitMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { cwd: folder, timeout: limitMs, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 },
      (_, stdout, stderr) => resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}
