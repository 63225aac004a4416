import type { AcquireAsyncOptions, AcquireOptions } from '../contract/lock.js';
import { CancelInterrupt } from './cancel-token.js';
import { acquireContended, refuseCancelled } from './contended.js';
import type { FlowQueue } from './flows.js';
import { optionsOf, signalOf, timeoutOf } from './options.js';
import { checkRoom } from './signal-protocol.js';
import type { Site } from './site.js';

type Within = (...args: never[]) => unknown;

/** Blocks until that has come which the site's protocol looks for; throws what the wait ends with otherwise. */
export function waitBlocking(site: Site, wish: number, options: AcquireOptions | undefined, within: Within): number {
  const { timeoutMs, cancel } = optionsOf(options, 'options');
  const limitMs = timeoutOf(timeoutMs, site.timeoutMs);
  refuseCancelled(site, cancel, within);
  const interrupt = cancel === undefined ? undefined : new CancelInterrupt(cancel);
  return acquireContended(site, limitMs, interrupt, wish, within);
}

/** The same for a flow. */
export function waitFlow(site: Site, flows: FlowQueue, wish: number, options: AcquireAsyncOptions | undefined, within: Within): Promise<number> {
  const { timeoutMs, signal } = optionsOf(options, 'options');
  const limitMs = timeoutOf(timeoutMs, site.timeoutMs);
  checkRoom(flows, site.name);
  return flows.acquire(limitMs, signalOf(signal), wish, within);
}
