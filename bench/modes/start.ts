import { once } from 'node:events';
import { getLockManager } from 'holdfast';
import { EMPTY } from '../contenders/baselines.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, startThread } from './thread.js';

/** Answers with the time from `new Worker` until its import has run, in ns. */
export async function answerStart(name: string): Promise<Answer> {
  getLockManager().mutex('start');
  return async () => {
    const startNs = nowNs();
    const worker = startThread(name === EMPTY ? 'empty' : 'attach');
    const [startedNs] = await Promise.all([messageOf<number>(worker), once(worker, 'exit')]);
    return startedNs - startNs;
  };
}
