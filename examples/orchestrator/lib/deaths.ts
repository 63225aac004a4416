/** Tells of agents that were killed and of what became of their work. */
import type { News } from '../agent.js';
import type { Killing } from './killer.js';
import { count } from './report.js';
import type { Screen } from './screen.js';
import type { Repair } from './shared-state.js';

export class Deaths {
  readonly #screen: Screen;
  #killed = 0;
  #repaired = 0;
  #redone = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  onKill({ threadId, at = 'at random' }: Killing): void {
    this.#killed++;
    this.#screen.line(`${this.#screen.paint('red', 'killed')} worker ${threadId} ${at}`);
  }

  onRepair({ lock, dead, by, us, outcome, changes }: Repair): void {
    this.#repaired++;
    const found = {
      'nothing to mend': 'nothing to mend',
      dropped: `${count(changes, 'noted change')} dropped`,
      completed: `${count(changes, 'change')} completed`,
    }[outcome];
    const repaired = `repaired by ${by === 0 ? 'the main thread' : `worker ${by}`} in ${Math.ceil(us)} µs`;
    this.#screen.line(`  ${this.#screen.paint('yellow', 'owner died')}: worker ${dead} in ${lock}; ${repaired}: ${found}`);
  }

  onNews(news: News): void {
    if ('repaired' in news) return this.onRepair(news.repaired);
    this.#redone++;
    const { name, by, before, merges } = news.redone;
    const done = `${before} of its ${merges} merges were done already`;
    this.#screen.line(`  ${this.#screen.paint('green', 'redone')}: ${name} by worker ${by}; ${done}`);
  }

  /** Every owner that dies is followed by one repair, by whoever takes the lock next. */
  get summary(): string {
    const inside = `${this.#repaired} of them inside a lock, each repaired`;
    return `${count(this.#killed, 'worker')} killed, ${inside}; ${count(this.#redone, 'file')} redone`;
  }
}
