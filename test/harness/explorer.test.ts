import { describe, expect, test } from 'vitest';
import { scenarioOf, type Cast, type Row } from './cast.js';
import { buryInside, enterExclusive, leaveExclusive } from './exclusion.js';
import { explore } from './explorer.js';
import { mutate } from './mutants.js';
import { printSchedule, replay } from './report.js';
import { sample } from './sampler.js';
import type { Context, ModelWords, Recorded, Request, Scenario } from './scenario.js';
import { expectCaught, expectFault, expectHolds } from './verdict.js';

// Locks from textbooks, all on the word at 0.
const WORD = 0;

interface TextbookLock {
  /** `false`: timed out. */
  acquire(words: ModelWords, self: number, timeoutMs: number): boolean;
  release(words: ModelWords, self: number): void;
}

/** "Futexes are tricky" by Ulrich Drepper: 0 free, 1 held, 2 held and perhaps waited for. */
const threeStates: TextbookLock = {
  acquire(words, _self, timeoutMs) {
    let was = words.compareExchange(WORD, 0, 1);
    if (was === 0) return true;
    if (was !== 2) was = words.exchange(WORD, 2);
    let expired = false;
    while (was !== 0) {
      if (expired) return false;
      expired = words.wait(WORD, 2, timeoutMs) === 'timed-out';
      was = words.exchange(WORD, 2);
    }
    return true;
  },
  release(words) {
    if (words.exchange(WORD, 0) === 2) words.notifyOne(WORD);
  },
};

const reacquiresAsOne: TextbookLock = {
  ...threeStates,
  acquire(words) {
    let was = words.compareExchange(WORD, 0, 1);
    if (was !== 0 && was !== 2) was = words.exchange(WORD, 2);
    while (was !== 0) {
      words.wait(WORD, 2, Infinity);
      was = words.compareExchange(WORD, 0, 1);
    }
    return true;
  },
};

const neverChecksAgain: TextbookLock = {
  ...threeStates,
  acquire(words) {
    if (words.compareExchange(WORD, 0, 1) !== 0) {
      words.exchange(WORD, 2);
      words.wait(WORD, 2, Infinity);
    }
    return true;
  },
};

const waitsOnWhateverItReads: TextbookLock = {
  acquire(words) {
    while (words.compareExchange(WORD, 0, 1) !== 0) words.wait(WORD, words.load(WORD), Infinity);
    return true;
  },
  release(words) {
    words.store(WORD, 0);
    words.notify(WORD);
  },
};

const dropsTheBaton: TextbookLock = {
  ...threeStates,
  acquire(words, _self, timeoutMs) {
    let was = words.compareExchange(WORD, 0, 1);
    if (was === 0) return true;
    was = words.exchange(WORD, 2);
    let expired = false;
    while (was !== 0) {
      if (expired) return false;
      expired = timeoutMs !== Infinity;
      // Woken, but the time is up.
      if (words.wait(WORD, 2, timeoutMs) === 'ok' && expired) return false;
      was = words.exchange(WORD, 2);
    }
    return true;
  },
};

interface Plan {
  readonly rounds?: number;
  readonly timeoutMs?: number;
}

function castOf(lock: TextbookLock, more: Partial<Cast<Plan>> = {}): Cast<Plan> {
  return {
    agent: ({ rounds = 1, timeoutMs = Infinity }, thread) => ({
      rounds,
      body(context) {
        if (!lock.acquire(context.words, thread + 1, timeoutMs)) return;
        enterExclusive(context, 'nothing');
        context.pause();
        leaveExclusive(context);
        lock.release(context.words, thread + 1);
      },
    }),
    ...more,
  };
}

const once: Plan = {};
const twice: Plan = { rounds: 2 };
const limited: Plan = { timeoutMs: 5 };

