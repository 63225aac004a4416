import { describe, test } from 'vitest';
import { agent, DIED, HANDED, mask, OWNER, WAITERS } from '../../native-layout/index.js';
import { arm, disarm, pause, ringsOf } from '../../src/park/park.js';
import * as agents from '../../src/raw/agents.js';
import * as mutex from '../../src/raw/mutex.js';
import { clearCell, publishCell, takeTicket } from '../../src/raw/queue.js';
import { agentAt, type Segment, slotAt } from '../../src/shm/segment.js';
import type { SharedWords } from '../../src/shm/words.js';
import { buryInside, enterExclusive, leaveExclusive } from '../harness/exclusion.js';
import type { Limits } from '../harness/explorer.js';
import { mutate, type Mutation } from '../harness/mutants.js';
import type { Context, Ghosts, Scenario, ThreadPlan } from '../harness/scenario.js';
import { expectCaught, expectHolds } from '../harness/verdict.js';
import {
  AGENT_HIGH, type Attached, buryRecoverer, CLAIM, GENERATION, kernelThreadOf, leftBehind, PARK, scenery, segmentOf, type Setting,
  WANTS, watchedSegment,
} from './attached.js';

interface Modules {
  readonly agents: typeof agents;
  readonly mutex: typeof mutex;
}

const ASLEEP = mask(agent.fields.park.bits.asleep);
/** Threads that ended before the scenario started. */
const P = 20;
const D = 21;
const E = 22;

/** What tells that a thread has ended. */
type Witness = 'event' | 'kernel';

type Body = (context: Context, segment: Segment, round: number) => void;

interface Checked extends Scenario {
  /** How often a thread that could go on may be interrupted where time is short; any number unless told. */
  readonly preemptions?: number;
  /** Too many schedules for any patience. */
  readonly isHuge?: boolean;
}

interface Part extends Omit<ThreadPlan, 'body'> {
  readonly body: Body;
}

function play(name: string, setting: Setting, parts: readonly Part[], more: Partial<Checked> = {}): Checked {
  return {
    name,
    ...scenery(setting),
    ...more,
    threads: parts.map(({ body, ...plan }) => ({ ...plan, body: (context, round) => body(context, watchedSegment(context, setting), round) })),
  };
}

/** Where a recovery remembers nothing of what it has read but what its next request tells. */
const forgets: NonNullable<ThreadPlan['merge']> = ({ kind, at }, _, place) => {
  const names = place.map((frame) => frame.slice(0, frame.indexOf(':')));
  const name = names.find((each) => !/^(load|store|add|compareExchange)$/.test(each))!;
  const isFresh =
    name === 'giveBack' || name === 'clearRow' || (kind === 'load' && (name === 'takeOver' || name === 'recoverDead' || (name === 'markKin' && at === AGENT_HIGH)));
  return isFresh && names.some((each) => each === 'recoverDead' || each === 'leaveSegment') ? 'fresh' : undefined;
};

/** All schedules, or at least those with one preemption more, however long it takes. */
const FULL = process.env['HOLDFAST_MODEL'] === 'full';
const remembering: Pick<ThreadPlan, 'merge'> = FULL ? { merge: forgets } : {};

