/** A thread of a contender's process; `workerData.role` says which one. */
import { workerData } from 'node:worker_threads';
import type { roles } from './modes/roles.js';

const { role, data } = workerData as { role: keyof typeof roles | 'empty' | 'attach'; data: unknown };

// What is timed from its first import on must not import the rest.
if (role === 'empty') await import('./modes/start-empty.js');
else if (role === 'attach') await import('./modes/start-attach.js');
else await (await import('./modes/roles.js')).roles[role](data as never);