describe('a right lock holds', () => {
  // States as counted by another checker of the same model.
  test.each<Row<Plan> & { states: number }>([
    { name: '2 × 1', agents: [once, once], states: 66 },
    { name: '2 × 2', agents: [twice, twice], states: 776 },
    { name: '3 × 1', agents: [once, once, once], states: 5198 },
    { name: '3 × 2', agents: [twice, twice, twice], states: 1_880_027 },
  ])('$name', ({ states, ...row }) => {
    expect(expectHolds(scenarioOf(castOf(threeStates), row)).states).toBe(states);
  });

  test('with a time-out', () => {
    expectHolds(scenarioOf(castOf(threeStates), { name: 'limited', agents: [once, limited, once] }));
  });

  test('with a spurious wake', () => {
    expectHolds(scenarioOf(castOf(threeStates, { spuriousWakes: 1 }), { name: 'spurious', agents: [once, once, once] }));
  });
});

describe('a wrong lock is caught', () => {
  test.each([
    { bug: 're-acquires as not waited for', lock: reacquiresAsOne, agents: [once, once, once], message: /livelock|lost wake-up/ },
    { bug: 'takes a wake for the lock', lock: neverChecksAgain, agents: [once, once, once], message: /lost wake-up|exclusion/ },
    { bug: 'sleeps on a value that is not contended', lock: waitsOnWhateverItReads, agents: [once, once], message: /lost wake-up/ },
    { bug: 'is woken and leaves', lock: dropsTheBaton, agents: [once, limited, once], message: /lost wake-up/ },
  ])('$bug', ({ bug, lock, agents, message }) => {
    expectFault(scenarioOf(castOf(lock), { name: bug, agents }), message);
  });

  test('by random schedules too', () => {
    const scenario = scenarioOf(castOf(reacquiresAsOne), { name: 'random', agents: [once, once, once] });
    for (const strategy of ['uniform', 'priorities'] as const) {
      const { fault } = sample(scenario, { strategy, maxSchedules: 10_000 });
      expect(replay(scenario, fault!.schedule).message).toBe(fault!.message);
    }
  });

  test('within a bound on preemptions', () => {
    const scenario = scenarioOf(castOf(neverChecksAgain), { name: 'bounded', agents: [once, once, once] });
    expect(explore(scenario, { maxPreemptions: 0 })).toMatchObject({ complete: true });
    expectFault(scenario, /./, { maxPreemptions: 1 });
  });
});

// A mutex whose word names its owner, with a word per agent that says that it is at work on the mutex.
const WAITERS = 16;
const DIED = 32;
const ownerOf = (word: number): number => word & 15;
const atWork = (self: number): number => 8 + 4 * self;

interface RobustVariant {
  /** How the dead one's unfinished work is made good; the Linux kernel does so only if the word is free. */
  readonly compensates: 'by waking all' | 'always' | 'if free' | 'never';
  readonly takesWith: 'waiters' | 'nothing';
}

const robustRight: RobustVariant = { compensates: 'always', takesWith: 'waiters' };

function robustCast({ compensates, takesWith }: RobustVariant): Cast<Plan> {
  /** Whether the owner before died. */
  const acquire = (words: ModelWords, self: number): boolean => {
    words.store(atWork(self), 1);
    if (words.compareExchange(WORD, 0, self) === 0) return false;
    for (;;) {
      let word = words.load(WORD);
      if (ownerOf(word) === 0) {
        const next = self | (takesWith === 'waiters' ? WAITERS : 0) | (word & DIED);
        if (words.compareExchange(WORD, word, next) === word) return (word & DIED) !== 0;
        continue;
      }
      if (!(word & WAITERS)) {
        if (words.compareExchange(WORD, word, word | WAITERS) !== word) continue;
        word |= WAITERS;
      }
      words.wait(WORD, word, Infinity);
    }
  };
  const clearDied = (words: ModelWords): void => {
    for (;;) {
      const word = words.load(WORD);
      if (words.compareExchange(WORD, word, word & ~DIED) === word) return;
    }
  };
  return {
    agent: ({ rounds = 1 }, thread) => ({
      rounds,
      body(context) {
        const { words } = context;
        const self = thread + 1;
        const died = acquire(words, self);
        enterExclusive(context, died ? 'owner died' : 'nothing');
        if (died) clearDied(words);
        words.store(atWork(self), 0);
        words.store(atWork(self), 1);
        leaveExclusive(context);
        if (words.exchange(WORD, 0) & WAITERS) words.notifyOne(WORD);
        words.store(atWork(self), 0);
      },
    }),
    recover({ words }, { thread }) {
      const dead = thread + 1;
      for (;;) {
        const word = words.load(WORD);
        if (ownerOf(word) === dead) {
          if (words.compareExchange(WORD, word, DIED | (word & WAITERS)) !== word) continue;
          if (word & WAITERS) words.notifyOne(WORD);
        } else if (words.load(atWork(dead)) === 1 && (compensates === 'always' || (compensates === 'if free' && ownerOf(word) === 0))) {
          words.notifyOne(WORD);
        }
        break;
      }
      words.store(atWork(dead), 0);
      if (compensates === 'by waking all') words.notify(WORD);
    },
    onDeath: buryInside,
    final: (words) => (ownerOf(words.load(WORD)) === 0 ? undefined : 'owned at the end'),
    nameOf: (at) => (at === WORD ? 'word' : `atWork[${(at - 8) / 4}]`),
  };
}