function scenariosOf({ agents: raw, mutex: lock }: Modules): Checked[] {
  /** What a thread does that hears of the end of others. */
  const hearOf = (segment: Segment, self: number, ...ended: readonly number[]): void => {
    for (const thread of ended) raw.markThread(segment, thread);
    raw.recoverDead(segment, self, 0);
  };
  /** What a thread does that asks the kernel. */
  const askAfter = (segment: Segment, self: number, hasEnded: (thread: number) => boolean): void => {
    const high = segment.words.load(segment.header + AGENT_HIGH);
    for (let id = 1; id <= high; id++) {
      if (id !== self) raw.markIfGone(segment, id, (kernelThread) => hasEnded(kernelThread - kernelThreadOf(0)));
    }
    raw.recoverDead(segment, self, 0);
  };
  const hearing = (self: number, ...ended: readonly number[]): Part => ({ name: `R${self}`, ...remembering, body: (_, segment) => hearOf(segment, self, ...ended) });
  const asking = (self: number, ...ended: readonly number[]): Part => ({ name: `K${self}`, ...remembering, body: (_, segment) => askAfter(segment, self, (thread) => ended.includes(thread)) });
  /** Hears of the ends of threads of the scenario. */
  const listening = (self: number, rounds: number, threads?: readonly number[], ...ended: readonly number[]): Part => ({
    name: `R${self}`,
    rounds,
    daemon: true,
    ...remembering,
    body: (context, segment) => hearOf(segment, self, context.exited(threads).thread, ...ended),
  });

  const attach = (segment: Segment, thread: number, witness: Witness = 'kernel', parent = 0, parentGeneration = 0): number =>
    raw.claimAgent(segment, thread, { parent, parentGeneration, kernelThread: witness === 'kernel' ? kernelThreadOf(thread) : 0, kernelStart: 1 });
  /** Acquires and releases the first slot. */
  const useLock = (context: Context, segment: Segment, self: number): void => {
    const { words } = segment;
    const at = slotAt(segment, 0);
    let token = lock.tryAcquire(words, at, self);
    if (token === lock.BUSY) token = lock.acquireQueued(segment, at, self, lock.TAKE_INCONSISTENT, 0, Infinity, undefined);
    context.assert(token > 0, `not acquired: ${token}`);
    const died = (words.load(at) & DIED) !== 0;
    enterExclusive(context, died ? 'owner died' : 'nothing');
    if (died) context.ghost.add('told', 1);
    lock.declareConsistent(words, at, self);
    leaveExclusive(context);
    context.assert(lock.tryRelease(words, at, self) || lock.release(segment, at, self), 'robbed of the lock');
  };

  /** Acquires and releases the first slot as an event loop does. */
  const flow = (self: number): Part => ({
    name: `F${self}`,
    body(context: Context, segment: Segment) {
      const { words } = segment;
      const at = slotAt(segment, 0);
      publishCell(segment, at, self, takeTicket(segment, at));
      for (;;) {
        const seen = ringsOf(segment, self);
        const token = lock.attemptForFlow(segment, at, self, lock.TAKE_INCONSISTENT);
        if (token > 0) break;
        const pending = arm(segment, self, seen);
        if (!pending) continue;
        context.settled(pending);
        disarm(segment, self);
      }
      clearCell(segment, at, self);
      if ((words.load(at) & DIED) !== 0) context.ghost.add('told', 1);
      lock.declareConsistent(words, at, self);
      context.assert(lock.tryRelease(words, at, self) || lock.release(segment, at, self), 'robbed of the lock');
    },
  });

  const claimers = (count: number, limit: number, deaths = 0, witness: Witness = 'event'): Checked => {
    const recoverer = limit + 1;
    const setting: Setting = {
      attached: [{ thread: count }, ...Array.from({ length: limit }, () => undefined)],
      slots: [0],
      grows: true,
      asks: witness === 'kernel',
      sleepers: [2, 3, 4].slice(0, limit),
      steady: [1],
      // The last users of the records died asleep.
      prepare: (segment) => { for (let id = 2; id <= recoverer; id++) segment.words.store(agentAt(segment, id) + PARK, 1); },
    };
    const claimer: Part = {
      mortal: true,
      body(context: Context, segment: Segment) {
        const { words, ghost, thread } = context;
        const id = attach(segment, thread, witness);
        if (id === 0) {
          ghost.add('refused', 1);
          return;
        }
        context.assert((words.load(agentAt(segment, id) + PARK) & ASLEEP) === 0, 'seems to sleep');
        context.assert(raw.threadOf(segment, id) === thread && raw.isLive(segment, id), 'not attached');
      },
    };
    const looker: Part = {
      name: 'K1',
      rounds: deaths,
      daemon: true,
      body(context, segment) {
        const ended = context.exited().thread;
        askAfter(segment, 1, (thread) => thread === ended);
      },
    };
    return play(`${count} threads claim ${limit} records, ${deaths} deaths${witness === 'kernel' ? ' that nobody hears of' : ''}`, setting, [
      ...Array.from({ length: count }, () => claimer),
      witness === 'kernel' ? looker : listening(1, deaths),
    ], {
      deaths,
      final(words, ghost) {
        const segment = segmentOf(words, setting);
        let used = 0;
        for (let id = 2; id <= recoverer; id++) {
          const thread = words.load(agentAt(segment, id) + CLAIM) - 1;
          if (thread === -1) continue;
          used++;
          if (thread < 0 || thread >= count || ghost.get(`T${thread} died`) === 1) return `record ${id} is left by a dead thread`;
          if (words.load(segment.header + AGENT_HIGH) < id) return `agentHigh is below ${id}`;
        }
        if (deaths === 0 && used !== Math.min(count, limit)) return `${used} attached`;
        return undefined;
      },
    });
  };

  interface Case {
    readonly records: Setting['attached'];
    /** Word of the first slot at the start. */
    readonly lock?: number;
    readonly parts: readonly Part[];
    readonly deaths?: number;
    readonly preemptions?: number;
    readonly isHuge?: boolean;
    readonly steady?: readonly number[];
    readonly sleepers?: readonly number[];
    readonly kin?: boolean;
    readonly asks?: boolean;
    readonly flows?: boolean;
    readonly prepare?: (segment: Segment) => void;
    /** Records that are given back in the end, and not taken again. */
    readonly gone?: readonly number[] | ((ghost: Ghosts) => readonly number[]);
    /** Records that never are. */
    readonly kept?: readonly number[];
  }
  const recovery = (name: string, { records, lock: word = 0, parts, deaths = 0, preemptions = Infinity, isHuge = false, gone = [], kept = [], ...rest }: Case): Checked => {
    const setting: Setting = { attached: records, slots: [word], ...rest };
    return play(name, setting, parts, {
      deaths,
      preemptions,
      isHuge,
      onDeath(ghost, thread) {
        buryRecoverer(ghost, thread);
        buryInside(ghost, thread);
      },
      final: (words, ghost) =>
        lockAtEnd(words, setting, ghost) ??
        (kept.some((id) => !raw.isLive(segmentOf(words, setting), id)) ? 'a living thread was taken for dead' : undefined) ??
        (ghost.get('newcomer') !== 0 && !raw.isLive(segmentOf(words, setting), ghost.get('newcomer')) ? 'a newcomer was taken for dead' : undefined) ??
        leftBehind(words, setting, typeof gone === 'function' ? gone(ghost) : gone),
    });
  };
  /** What is wrong with the first slot. */
  const lockAtEnd = (words: SharedWords, setting: Setting, ghost: Ghosts): string | undefined => {
    const word = words.load(slotAt(segmentOf(words, setting), 0));
    const before = setting.slots[0]!;
    if (word & OWNER) return 'the lock is held for ever';
    if (ghost.get('untold') === 1 && !(word & DIED)) return 'the death of an owner is forgotten';
    if (before === 0) return undefined;
    const died = before & HANDED ? 0 : 1;
    const known = ghost.get('told') + (word & DIED ? 1 : 0);
    return known === died ? undefined : `the death of an owner is known ${known} times, not ${died} times`;
  };

  const user = (self: number): Part => ({ name: `A${self}`, body: (context, segment) => useLock(context, segment, self) });
  const newcomer: Part = {
    name: 'N',
    body(context: Context, segment: Segment) {
      const id = attach(segment, context.thread);
      if (id === 0) return;
      useLock(context, segment, id);
      context.assert(raw.isLive(segment, id), 'taken for dead');
      context.ghost.set('newcomer', id);
    },
  };
  const leaver = (self: number): Part => ({
    name: `L${self}`,
    merge: forgets,
    body(_, segment) {
      while (!raw.leaveSegment(segment, self, 0)) pause(segment, self);
    },
  });
  const has = (thread: number, parent = 0, parentGeneration = 0): Attached => ({ thread, parent, parentGeneration });
  const mortal = (part: Part): Part => ({ ...part, mortal: true });

  /** Agents 1 and 2 have died, agent 1 with the lock. */
  const twoDead = (name: string, lock: number, parts: readonly Part[], more: Partial<Case> = {}): Checked =>
    recovery(name, {
      records: [has(D), has(E), ...parts.flatMap((part, i) => (part === newcomer ? [] : [has(i)]))],
      lock,
      parts,
      steady: parts.flatMap((part, i) => (part.mortal || part === newcomer ? [] : [i + 3])),
      gone: [1, 2],
      prepare: (segment) => segment.words.store(agentAt(segment, 2) + WANTS, 1),
      ...more,
    });
  const HELD = 1;
  const AWAITED = 1 | WAITERS;
  const HANDED_OVER = 1 | WAITERS | HANDED;

  return [
    claimers(2, 2),
    claimers(2, 1),
    claimers(3, 2),
    claimers(2, 2, 2),
    claimers(2, 2, 2, 'kernel'),
    twoDead('two hear of two deaths, the lock is held', HELD, [hearing(3, D), hearing(4, E)]),
    twoDead('two hear of two deaths, the lock is waited for', AWAITED, [hearing(3, D), hearing(4, E), user(5)], { sleepers: [5], preemptions: 3 }),
    twoDead('two hear of two deaths, the lock is handed', HANDED_OVER, [hearing(3, D), hearing(4, E), user(5)], { sleepers: [5], preemptions: 3 }),
    twoDead('two hear of the same two deaths', HELD, [hearing(3, D, E), hearing(4, E, D)]),
    twoDead('a newcomer takes a freed record and the lock', HELD, [hearing(3, D), hearing(4, E, D), newcomer], { sleepers: [1, 2], gone: [], preemptions: 3 }),
    twoDead('a recoverer dies', AWAITED, [mortal(hearing(3)), listening(4, 1)], {
      records: [{ ...has(D), dead: true }, { ...has(E), dead: true }, has(0), has(1)],
      deaths: 1,
    }),
    twoDead('a recoverer dies beside another', AWAITED, [mortal(hearing(3, D)), mortal(hearing(4, E)), listening(5, 2, undefined, D, E)], { deaths: 2, preemptions: 2 }),
    twoDead('two recoverers die one after the other', AWAITED, [mortal(hearing(3, D, E)), mortal(listening(4, 1, [0], D, E)), listening(5, 2, undefined, D, E)], { deaths: 2, preemptions: 2 }),
    recovery('two use the lock and die, two recover', {
      records: [has(0), has(1), has(2), has(3)],
      parts: [mortal(user(1)), mortal(user(2)), listening(3, 2, [0, 1]), listening(4, 2, [0, 1])],
      deaths: 2,
      preemptions: 1,
      steady: [3, 4],
      sleepers: [1, 2],
      gone: (ghost) => [1, 2].filter((id) => ghost.get(`T${id - 1} died`)),
    }),
    recovery('three use the lock, one dies', {
      records: [has(0), has(1), has(2), has(3)],
      parts: [mortal(user(1)), mortal(user(2)), mortal(user(3)), listening(4, 1)],
      deaths: 1,
      preemptions: 2,
      isHuge: true,
      steady: [4],
      sleepers: [1, 2, 3],
      gone: (ghost) => [1, 2, 3].filter((id) => ghost.get(`T${id - 1} died`)),
    }),
    recovery('event loops wait for the lock of a dead one', {
      records: [has(D), has(0), has(1)],
      lock: AWAITED,
      parts: [hearing(2, D), flow(3)],
      steady: [2, 3],
      flows: true,
      prepare: (segment) => publishCell(segment, slotAt(segment, 0), 1, takeTicket(segment, slotAt(segment, 0))),
      gone: [1],
    }),
    recovery('one that recovers leaves and comes back', {
      records: [has(0), has(1), has(D), has(E)],
      parts: [
        {
          name: 'L',
          body(_: Context, segment: Segment) {
            if (!raw.leaveSegment(segment, 1, 0)) return;
            const id = attach(segment, 5);
            if (id === 0) return;
            hearOf(segment, id, E);
          },
        },
        hearing(2, D),
      ],
      steady: [2],
    }),
    recovery('one leaves with the lock, beside a recovery', {
      records: [has(D), has(0), has(1), has(2)],
      lock: 2 | WAITERS,
      parts: [leaver(2), hearing(3, D), user(4)],
      steady: [3, 4],
      sleepers: [4],
      gone: [1, 2],
    }),
    recovery('two leave beside a recovery, and one dies', {
      records: [{ ...has(D), dead: true }, has(0), has(1), has(2)],
      lock: 2,
      parts: [mortal(leaver(2)), mortal(leaver(3)), listening(4, 1, undefined, D)],
      deaths: 1,
      steady: [4],
      gone: [1, 2, 3],
      preemptions: 2,
    }),
    recovery('one leaves, a newcomer takes its record and the lock', {
      records: [has(D), has(0), has(1)],
      lock: 2,
      parts: [leaver(2), hearing(3, D), newcomer],
      steady: [3],
      sleepers: [1, 2],
    }),
    // The end of agent 3 reaches nobody, that of agent 5 does, which has made it or its parent.
    ...[
      { name: 'a recoverer stops with its parent', parent: 5, child: (segment: Segment) => raw.recoverDead(segment, 3, 0) },
      { name: 'a recoverer stops with the parent of its parent', parent: 4, child: (segment: Segment) => raw.recoverDead(segment, 3, 0) },
      { name: 'one that leaves stops with its parent', parent: 5, child: (segment: Segment) => void raw.leaveSegment(segment, 3, 0) },
    ].map(({ name, parent, child }) => recovery(name, {
      records: [has(1), { ...has(D), dead: true }, has(0, parent), has(E, 5), has(P)],
      lock: 2,
      kin: true,
      steady: [1],
      parts: [
        { name: 'L', mortal: true, body: (_, segment) => child(segment) },
        { name: 'R', daemon: true, body(context, segment) { context.exited([0]); hearOf(segment, 1, P); } },
      ],
      deaths: 1,
      gone: (ghost) => (ghost.get('T0 died') ? [2, 3, 4, 5] : [2]),
    })),
    recovery('a parent is marked beside a recovery', {
      records: [has(D), has(P), has(E, 2), has(0), has(1)],
      lock: 3,
      kin: true,
      steady: [4, 5],
      parts: [hearing(4, D), hearing(5, P)],
      preemptions: 3,
      isHuge: true,
      gone: [1, 2, 3],
    }),
    recovery('a child of an earlier life lives on', {
      records: [{ ...has(P), generation: 1 }, has(0, 1), has(1, 1, 1), has(2)],
      kin: true,
      steady: [4],
      parts: [user(2), { name: 'C', body: (context) => context.stuck() }, hearing(4, P)],
      gone: [1, 3],
    }),
    recovery('a newcomer takes the record of a child', {
      records: [has(P), has(D, 1), has(0), has(1)],
      kin: true,
      steady: [3, 4],
      parts: [hearing(3, D, P), hearing(4, P), newcomer],
      preemptions: 2,
    }),
    recovery('a newcomer takes the record of a child before that of its parent is free', {
      records: [has(D, 2), has(P), has(0)],
      kin: true,
      steady: [3],
      parts: [hearing(3, D, P), newcomer],
    }),
    recovery('a newcomer dies in the record of one that has left, whose child lives on', {
      records: [undefined, has(1, 1), has(2)],
      kin: true,
      steady: [3],
      parts: [
        { name: 'N', mortal: true, body: (context, segment) => void attach(segment, context.thread, 'event') },
        { name: 'C', body: (context) => context.stuck() },
        listening(3, 1),
      ],
      deaths: 1,
      gone: (ghost) => (ghost.get('T0 died') ? [1] : []),
      kept: [2, 3],
    }),
    recovery('a newcomer takes the record of one whom the kernel shows to have ended', {
      records: [has(D), has(0), has(1)],
      lock: HELD,
      asks: true,
      steady: [2, 3],
      parts: [asking(2, D), asking(3, D), newcomer],
      preemptions: 3,
    }),
    recovery('one comes back to the record in which another has died meanwhile', {
      records: [has(0), has(2), has(3)],
      asks: true,
      steady: [2, 3],
      parts: [
        {
          name: 'L',
          daemon: true,
          body(context: Context, segment: Segment) {
            if (!raw.leaveSegment(segment, 1, 0)) return;
            context.exited([1]);
            const id = attach(segment, context.thread);
            if (id !== 0) context.ghost.set('newcomer', id);
          },
        },
        {
          name: 'N',
          mortal: true,
          body(context: Context, segment: Segment) {
            attach(segment, context.thread);
            context.pause();
          },
        },
        { name: 'K2', body: (context, segment) => askAfter(segment, 2, (thread) => context.hasExited(thread)) },
        listening(3, 1),
      ],
      deaths: 1,
      preemptions: 3,
    }),
    recovery('a newcomer takes the record of a parent, and has a child', {
      records: [has(P), has(D, 1), has(0), has(1)],
      kin: true,
      steady: [3, 4],
      preemptions: 2,
      parts: [
        hearing(3, P),
        hearing(4, P, D),
        {
          name: 'N',
          body(context: Context, segment: Segment) {
            const id = attach(segment, context.thread);
            if (id === 0) return;
            const generation = segment.words.load(agentAt(segment, id) + GENERATION);
            const child = attach(segment, context.thread + 1, 'kernel', id, generation);
            if (child === 0) return;
            context.assert(raw.isLive(segment, id) && raw.isLive(segment, child), 'taken for dead');
            context.ghost.set('newcomer', child);
          },
        },
      ],
    }),
  ];
}

