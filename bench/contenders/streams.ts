/** What passes items from one thread to another. */
import type { MessagePort } from 'node:worker_threads';
import type { Queue } from 'holdfast';
import type { PairContender } from './pairs.js';

/** Passes so many items. */
export type Pass = (count: number) => void | Promise<void>;

export interface StreamContender {
  /** In the thread that sends; both ends of `port` are open. */
  source(port: MessagePort): Promise<Pass>;
  /** In the thread that receives. */
  sink(port: MessagePort): Promise<Pass>;
}

interface Item {
  readonly id: number;
  readonly path: string;
}

const CAPACITY = 256;
const itemOf = (id: number): Item => ({ id, path: 'some/file.txt' });

async function queueOf<T>(name: string): Promise<Queue<T>> {
  const { getLockManager } = await import('holdfast');
  return getLockManager().queue<T>(name, { capacity: CAPACITY, maxItemBytes: 64 });
}

export const MESSAGES = 'MessagePort';

export const streams: Readonly<Record<string, StreamContender>> = {
  [MESSAGES]: {
    source: async (port) => (count) => {
      for (let i = 0; i < count; i++) port.postMessage(itemOf(i));
    },
    sink: async (port) => {
      let wanted = 0;
      let received = 0;
      let done = (): void => {};
      port.on('message', () => {
        if (++received === wanted) done();
      });
      return async (count) => {
        wanted += count;
        // They may be here before this thread is told how many to expect.
        if (received < wanted) await new Promise<void>((resolve) => (done = resolve));
      };
    },
  },
  'holdfast queue': {
    source: async () => {
      const queue = await queueOf<Item>('items');
      return (count) => {
        for (let i = 0; i < count; i++) queue.push(itemOf(i));
      };
    },
    sink: async () => {
      const queue = await queueOf<Item>('items');
      return (count) => {
        for (let i = 0; i < count; i++) queue.pop();
      };
    },
  },
  'holdfast queue, awaited': {
    source: async () => {
      const queue = await queueOf<Item>('awaited');
      return async (count) => {
        for (let i = 0; i < count; i++) await queue.pushAsync(itemOf(i));
      };
    },
    sink: async () => {
      const queue = await queueOf<Item>('awaited');
      return async (count) => {
        for (let i = 0; i < count; i++) await queue.popAsync();
      };
    },
  },
};

/** In one thread, with nobody else. */
export const turns: Readonly<Record<string, PairContender>> = {
  'holdfast queue, JSON': {
    open: async () => {
      const queue = await queueOf<Item>('turns');
      return (count) => {
        for (let i = 0; i < count; i++) {
          queue.push(itemOf(i));
          queue.pop();
        }
      };
    },
  },
  'holdfast queue, 64 bytes': {
    open: async () => {
      const queue = await queueOf<Uint8Array>('turns of bytes');
      const bytes = new Uint8Array(64);
      return (count) => {
        for (let i = 0; i < count; i++) {
          queue.push(bytes);
          queue.pop();
        }
      };
    },
  },
};
