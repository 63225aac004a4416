/** Lines and, on a terminal, a progress bar below them. */

/** As much of a stream as is needed here. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const CODES: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };
const CLEAR_LINE = '\r\u001B[K';
const BAR_WIDTH = 28;
const REDRAW_SECONDS = 0.05;
/** Also where a terminal says that it has 0. */
const DEFAULT_COLUMNS = 80;
/** Without a terminal, a line each time when this share is done, in per cent. */
const PLAIN_STEP = 20;

export class Screen {
  readonly #output: Output;
  readonly #colours: boolean;
  #bar = '';
  #drawnAt = -Infinity;
  #plainNext = PLAIN_STEP;

  constructor(output: Output, noColor: string | undefined) {
    this.#output = output;
    this.#colours = output.isTTY === true && (noColor === undefined || noColor === '');
  }

  paint(style: Style, text: string): string {
    return this.#colours ? `\u001B[${CODES[style]}m${text}\u001B[0m` : text;
  }

  line(text = ''): void {
    if (this.#bar === '') this.#output.write(`${text}\n`);
    else this.#output.write(`${CLEAR_LINE}${text}\n${this.#bar}`);
  }

  progress(what: string, done: number, all: number, seconds: number): void {
    const percent = all === 0 ? 100 : Math.floor((100 * done) / all);
    const numbers = `${String(percent).padStart(3)} %  ${done} of ${all} files, ${seconds.toFixed(1)} s`;
    if (this.#output.isTTY === true) {
      if (done < all && seconds - this.#drawnAt < REDRAW_SECONDS) return;
      this.#drawnAt = seconds;
      const full = Math.floor((percent * BAR_WIDTH) / 100);
      const line = `${what} ${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${numbers}`;
      // A line that wraps could not be cleared.
      this.#bar = line.slice(0, (this.#output.columns || DEFAULT_COLUMNS) - 1);
      this.#output.write(CLEAR_LINE + this.#bar);
    } else if (percent >= this.#plainNext) {
      this.#plainNext = (Math.floor(percent / PLAIN_STEP) + 1) * PLAIN_STEP;
      this.#output.write(`${what}: ${numbers.trimStart()}\n`);
    }
  }

  endProgress(): void {
    if (this.#bar !== '') this.#output.write(CLEAR_LINE);
    this.#bar = '';
    this.#drawnAt = -Infinity;
    this.#plainNext = PLAIN_STEP;
  }
}
