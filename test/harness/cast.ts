/** Makes scenarios from rows of a table: so many agents of such kinds, so many deaths. */
import type { Context, Exit, Scenario, ThreadPlan } from './scenario.js';

/** One row. `Agent` says what an agent does: its rounds, its time-out, its mode. */
export interface Row<Agent> {
  readonly name: string;
  readonly agents: readonly Agent[];
  /** How many may die: agents, and the first of two recoverers. */
  readonly deaths?: number;
  /** 2: the first may die too, and the second takes over. */
  readonly recoverers?: 1 | 2;
  /** How often each dead agent is started anew, after its recovery; 0 unless told. */
  readonly respawns?: number;
}

/** What the scenarios of a primitive have in common. */
export interface Cast<Agent> extends Omit<Scenario, 'name' | 'threads' | 'deaths'> {
  readonly agent: (plan: Agent, thread: number) => Pick<ThreadPlan, 'name' | 'rounds' | 'body' | 'merge'>;
  /** What a recoverer does about the end of a thread. */
  readonly recover?: (context: Context, exit: Exit) => void;
  /** Threads besides, after the agents and before the recoverers: one that closes, cancels, looks on. */
  readonly others?: readonly ThreadPlan[];
}

/** The scenario of one row. Threads: the agents, the others, the recoverers. */
export function scenarioOf<Agent>(cast: Cast<Agent>, row: Row<Agent>): Scenario {
  const { agent, recover, others = [], ...rest } = cast;
  const { name, agents, deaths = 0, recoverers = 1, respawns = 0 } = row;
  const threads: ThreadPlan[] = [
    ...agents.map((plan, thread) => ({ name: `A${thread}`, mortal: true, ...agent(plan, thread) })),
    ...others,
  ];
  const first = threads.length;
  if (deaths > 0) {
    if (!recover) throw new Error(`${name}: deaths, but nobody recovers`);
    const recoverer = (mortal: boolean, listensTo: (round: number) => readonly number[] | undefined): ThreadPlan => ({
      name: `R${threads.length - first}`,
      rounds: deaths,
      mortal,
      daemon: true,
      body(context, round) {
        const exit = context.exited(listensTo(round));
        recover(context, exit);
        if (exit.thread < agents.length && exit.life < respawns) context.respawn(exit.thread);
      },
    });
    threads.push(recoverer(recoverers === 2, () => undefined));
    if (recoverers === 2) threads.push(recoverer(false, (round) => (round === 0 ? [first] : undefined)));
  }
  return { ...rest, name, threads, deaths };
}
