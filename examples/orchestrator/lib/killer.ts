/** Terminates agents: at each of the named points inside critical sections, then at random moments. */
import { setTimeout } from 'node:timers/promises';
import { points } from './control.js';
import type { Crew } from './crew.js';
import type { SharedState } from './shared-state.js';

const RANDOM_KILLS = 4;
const LOOK_EVERY_MS = 5;

export interface Killing {
  readonly threadId: number;
  /** Where the thread waits for its end; `undefined`: wherever it is. */
  readonly at: string | undefined;
}

export interface Kills {
  readonly crew: Crew;
  readonly state: SharedState;
  /** Number of files; the kills at random are spread over them. */
  readonly files: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Told of each just before it happens. */
  readonly onKill: (killing: Killing) => void;
}

export async function kill({ crew, state, files, signal, onKill }: Kills): Promise<void> {
  const { control, totals } = state;
  const strike = (threadId: number, at: string | undefined): Promise<void> => {
    onKill({ threadId, at });
    return crew.kill(threadId);
  };

  control.wantVictim(0);
  for (const [i, { lock, place }] of points.entries()) {
    if (!(await until(() => control.victimAt(i) !== 0, signal))) return;
    // Before this one is dead: until then the others do not get past its lock, so the files can not run out meanwhile.
    if (i + 1 < points.length) control.wantVictim(i + 1);
    await strike(control.victimAt(i), `inside ${lock}, its changes ${place}`);
  }
  for (let i = 0; i < RANDOM_KILLS; i++) {
    const done = totals.glance();
    const at = done + 1 + Math.floor((Math.random() * (files - done)) / (RANDOM_KILLS - i));
    if (!(await until(() => totals.glance() >= at && crew.threads.length > 0, signal))) return;
    const { threads } = crew;
    await strike(threads[Math.floor(Math.random() * threads.length)]!, undefined);
  }
}

/** Looks until the condition holds; `false` if `signal` was aborted first. */
async function until(condition: () => boolean, signal: AbortSignal): Promise<boolean> {
  while (!condition()) {
    if (signal.aborted) return false;
    await setTimeout(LOOK_EVERY_MS);
  }
  return true;
}
