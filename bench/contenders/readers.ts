/** Contenders whose readers are inside together. */
import { RAW_COUNTER } from './baselines.js';

/** Reads once, with nothing in the section. */
export type Read = () => void;

export interface ReaderContender {
  readonly flags?: readonly string[];
  /** In the main thread, before there are workers: what they need. */
  share(): Promise<object>;
  /** In a worker. */
  open(shared: object): Promise<Read>;
}

export const READ = 'holdfast read';

export const readerContenders: Readonly<Record<string, ReaderContender>> = {
  [READ]: {
    // The workers find the manager by themselves.
    share: async () => (await import('holdfast')).getLockManager().rwlock('shared') && {},
    open: async () => {
      const { read } = (await import('holdfast')).getLockManager().rwlock('shared');
      return () => {
        read.lock();
        read.unlock();
      };
    },
  },
  [RAW_COUNTER]: {
    share: async () => new Int32Array(new SharedArrayBuffer(64)),
    open: async (shared) => {
      const count = shared as Int32Array;
      return () => {
        Atomics.add(count, 0, 1);
        Atomics.sub(count, 0, 1);
      };
    },
  },
};
