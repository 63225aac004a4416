import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

type Program = readonly [program: string, ...args: string[]];

/** How a contender is started; a function makes its program first, and may throw `Unavailable`. */
export type Command = Program | (() => Program);

/** A contender that can not be measured here. */
export class Unavailable extends Error {}

const ANSWER_LIMIT_MS = 60_000;

/**
 * A contender in a process of its own, so that none shares compiled code, heap or flags with another. It writes one line of JSON
 * when it is ready and one for each line that it is sent.
 */
export class ContenderProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #ended: Promise<never>;

  private constructor([program, ...args]: Program) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#ended = new Promise((_, reject) => {
      this.#child.once('error', (error) => reject(new Unavailable(error.message)));
      this.#child.once('close', (code, signal) => reject(new Unavailable(`ended with ${signal ?? `code ${code}`}`)));
    });
    this.#ended.catch(() => {});
    this.#child.stdin.on('error', () => {});
  }

  /** @throws Unavailable if it can not run here. */
  static async start(command: Command): Promise<ContenderProcess> {
    const started = new ContenderProcess(typeof command === 'function' ? command() : command);
    try {
      await started.#answer();
      return started;
    } catch (error) {
      started.stop();
      throw error;
    }
  }

  async ask(...numbers: number[]): Promise<unknown> {
    this.#child.stdin.write(`${numbers.join(' ')}\n`);
    return this.#answer();
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  async #answer(): Promise<unknown> {
    const line = new Promise<string>((resolve) => this.#lines.once('line', resolve));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Unavailable(`no answer for ${ANSWER_LIMIT_MS / 1_000} s`)), ANSWER_LIMIT_MS);
    });
    try {
      const answer = JSON.parse(await Promise.race([line, this.#ended, late])) as { error?: string; unavailable?: string } | null;
      if (answer?.unavailable !== undefined) throw new Unavailable(answer.unavailable);
      if (answer?.error !== undefined) throw new Error(answer.error);
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }
}
