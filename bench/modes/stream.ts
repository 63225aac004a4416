import { once } from 'node:events';
import { MessageChannel, type MessagePort, parentPort } from 'node:worker_threads';
import { type Pass, type StreamContender, streams } from '../contenders/streams.js';
import type { Answer } from './modes.js';
import { messageOf, nowNs, startThread } from './thread.js';

/** Two workers. Answers a number of items with the time that each took from the one to the other, in ns. */
export async function answerStream(name: string): Promise<Answer> {
  // Makes the manager that the workers attach to, if there is one.
  await import('holdfast').then(({ getLockManager }) => getLockManager());
  const { port1, port2 } = new MessageChannel();
  const from = startThread('source', name);
  const to = startThread('sink', name);
  from.postMessage(port1, [port1]);
  to.postMessage(port2, [port2]);
  await Promise.all([messageOf(from), messageOf(to)]);
  return (count) => {
    const time = messageOf<number>(to);
    to.postMessage(count);
    from.postMessage(count);
    return time;
  };
}

/** In a worker: sends as often as it is told. */
export function source(name: string): Promise<void> {
  return attend(name, 'source', (pass, count) => pass(count));
}

/** In a worker: receives as often as it is told. */
export function sink(name: string): Promise<void> {
  return attend(name, 'sink', async (pass, count) => {
    const startNs = nowNs();
    await pass(count);
    parentPort!.postMessage((nowNs() - startNs) / count);
  });
}

async function attend(name: string, end: keyof StreamContender, serve: (pass: Pass, count: number) => void | Promise<void>): Promise<void> {
  const [port] = (await once(parentPort!, 'message')) as [MessagePort];
  const pass = await streams[name]![end](port);
  parentPort!.on('message', (count: number) => void serve(pass, count));
  parentPort!.postMessage('open');
}
