import { parentPort } from 'node:worker_threads';
import { getLockManager } from 'holdfast';

getLockManager().mutex('start');
parentPort!.postMessage(Number(process.hrtime.bigint()));