describe('deaths', () => {
  const two: Row<Plan> = { name: '2 × 1, a death', agents: [once, once], deaths: 1 };
  const three: Row<Plan> = { name: '3 × 1, a death', agents: [once, once, once], deaths: 1 };

  test.each<Row<Plan>>([
    two,
    { name: '2 × 2, two deaths', agents: [twice, twice], deaths: 2 },
    { name: '2 × 1, a death, the dead one is started anew', agents: [once, once], deaths: 1, respawns: 1 },
  ])('a right recovery holds: $name', (row) => {
    expectHolds(scenarioOf(robustCast(robustRight), row));
  });

  test('a right recovery holds for three threads with three preemptions', () => {
    expectHolds(scenarioOf(robustCast(robustRight), three), { maxPreemptions: 3 });
  });

  test('an owner that nobody recovers blocks the others', () => {
    expectFault(scenarioOf({ ...robustCast(robustRight), recover: () => undefined }, two), /lost wake-up|owned at the end/);
  });

  test('a lost wake is not made good', () => {
    expectFault(scenarioOf(robustCast({ ...robustRight, compensates: 'never' }), two), /lost wake-up/);
  });

  test("the kernel's rule for robust futexes needs three threads to fail", () => {
    const variant: RobustVariant = { ...robustRight, compensates: 'if free' };
    expectHolds(scenarioOf(robustCast(variant), two));
    expectFault(scenarioOf(robustCast(variant), three), /lost wake-up/);
    expectFault(scenarioOf(robustCast(variant), three), /lost wake-up/, { maxPreemptions: 2 });
  });

  test('a taker that forgets the waiters needs three threads to fail', () => {
    const variant: RobustVariant = { ...robustRight, takesWith: 'nothing' };
    expectHolds(scenarioOf(robustCast(variant), two));
    expectFault(scenarioOf(robustCast(variant), three), /lost wake-up/);
  });

  test('a second recoverer takes over from the first, if repairs can be repeated', () => {
    const row: Row<Plan> = { ...two, name: '2 × 1, two deaths, two recoverers', deaths: 2, recoverers: 2 };
    expectHolds(scenarioOf(robustCast({ ...robustRight, compensates: 'by waking all' }), row));
    expectFault(scenarioOf(robustCast(robustRight), row), /lost wake-up/);
  });
});

/** A scenario of threads with bodies and nothing else. */
function threadsOf(...bodies: ((context: Context) => void)[]): Scenario {
  return { name: 'bodies', threads: bodies.map((body) => ({ body })) };
}

