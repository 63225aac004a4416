/** The agents as a pool of workers. One that is killed is replaced, and its file goes back to the others. */
import { Piscina } from 'piscina';
import type { News, Task } from '../agent.js';
import type { SharedMemory, SharedState } from './shared-state.js';

export class Crew {
  readonly #pool: Piscina;
  readonly #state: SharedState;
  readonly #agents: number;
  readonly #working = new Set<number>();
  readonly #killed = new Set<number>();

  /** `filename`: the module of the agent. The lock manager exists already, so the workers find it. */
  constructor(filename: string, memory: SharedMemory, state: SharedState, onNews: (news: News) => void) {
    const { agents } = memory;
    this.#pool = new Piscina({ filename, workerData: memory, minThreads: agents, maxThreads: agents });
    this.#pool.on('message', onNews);
    this.#state = state;
    this.#agents = agents;
  }

  /** Settles when no agent works any more. */
  async work(): Promise<void> {
    const agents = Array.from({ length: this.#agents }, (_, agent) => this.#keepWorking(agent));
    // After a failure the others finish their files, so that nothing works on when this ends.
    const failures = (await Promise.allSettled(agents)).filter((result) => result.status === 'rejected');
    if (failures[0] !== undefined) throw failures[0].reason;
  }

  /** Thread ids of the agents that work. */
  get threads(): number[] {
    const working = new Set([...this.#working].map((agent) => this.#state.control.threadOf(agent)));
    return this.#pool.threads.map((thread) => thread.threadId).filter((threadId) => working.has(threadId));
  }

  /** Ends a thread wherever it is. Settles when it has ended. */
  async kill(threadId: number): Promise<void> {
    const worker = this.#pool.threads.find((thread) => thread.threadId === threadId);
    if (worker === undefined) return;
    this.#killed.add(threadId);
    await worker.terminate();
  }

  /** Ends all workers. All that they had to tell has been told then. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #keepWorking(agent: number): Promise<void> {
    const { control, claims } = this.#state;
    this.#working.add(agent);
    try {
      for (;;) {
        try {
          const task: Task = { agent };
          return await this.#pool.run(task);
        } catch (error) {
          // Piscina rejects the task of a terminated worker once the thread has ended.
          const threadId = control.threadOf(agent);
          if (!this.#killed.has(threadId)) throw error;
          control.enter(agent, 0);
          await claims.giveBack(threadId);
        }
      }
    } catch (error) {
      control.stop();
      throw error;
    } finally {
      this.#working.delete(agent);
    }
  }
}
