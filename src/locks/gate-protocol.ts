import * as raw from '../raw/gate.js';
import type { Interrupt } from '../raw/mutex.js';
import { SignalProtocol } from './signal-protocol.js';
import type { Site } from './site.js';

/** @internal What `acquireContended` and `FlowQueue` do with events and latches; the wish is the word when the wait began. */
export class GateProtocol extends SignalProtocol {
  attempt({ segment, slot }: Site, wish: number): number {
    return raw.attempt(segment, slot, wish);
  }

  acquireQueued({ segment, slot, self }: Site, wish: number, sinceMs: number, deadline: number, interrupt: Interrupt | undefined): number {
    return raw.waitOpen(segment, slot, self, wish, sinceMs, deadline, interrupt);
  }

  attemptForFlow({ segment, slot, self }: Site, wish: number): number {
    return raw.attemptForFlow(segment, slot, self, wish);
  }

  joinFlow({ segment, slot, self }: Site): void {
    raw.joinForFlow(segment, slot, self);
  }

  leaveFlow({ segment, slot, self }: Site): boolean {
    return raw.leaveForFlow(segment, slot, self);
  }
}