describe('the model', () => {
  test('claim is two steps, and a death can strike between', () => {
    const ends = new Set<string>();
    const scenario: Scenario = {
      name: 'claim',
      threads: [{ mortal: true, body: ({ words }) => void words.claim(0, 0, 7) }],
      deaths: 1,
      final: (words) => void ends.add(`${words.load(0)} ${words.loadNumber(8)}`),
    };
    expectHolds(scenario);
    expect([...ends].sort()).toEqual(['0 0', '7 0', '7 1']);
  });

  test('plain data that two threads write shows its race', () => {
    const increment = ({ words }: Context): void => words.storeNumber(8, words.loadNumber(8) + 1);
    const scenario: Scenario = { ...threadsOf(increment, increment), final: (words) => (words.loadNumber(8) === 2 ? undefined : 'an increment was lost') };
    expectFault(scenario, /lost/);
    expectHolds({ ...scenario, plainData: 'folded' });
  });

  test('a dying sleeper swallows a wake', () => {
    const ends = new Set<number>();
    const sleep = (context: Context): void => {
      context.words.wait(0, 0, Infinity);
      context.ghost.set('woken', 1);
    };
    const scenario: Scenario = {
      name: 'swallowed',
      threads: [
        { mortal: true, daemon: true, body: sleep },
        { daemon: true, body: sleep },
        {
          body({ words }) {
            // One who sleeps already.
            while (words.load(4) === 0) words.store(4, 1);
            words.notifyOne(0);
          },
        },
      ],
      deaths: 1,
      final: (_, ghost) => void ends.add(ghost.get('woken')),
    };
    expectHolds(scenario);
    expect([...ends].sort()).toEqual([0, 1]);
  });

  test('a sleep that times out has not been notified', () => {
    const sleeper = (context: Context): void => {
      const { words, ghost } = context;
      const slept = words.wait(0, 0, 5);
      if (slept === 'ok') context.assert(ghost.get('notified') === 1, 'woken by nobody');
    };
    const waker = ({ words, ghost }: Context): void => {
      words.store(0, 1);
      ghost.set('notified', 1);
      words.notify(0);
    };
    expectHolds(threadsOf(sleeper, waker));
    expectFault({ ...threadsOf(sleeper), spuriousWakes: 1 }, /woken by nobody/);
  });

  test('an event loop is woken through its registration', () => {
    const loop = (context: Context): void => {
      const registration = context.words.waitAsync(0, 0);
      if (registration) context.settled(registration);
    };
    const waker = ({ words }: Context): void => {
      words.store(0, 1);
      words.notify(0);
    };
    expectHolds(threadsOf(loop, waker));
    expectFault(threadsOf(loop), /never returns from settled/);
  });

  test('a blocked thread keeps its own registration from being served', () => {
    const body = (context: Context): void => {
      const registration = context.words.waitAsync(0, 0);
      context.words.wait(0, 0, Infinity);
      if (registration) context.settled(registration);
    };
    expectFault(threadsOf(body, ({ words }) => words.notifyOne(0)), /never returns from wait/);
  });

  test('an event loop that is stuck is no fault, whom it keeps waiting is', () => {
    const stuck = (context: Context): void => {
      context.words.waitAsync(0, 0);
      context.stuck();
    };
    expectHolds(threadsOf(stuck));
    expectFault(threadsOf(stuck, ({ words }) => void words.wait(4, 0, Infinity)), /T1 never returns from wait/);
  });

  test('a choice takes every outcome', () => {
    const chosen = new Set<number>();
    const scenario = { ...threadsOf((context) => void context.ghost.set('chosen', context.choose(3))), final: (_: unknown, ghost: Context['ghost']) => void chosen.add(ghost.get('chosen')) };
    expectHolds(scenario);
    expect([...chosen].sort()).toEqual([0, 1, 2]);
  });

  test('a loop that gets nowhere is a livelock', () => {
    expectFault(threadsOf(({ words }) => { while (words.load(0) === 0); }), /livelock/);
  });

  test('a round sees what the one before returned, and nothing else', () => {
    const rounds: string[] = [];
    expectHolds({
      name: 'rounds',
      threads: [{ rounds: 3, body: ({ words }, round, carried) => (rounds.push(`${round} ${carried}`), words.add(0, 1), carried + 2) }],
      final: (words) => (words.load(0) === 3 ? undefined : 'rounds are missing'),
    });
    expect([...new Set(rounds)]).toEqual(['0 0', '1 2', '2 4']);
  });

  test('a bound on time-outs leaves the sleeper where it is, without a fault', () => {
    const scenario: Scenario = { ...threadsOf(({ words }) => { while (words.wait(0, 0, 5) === 'timed-out'); }), timeouts: 2, final: () => 'ended' };
    expect(expectHolds(scenario)).toMatchObject({ ends: 1, states: 6 });
  });

  test('a wake that only a time-out makes good is seen at rest', () => {
    const scenario = threadsOf(({ words }) => void words.wait(0, 0, 5), ({ words }) => words.store(0, 1));
    expectHolds(scenario);
    expectFault({ ...scenario, atRest: (words) => (words.load(0) === 1 ? 'asleep on a word that has changed' : undefined) }, /asleep on/);
  });

  test('the end of a thread is known only after it has left the wait list', () => {
    const scenario: Scenario = {
      name: 'ends',
      threads: [
        { mortal: true, body: (context) => context.stuck() },
        {
          daemon: true,
          body(context: Context) {
            const before = context.hasExited(0);
            const { thread, life } = context.exited([0]);
            context.assert(thread === 0 && life === 0 && context.hasExited(0), 'reported too early');
            context.ghost.set('heard', before ? 2 : 1);
          },
        },
        { daemon: true, body: (context) => void context.exited([1]) },
      ],
      deaths: 1,
      onDeath: (ghost) => ghost.set('buried', 1),
      final: (_, ghost) => (ghost.get('buried') === 1 && ghost.get('heard') === 0 ? 'nobody heard' : undefined),
    };
    expectHolds(scenario);
  });

  test('a value that is narrowed is stored so', () => {
    const scenario: Scenario = { ...threadsOf(({ words }) => words.store(0, 9)), narrow: (_, value) => value % 8, final: (words) => `${words.load(0)}` };
    expectFault(scenario, /^1$/);
  });

  test.each([
    ['a misaligned address', ({ words }: Context) => void words.load(2), /no word/],
    ['a value that does not fit', ({ words }: Context) => words.store(0, 2 ** 31), /32-bit/],
    ['an exception', () => { throw new TypeError('oops'); }, /threw TypeError: oops/],
  ])('%s is a fault', (_, body, message) => {
    expectFault(threadsOf(body), message);
  });

  test('a word that has one writer is guarded, and its reads by the writer are no steps', () => {
    const writer = ({ words }: Context): void => words.store(0, words.load(0) + 1);
    const reader = ({ words }: Context): void => void words.load(0);
    const owned: Scenario = { ...threadsOf(writer, reader), writerOf: () => 0 };
    expect(expectHolds(owned).states).toBeLessThan(expectHolds(threadsOf(writer, reader)).states);
    expectFault({ ...threadsOf(writer, writer), writerOf: () => 0 }, /thread 0 alone writes/);
  });

  test('opaque addresses hold nothing', () => {
    const count = ({ words }: Context): void => void words.claim(0, 0, 0);
    const counted = expectHolds({ ...threadsOf(count, count), opaque: (at) => at === 8 });
    expect(counted.states).toBeLessThan(expectHolds(threadsOf(count, count)).states);
    expectFault({ ...threadsOf(count), opaque: () => true }, /opaque/);
  });

  test('states that a scenario calls equal are visited once', () => {
    const count = ({ words }: Context): void => words.store(0, 1);
    const scenario: Scenario = { name: 'counts', threads: [{ rounds: 9, body: ({ words }, round) => words.store(0, round) }, { body: count }] };
    expect(expectHolds({ ...scenario, normalise: () => 0 }).states).toBeLessThan(expectHolds(scenario).states);
  });
});

