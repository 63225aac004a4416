/** What a contender's process can be asked to do. */

/** Answers a line of numbers. */
export type Answer = (...numbers: number[]) => unknown;

/** Gets a contender ready; `undefined`: this version of Node does not have it. */
export type Open = (name: string, ...numbers: number[]) => Promise<Answer | undefined>;

export const modes = {
  pairs: async (name) => (await import('./pairs.js')).answerPairs(name),
  contention: async (name, threads) => (await import('./contention.js')).answerContention(name, threads!),
  readers: async (name, threads) => (await import('./readers.js')).answerReaders(name, threads!),
  handoff: async (name) => (await import('./handoff.js')).answerHandoff(name),
  wake: async (name) => (await import('./handoff.js')).answerWake(name),
  recovery: async (name, locks) => (await import('./recovery.js')).answerRecovery(name, locks!),
  stream: async (name) => (await import('./stream.js')).answerStream(name),
  start: async (name) => (await import('./start.js')).answerStart(name),
  memory: async () => (await import('./memory.js')).answerMemory(),
} satisfies Record<string, Open>;
