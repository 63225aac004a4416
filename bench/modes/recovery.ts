import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { getLockManager, type Mutex } from 'holdfast';
import { BARE } from '../contenders/baselines.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, signal, startThread, waitFor } from './thread.js';

const ASKING = 0;
const EXITED = 1;
/** After this the heir has surely parked. */
const PARKED_AFTER_MS = 5;

interface RecoveryData {
  readonly bare: boolean;
  readonly locks: number;
  readonly control: Int32Array;
}

function open(number: number): Mutex {
  return getLockManager().mutex(`dead-${number}`, { ownerDeath: 'release' });
}

/**
 * Kills a worker that holds `locks` locks while another waits for the last of them; answers with the time from the exit event to
 * the moment when that one runs, in ns. The bare contender has no lock: the exit event wakes a thread that waits for a word.
 */
export async function answerRecovery(name: string, locks: number): Promise<Answer> {
  getLockManager();
  const control = new Int32Array(new SharedArrayBuffer(64));
  const data: RecoveryData = { bare: name === BARE, locks, control };
  const next = startThread('heir', data);
  await messageOf(next);
  let sample = 0;
  return async () => {
    sample++;
    const owner = startThread('victim', data);
    await messageOf(owner);
    next.postMessage(sample);
    waitFor(control, ASKING, sample);
    await setTimeout(PARKED_AFTER_MS);
    let exitedNs = 0;
    // Before any listener that recovers.
    owner.prependListener('exit', () => (exitedNs = nowNs()));
    owner.once('exit', () => signal(control, EXITED, sample));
    const running = messageOf<number>(next);
    await Promise.all([once(owner, 'exit'), owner.terminate()]);
    return (await running) - exitedNs;
  };
}

/** In a worker: dies while it holds. */
export function victim({ bare, locks }: RecoveryData): void {
  for (let i = 0; i < locks && !bare; i++) open(i).lock();
  parentPort!.on('message', () => {});
  parentPort!.postMessage('held');
}

/** In a worker: wants the last of the victim's locks. */
export function heir({ bare, locks, control }: RecoveryData): void {
  const lock = open(locks - 1);
  parentPort!.on('message', (sample: number) => {
    signal(control, ASKING, sample);
    if (bare) waitFor(control, EXITED, sample);
    else lock.lock();
    const runningNs = nowNs();
    if (!bare) lock.unlock();
    parentPort!.postMessage(runningNs);
  });
  parentPort!.postMessage('open');
}
