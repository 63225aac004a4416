import { streams, turns } from '../contenders/streams.js';
import type { SuiteRun } from '../harness/suite-run.js';
import { commands } from './commands.js';
import { measureBatches } from './uncontended.js';

export const TURN = 'pushed and popped by one thread';
export const STREAM = 'from one worker to another';

/** What it costs to pass an item. */
export async function items(run: SuiteRun): Promise<void> {
  await measureBatches(run, TURN, commands('pairs', turns));
  const contenders = Object.fromEntries(Object.keys(streams).map((name) => [name, {}]));
  await measureBatches(run, STREAM, commands('stream', contenders), ITEMS_PER_ROUND);
}

/** A `MessagePort` holds all that are not yet received. */
const ITEMS_PER_ROUND = 20_000;
