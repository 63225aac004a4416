import { contend } from './contention.js';
import { releaser, waiter } from './handoff.js';
import { attendant } from './memory.js';
import { read } from './readers.js';
import { heir, victim } from './recovery.js';
import { sink, source } from './stream.js';

/** What a worker can be made to be. */
export const roles = { contend, releaser, waiter, heir, victim, attendant, read, source, sink };