const MAX_MS = 3_600_000;
const limitsOf = ({ preemptions = Infinity, isHuge = false }: Checked): Limits => ({
  maxMs: MAX_MS,
  ...(preemptions < Infinity && (!FULL || isHuge) && { maxPreemptions: FULL ? preemptions + 1 : preemptions }),
});

describe('agents', () => {
  test.each(scenariosOf({ agents, mutex }).map((scenario) => ({ name: scenario.name, scenario })))('$name', ({ scenario }) => {
    expectHolds(scenario, limitsOf(scenario));
  }, MAX_MS);
});

const SLOTS = 'src/raw/slots.ts';

const mutants: (Mutation & { readonly caughtBy: string })[] = [
  {
    name: 'claims by a store',
    caughtBy: '2 threads claim 2 records, 0 deaths',
    find: 'if (words.compareExchange(record + CLAIM, 0, claim) !== 0) continue;',
    replace: 'words.store(record + CLAIM, claim);',
  },
  {
    name: 'raises agentHigh after the claim',
    caughtBy: '2 threads claim 2 records, 2 deaths',
    find: `    raise(words, segment.header + AGENT_HIGH, id);
    if (words.compareExchange(record + CLAIM, 0, claim) !== 0) continue;`,
    replace: `    if (words.compareExchange(record + CLAIM, 0, claim) !== 0) continue;
    raise(words, segment.header + AGENT_HIGH, id);`,
  },
  { name: 'leaves the sleep of the last user', caughtBy: '2 threads claim 2 records, 0 deaths', find: '    resetSleep(segment, id);\n', replace: '' },
  {
    name: 'keeps the generation',
    caughtBy: 'a newcomer takes the record of a parent, and has a child',
    find: '    words.add(record + GENERATION, 1);\n',
    replace: '',
  },
  {
    name: 'claims with a thread id of which nobody hears',
    caughtBy: '2 threads claim 2 records, 2 deaths that nobody hears of',
    find: '(self.kernelThread === 0 ? threadId + 1 : KERNEL | self.kernelThread)',
    replace: '(threadId + 1)',
  },
  { name: 'lives from the claim on', caughtBy: 'a newcomer takes the record of a child before that of its parent is free', find: 'const claim = ATTACHING | (', replace: 'const claim = (' },
  {
    name: 'lives before it is described',
    caughtBy: 'a newcomer takes the record of a child before that of its parent is free',
    find: '    words.store(record + PARENT_GENERATION, self.parentGeneration);\n',
    replace: '    words.store(record + CLAIM, threadId + 1);\n    words.store(record + PARENT_GENERATION, self.parentGeneration);\n',
  },
  {
    name: 'names its kernel thread when it lives',
    caughtBy: 'a newcomer takes the record of one whom the kernel shows to have ended',
    find: '    words.store(record + KERNEL_THREAD, self.kernelThread);\n    words.store(record + CLAIM, threadId + 1);\n',
    replace: '    words.store(record + CLAIM, threadId + 1);\n    words.store(record + KERNEL_THREAD, self.kernelThread);\n',
  },
  { name: 'marks the living only', caughtBy: '2 threads claim 2 records, 2 deaths', find: '(claim & ~ATTACHING) === threadId + 1', replace: 'claim === threadId + 1' },
  { name: 'asks after the living only', caughtBy: '2 threads claim 2 records, 2 deaths that nobody hears of', find: '} else if (claim & KERNEL) {', replace: '} else if (false) {' },
  {
    name: 'asks for what another life says',
    caughtBy: 'one comes back to the record in which another has died meanwhile',
    find: '  const generation = words.load(record + GENERATION);\n  const claim = words.load(record + CLAIM);\n  if (claim === 0 || claim & DEAD) return;',
    replace: '  const claim = words.load(record + CLAIM);\n  if (claim === 0 || claim & DEAD) return;\n  const generation = words.load(record + GENERATION);',
  },
  {
    name: 'takes what another life says for its own',
    caughtBy: 'one comes back to the record in which another has died meanwhile',
    find: '    if (words.load(record + GENERATION) !== generation) return;\n',
    replace: '',
  },
  {
    name: 'marks whom the kernel shows to have ended by a store',
    caughtBy: 'a newcomer takes the record of one whom the kernel shows to have ended',
    find: '  words.compareExchange(record + CLAIM, claim, claim | DEAD);\n}',
    replace: '  words.store(record + CLAIM, claim | DEAD);\n}',
  },
  {
    name: 'takes the children of the last user of a record with the next',
    caughtBy: 'a newcomer dies in the record of one that has left, whose child lives on',
    find: '!(claim & DEAD) || claim & ATTACHING ||',
    replace: '!(claim & DEAD) ||',
  },
  {
    name: 'takes a newcomer for the child that had its record',
    caughtBy: 'a newcomer takes the record of a child before that of its parent is free',
    find: 'child & (DEAD | ATTACHING)) continue;',
    replace: 'child & DEAD) continue;',
  },
  {
    name: 'marks by a store',
    caughtBy: 'two hear of the same two deaths',
    find: 'words.compareExchange(agentAt(segment, id) + CLAIM, claim, claim | DEAD);',
    replace: 'words.store(agentAt(segment, id) + CLAIM, claim | DEAD);',
  },
  { name: 'looks for the dead once', caughtBy: 'two hear of two deaths, the lock is held', find: 'while (markKin(segment) && takeOver(segment, self)) {', replace: 'if (markKin(segment) && takeOver(segment, self)) {' },
  {
    name: 'asks nobody whether to recover',
    caughtBy: 'two hear of two deaths, the lock is held',
    find: 'while (markKin(segment) && takeOver(segment, self)) {',
    replace: 'while (markKin(segment)) {',
  },
  {
    name: 'looks for kin of the dead once',
    caughtBy: 'a recoverer stops with the parent of its parent',
    find: '    if (!marked) return dead;',
    replace: '    return dead;',
  },
  { name: 'looks for kin after the recoverer only', caughtBy: 'a recoverer stops with its parent', find: '      if (markChildren(segment, id)) marked = true;\n', replace: '' },
  { name: 'never takes over', caughtBy: 'a recoverer dies', find: '&& isLive(segment, recoverer)) return false;', replace: ') return false;' },
  { name: 'takes over from the living', caughtBy: 'two hear of two deaths, the lock is held', find: '&& isLive(segment, recoverer)) return false;', replace: '&& false) return false;' },
  {
    name: 'keeps the sequence',
    caughtBy: 'one that recovers leaves and comes back',
    find: 'const next = ((word & ~RECOVERER_AGENT) + ONE_CHANGE) | to;',
    replace: 'const next = (word & ~RECOVERER_AGENT) | to;',
  },
  {
    name: 'takes over by a store',
    caughtBy: 'two hear of two deaths, the lock is held',
    find: 'return segment.words.compareExchange(segment.header + RECOVERER, word, next) === word;',
    replace: 'segment.words.store(segment.header + RECOVERER, next);\n  return true;',
  },
  {
    name: 'leaves without being the recoverer',
    caughtBy: 'one leaves with the lock, beside a recovery',
    find: '  if (!takeOver(segment, self)) return false;\n',
    replace: '',
  },
  {
    name: 'gives its record back before the recoverer word',
    caughtBy: 'one leaves, a newcomer takes its record and the lock',
    find: `  changeRecoverer(segment, segment.words.load(segment.header + RECOVERER), 0);
  recoverDead(segment, self, nowMs);`,
    replace: `  giveBack(segment, self);
  changeRecoverer(segment, segment.words.load(segment.header + RECOVERER), 0);
  recoverDead(segment, self, nowMs);`,
  },
  {
    name: 'leaves without looking at the marks again',
    caughtBy: 'one leaves with the lock, beside a recovery',
    find: '  recoverDead(segment, self, nowMs);\n  // Only now',
    replace: '  // Only now',
  },
  {
    name: 'forgets its parent while it recovers',
    caughtBy: 'one that leaves stops with its parent',
    find: '  if (!takeOver(segment, self)) return false;\n',
    replace: '  if (!takeOver(segment, self)) return false;\n  segment.words.store(agentAt(segment, self) + PARENT, 0);\n',
  },
  {
    name: 'gives a record back before the repair',
    caughtBy: 'a newcomer takes a freed record and the lock',
    find: '  repairAfter(segment, dead, nowMs);\n  giveBack(segment, dead);',
    replace: '  giveBack(segment, dead);\n  repairAfter(segment, dead, nowMs);',
  },
  {
    name: 'takes the mark away before the repair',
    caughtBy: 'a recoverer dies',
    find: '  repairAfter(segment, dead, nowMs);\n  giveBack(segment, dead);',
    replace: '  segment.words.store(agentAt(segment, dead) + CLAIM, segment.words.load(agentAt(segment, dead) + CLAIM) & THREAD);\n  repairAfter(segment, dead, nowMs);\n  giveBack(segment, dead);',
  },
  { name: 'marks no children once it recovers', caughtBy: 'a parent is marked beside a recovery', find: '  markChildren(segment, dead);\n', replace: '' },
  { name: 'leaves the row', caughtBy: 'two hear of two deaths, the lock is held', find: '  recoverRow(segment, dead);\n', replace: '' },
  { name: 'leaves the cells', caughtBy: 'event loops wait for the lock of a dead one', file: SLOTS, find: '  if (hasFlows(segment, slotAddress, dead)) clearCell(segment, slotAddress, dead);\n', replace: '' },
  { name: 'repairs no lock', caughtBy: 'a recoverer dies', file: SLOTS, find: 'return mutex.recover(segment, slotAddress, dead);', replace: 'return false;' },
  { name: 'wakes no thread', caughtBy: 'two hear of two deaths, the lock is waited for', find: '    unpark(segment, id);\n', replace: '' },
  { name: 'wakes no event loop', caughtBy: 'event loops wait for the lock of a dead one', find: '    ring(segment, id);\n', replace: '' },
  {
    name: 'takes the children of another life',
    caughtBy: 'a child of an earlier life lives on',
    find: ' || words.load(record + PARENT_GENERATION) !== generation) continue;',
    replace: ') continue;',
  },
  {
    name: 'does not check that the parent is still the dead one',
    caughtBy: 'a newcomer takes the record of a parent, and has a child',
    find: ' || words.load(agentAt(segment, parent) + CLAIM) !== claim) return false;',
    replace: ') return false;',
  },
  {
    name: "reads a child's claim after its parent",
    caughtBy: 'a newcomer takes the record of a child',
    find: 'words.compareExchange(record + CLAIM, child, child | DEAD);',
    replace: 'words.compareExchange(record + CLAIM, words.load(record + CLAIM), words.load(record + CLAIM) | DEAD);',
  },
];

describe('mutants', () => {
  test.each(mutate<{ agents: typeof agents; mutex: typeof mutex }>({ agents: 'src/raw/agents.ts', mutex: 'src/raw/mutex.ts' }, mutants).map((mutant, i) => ({ mutant, ...mutants[i]! })))(
    '$name',
    async ({ mutant, caughtBy }) => {
      const select = (modules: Modules): Checked[] => scenariosOf(modules).filter(({ name }) => name === caughtBy);
      await expectCaught(mutant, select, limitsOf(select({ agents, mutex })[0]!));
    },
    120_000,
  );
});
