import { KeepAlive } from '../host/node.js';
import { arm, disarm, ringsOf } from '../park/park.js';
import type { Segment } from '../shm/segment.js';

/** Somebody in this thread who waits for something in shared memory without blocking. */
export interface Watcher {
  /** Looks; `false` once there is nothing more to wait for. */
  look(): boolean;
  /** Has the segment see whether the one it waits for still lives. */
  patrol(): void;
}

/**
 * The asynchronous side of an agent: one word, with at most one wait pending on it, ever, however many flows wait. A wait that
 * is pending can not be taken back, so it stays when the last flow has gone, and serves the next one.
 */
export class Mailbox {
  readonly #segment: Segment;
  readonly #self: number;
  readonly #watchers = new Set<Watcher>();
  readonly #keepAlive: KeepAlive;
  #armed = false;
  #closed = false;

  constructor(segment: Segment, self: number) {
    this.#segment = segment;
    this.#self = self;
    this.#keepAlive = new KeepAlive(() => this.#patrol(), segment.patrolMs);
  }

  /** Has `watcher` look whenever this agent is woken, until it has nothing to wait for. The process stays alive meanwhile. */
  watch(watcher: Watcher): void {
    if (this.#watchers.size === 0) this.#keepAlive.want();
    this.#watchers.add(watcher);
    if (!this.#armed) this.#serve();
  }

  unwatch(watcher: Watcher): void {
    if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#keepAlive.release();
  }

  close(): void {
    this.#closed = true;
    this.#watchers.clear();
    this.#keepAlive.release();
  }

  #patrol(): void {
    for (const watcher of [...this.#watchers]) {
      watcher.patrol();
      // As a blocked thread does: one whose end nobody has heard may have freed the lock and died before it rang.
      if (!watcher.look()) this.unwatch(watcher);
    }
  }

  #serve(): void {
    while (this.#watchers.size > 0 && !this.#closed) {
      const seen = ringsOf(this.#segment, this.#self);
      for (const watcher of [...this.#watchers]) if (!watcher.look()) this.unwatch(watcher);
      if (this.#watchers.size === 0) return;
      const rung = arm(this.#segment, this.#self, seen);
      if (rung === undefined) continue;
      this.#armed = true;
      void rung.then(() => {
        // The record may be another thread's by now.
        if (this.#closed) return;
        disarm(this.#segment, this.#self);
        this.#armed = false;
        this.#serve();
      });
      return;
    }
  }
}