describe('histories that are declared equal', () => {
  /** Adds until it meets the other's add; remembers nothing of the rounds of its loop, or the last value of them. */
  const looping = (remembers: 'nothing' | 'the first value') => ({ words }: Context): void => {
    const first = words.load(0);
    for (let i = 0; ; i++) {
      const seen = words.load(0);
      if (words.compareExchange(0, seen, seen + 1) === seen) break;
    }
    words.store(4, remembers === 'nothing' ? 0 : first);
  };
  const atLoopHead = (next: Request, history: readonly Recorded[]): string | undefined =>
    next.kind === 'load' && history.length > 0 ? 'loop' : undefined;
  const scenarioFor = (remembers: 'nothing' | 'the first value', merge: typeof atLoopHead | undefined): Scenario => ({
    name: 'merged',
    threads: [0, 1, 2].map(() => ({ body: looping(remembers), ...(merge && { merge }) })),
  });

  test('are visited once', () => {
    expect(expectHolds(scenarioFor('nothing', atLoopHead)).states).toBeLessThan(expectHolds(scenarioFor('nothing', undefined)).states);
  });

  test('are compared', () => {
    expect(() => explore(scenarioFor('the first value', atLoopHead))).toThrow(/merge is wrong/);
  });
});

describe('a schedule', () => {
  const scenario: Scenario = { ...scenarioOf(castOf(neverChecksAgain), { name: 'printed', agents: [once, once, once] }), nameOf: () => 'word' };

  test('is printed with names, values and ghosts', () => {
    const { fault } = explore(scenario);
    const text = printSchedule(scenario, fault!);
    expect(text).toContain(`printed: ${fault!.message}`);
    expect(text).toMatch(/1 +A0 +compareExchange word, 0 ⇒ 1 → 0 \(written\) +word: 0 → 1, ‹exclusive› 0 → 1/);
    expect(text).toContain(`schedule: [${fault!.schedule.join(', ')}]`);
  });

  test('that can not be followed leads to no fault', () => {
    const { fault } = explore(scenario);
    expect(replay(scenario, [...fault!.schedule.slice(0, 3), 99]).message).toBeUndefined();
  });
});

