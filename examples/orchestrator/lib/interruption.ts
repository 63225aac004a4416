/** Ctrl-C and its like: the first asks for an orderly end, the second ends the process. */

/** Exit codes as shells give them. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

export class Interruption {
  readonly #controller = new AbortController();
  readonly #onInterrupt: () => void;
  #exitCode = 0;

  constructor(onInterrupt: () => void) {
    this.#onInterrupt = onInterrupt;
    for (const name of names) process.once(name, this.#heard);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the process shall end with; 0 if nobody has interrupted. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Listens no longer. */
  end(): void {
    for (const name of names) process.off(name, this.#heard);
  }

  readonly #heard = (name: keyof typeof SIGNALS): void => {
    this.end();
    this.#exitCode = SIGNALS[name];
    this.#controller.abort();
    this.#onInterrupt();
  };
}

const names = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];