describe('mutants', () => {
  const file = 'test/harness/fixtures/latch.ts';
  type Modules = { latch: typeof import('./fixtures/latch.js') };
  const mutation = { name: 'no notify', find: 'words.notify(at);', replace: '' };
  const scenariosOf = ({ latch }: Modules): Scenario[] => [
    threadsOf(({ words }) => latch.open(words, 0)),
    threadsOf(({ words }) => latch.await(words, 0), ({ words }) => latch.open(words, 0)),
  ];

  test('are caught by some scenario', async () => {
    const [mutant] = mutate<Modules>({ latch: file }, [mutation]);
    for (const scenario of scenariosOf(await import('./fixtures/latch.js').then((latch) => ({ latch })))) expectHolds(scenario);
    expect((await expectCaught(mutant!, scenariosOf)).fault?.message).toMatch(/lost wake-up/);
  });

  test('that no scenario catches are reported', async () => {
    const [mutant] = mutate<Modules>({ latch: file }, [mutation]);
    await expect(expectCaught(mutant!, (modules) => scenariosOf(modules).slice(0, 1))).rejects.toThrow(/not caught: no notify/);
  });

  test('can be in a file that the module imports', async () => {
    const [mutant] = mutate<Modules>({ latch: file }, [{ name: 'other value', file: 'test/harness/fixtures/latch-states.ts', find: 'OPEN = 1', replace: 'OPEN = 0' }]);
    expect((await mutant!.load()).latch.OPEN).toBe(0);
  });

  test.each([
    { text: 'that occurs never', find: 'words.notifyAll(at);' },
    { text: 'that occurs twice', find: 'words' },
  ])('are refused with a text $text', ({ find }) => {
    expect(() => mutate({ latch: file }, [{ ...mutation, find }])).toThrow(/not once/);
  });

  test('are refused in a file that is not imported', async () => {
    const [mutant] = mutate({ latch: file }, [{ name: 'elsewhere', file: 'test/harness/rows.ts', find: 'HASH_SIZE = 2', replace: 'HASH_SIZE = 3' }]);
    await expect(mutant!.load()).rejects.toThrow(/not imported/);
  });
});
