import { describe, test } from 'vitest';
import { header, index, mask, slot } from '../../native-layout/index.js';
import * as names from '../../src/raw/names.js';
import { type Segment, slotAt } from '../../src/shm/segment.js';
import type { SharedWords } from '../../src/shm/words.js';
import { addressesOf, describeValue } from '../harness/addresses.js';
import { mutate, type Mutation } from '../harness/mutants.js';
import type { Context, Ghosts, Scenario, ThreadPlan } from '../harness/scenario.js';
import type { Limits } from '../harness/explorer.js';
import { expectCaught, expectHolds } from '../harness/verdict.js';
import { smallSegment } from './small-segment.js';

type PackedName = names.PackedName;
const STATE = slot.fields.state.at;
const KIND = slot.fields.kind.at;
const SLOT_HIGH = header.fields.slotHigh.at;
const PUBLISHED = mask(slot.fields.state.bits.published);

const named = (hash: number, length: number, ...packed: number[]): PackedName => ({ hash, length, packed: Int32Array.from(packed) });
const X = named(0, 4, 7);
/** The same hash as X, and in one thing different. */
const OTHER_WORD = named(0, 4, 8);
const LONGER = named(0, 5, 7, 0);
const SHORTER = named(0, 3, 7);
/** Another hash, the same index cell. */
const Y = named(4, 4, 9);
/** Reaches into the second region of names. */
const LONG = named(0, 52, ...Array.from({ length: 12 }, () => 1), 2);
const LONG_ENDING = named(0, 52, ...Array.from({ length: 12 }, () => 1), 3);
const allNames = [X, OTHER_WORD, LONGER, SHORTER, Y, LONG, LONG_ENDING];

/** Agents of threads are one more than their numbers. */
const agentOf = (thread: number): number => thread + 1;
const kindOf = (name: PackedName): number => 1 + allNames.indexOf(name);

interface Setting {
  readonly slots: number;
  /** What each thread opens, one name after another. */
  readonly opens: readonly (readonly PackedName[])[];
  /** Names that another thread looks for meanwhile. */
  readonly finds?: readonly PackedName[];
  readonly deaths?: number;
  /** How often a thread that could go on may be interrupted where time is short; any number unless told. */
  readonly preemptions?: number;
  /** Too many schedules for any patience. */
  readonly isHuge?: boolean;
}

interface Checked extends Scenario {
  readonly preemptions: number;
  readonly isHuge: boolean;
}

function scenariosOf({ names: raw }: { readonly names: typeof names }): Checked[] {
  const scenario = (name: string, { slots, opens, finds = [], deaths = 0, preemptions = Infinity, isHuge = false }: Setting): Checked => {
    const recoverer = opens.length;
    const segmentOf = (words: SharedWords): Segment => smallSegment(words, { agents: opens.length + 2, slots });
    /** Counts those who have finished or are recovered: what one waits for that is told to try again. */
    const endings = segmentOf({} as SharedWords).size;
    const addresses = addressesOf(segmentOf({} as SharedWords));

    const check = (context: Context, segment: Segment, wanted: PackedName, number: number): void => {
      const { words, ghost } = context;
      context.assert(words.load(slotAt(segment, number) + KIND) === kindOf(wanted), 'not the slot of that name, or not filled in');
      const known = ghost.get(`slot of ${kindOf(wanted)}`);
      context.assert(known === 0 || known === number + 1, 'one name has two slots');
      ghost.set(`slot of ${kindOf(wanted)}`, number + 1);
    };
    const open = (context: Context, segment: Segment, wanted: PackedName): void => {
      const { words, ghost, thread } = context;
      for (;;) {
        const before = words.load(endings);
        const number = raw.openSlot(segment, agentOf(thread), wanted, kindOf(wanted));
        if (number >= 0) {
          check(context, segment, wanted, number);
          context.assert(raw.findSlot(segment, wanted) === number, 'opened, and not found');
          return;
        }
        if (number === raw.FULL) {
          ghost.set(`full for ${kindOf(wanted)}`, 1);
          return;
        }
        context.assert(number === raw.FULL_FOR_NOW, `outcome ${number}`);
        words.wait(endings, before, Infinity);
      }
    };
    const end = ({ words }: Context): void => {
      words.add(endings, 1);
      words.notify(endings);
    };
    const threads: ThreadPlan[] = opens.map((wanted, thread) => ({
      name: `A${thread}`,
      mortal: true,
      body(context: Context) {
        const segment = segmentOf(context.words);
        for (const one of wanted) open(context, segment, one);
        end(context);
      },
    }));
    threads.push({
      name: 'R',
      rounds: deaths,
      daemon: true,
      body(context: Context) {
        const segment = segmentOf(context.words);
        const { thread } = context.exited();
        const high = context.words.load(segment.header + SLOT_HIGH);
        for (let number = 0; number < high; number++) raw.recoverClaim(segment, number, agentOf(thread));
        end(context);
      },
    });
    for (const wanted of finds) {
      threads.push({
        name: 'F',
        body(context: Context) {
          const segment = segmentOf(context.words);
          const number = raw.findSlot(segment, wanted);
          if (number === raw.UNKNOWN) context.assert(context.ghost.get(`slot of ${kindOf(wanted)}`) === 0, 'a name that exists is not found');
          else check(context, segment, wanted, number);
        },
      });
    }
    return {
      name,
      preemptions,
      isHuge,
      threads: deaths > 0 ? threads : threads.filter((_, i) => i !== recoverer),
      deaths,
      nameOf: (at) => addresses.get(at)?.name ?? 'endings',
      describe: (at, value) => describeValue(addresses.get(at), value),
      final: (words, ghost) => whatIsWrong(raw, segmentOf(words), ghost),
    };
  };

  return [
    scenario('two open one name', { slots: 2, opens: [[X], [X]] }),
    scenario('two open one name each, then the other', { slots: 2, opens: [[X, OTHER_WORD], [OTHER_WORD, X]] }),
    scenario('three open one name', { slots: 3, opens: [[X], [X], [X]], preemptions: 3, isHuge: true }),
    scenario('two open names that meet at a cell, another looks', { slots: 2, opens: [[X], [Y]], finds: [Y] }),
    scenario('names that differ at their ends', { slots: 4, opens: [[X, LONGER], [SHORTER, LONGER]], preemptions: 3 }),
    scenario('long names', { slots: 2, opens: [[LONG], [LONG_ENDING, LONG]], preemptions: 2 }),
    scenario('one opens, two look', { slots: 1, opens: [[X]], finds: [X, Y] }),
    scenario('the loser of a name gives its slot back', { slots: 2, opens: [[X], [X, Y]] }),
    scenario('one slot, one name twice and another', { slots: 1, opens: [[X], [X, Y]] }),
    scenario('one slot, two names', { slots: 1, opens: [[X], [Y]] }),
    scenario('one slot, two names, three threads', { slots: 1, opens: [[X], [Y], [X]], preemptions: 3 }),
    scenario('two slots, one name twice and another', { slots: 2, opens: [[X], [X], [Y]], preemptions: 2, isHuge: true }),
    scenario('a death while two open one name', { slots: 2, opens: [[X], [X, Y]], deaths: 1 }),
    scenario('a death with one slot', { slots: 1, opens: [[X], [Y]], deaths: 1 }),
    scenario('two deaths with two slots', { slots: 2, opens: [[X, Y], [Y, X]], deaths: 2, preemptions: 2 }),
    scenario('a death of one of three', { slots: 2, opens: [[X], [Y], [X]], deaths: 1, preemptions: 1, isHuge: true }),
  ];
}

/** What is wrong in the end, when all have finished or are recovered. */
function whatIsWrong(raw: typeof names, segment: Segment, ghost: Ghosts): string | undefined {
  const { words, slotLimit, indexLimit } = segment;
  const cells = Array.from({ length: indexLimit }, (_, i) => words.load(segment.index + i * index.size)).filter((number) => number !== 0);
  if (new Set(cells).size !== cells.length) return 'two index cells name one slot';
  let unused = 0;
  for (let number = 0; number < slotLimit; number++) {
    const state = words.load(slotAt(segment, number) + STATE);
    if (state !== 0 && state !== PUBLISHED) return `slot ${number} is being filled in for ever`;
    if ((state === PUBLISHED) !== cells.includes(number + 1)) return `slot ${number} is published, and not in the index, or the reverse`;
    if (state === 0) unused++;
    else if (words.load(segment.header + SLOT_HIGH) <= number) return 'slotHigh is too low';
  }
  const found = allNames.map((name) => raw.findSlot(segment, name)).filter((number) => number !== raw.UNKNOWN);
  if (new Set(found).size !== cells.length) return 'a slot has the name of another, or none';
  for (const name of allNames) {
    if (ghost.get(`full for ${kindOf(name)}`) === 0) continue;
    if (unused > 0) return 'told that all slots are in use, and they are not';
    if (raw.findSlot(segment, name) !== raw.UNKNOWN) return 'told that there is no room for a name that exists';
  }
  return undefined;
}

/** All schedules, or at least those with one preemption more, however long it takes. */
const FULL = process.env['HOLDFAST_MODEL'] === 'full';
const MAX_MS = 3_600_000;
const limitsOf = ({ preemptions, isHuge }: Checked): Limits => ({
  maxMs: MAX_MS,
  ...(preemptions < Infinity && (!FULL || isHuge) && { maxPreemptions: FULL ? preemptions + 1 : preemptions }),
});

describe('names', () => {
  test.each(scenariosOf({ names }).map((scenario) => ({ name: scenario.name, scenario })))('$name', ({ scenario }) => {
    expectHolds(scenario, limitsOf(scenario));
  }, MAX_MS);
});

// Not among them: without the compare of the hash, which length and words imply.
const mutants: (Mutation & { readonly caughtBy: string })[] = [
  {
    name: 'names the slot by a store',
    caughtBy: 'two open one name',
    find: 'const number = words.compareExchange(at, 0, mine + 1) - 1;',
    replace: 'const number = words.load(at) - 1;\n    if (number < 0) words.store(at, mine + 1);',
  },
  {
    name: 'publishes before the index names the slot',
    caughtBy: 'a death while two open one name',
    find: '  for (let i = 0; ; i++) {',
    replace: '  words.store(slotAddress + STATE, PUBLISHED);\n  for (let i = 0; ; i++) {',
  },
  {
    name: 'writes the name after the index names the slot',
    caughtBy: 'two open one name',
    find: `  for (let i = 0; i < wanted.packed.length; i++) words.store(nameWord(segment, mine, i), wanted.packed[i]!);
  // There are more cells than slots, so one is empty.
  for (let i = 0; ; i++) {
    const at = indexCell(segment, wanted.hash + i);
    const number = words.compareExchange(at, 0, mine + 1) - 1;
    if (number < 0) {`,
    replace: `  for (let i = 0; ; i++) {
    const at = indexCell(segment, wanted.hash + i);
    const number = words.compareExchange(at, 0, mine + 1) - 1;
    if (number < 0) {
      for (let i = 0; i < wanted.packed.length; i++) words.store(nameWord(segment, mine, i), wanted.packed[i]!);`,
  },
  {
    name: 'writes the kind after the index names the slot',
    caughtBy: 'one opens, two look',
    find: `  words.store(slotAddress + KIND, kind);
  words.store(slotAddress + NAME_LENGTH, wanted.length);
  for (let i = 0; i < wanted.packed.length; i++) words.store(nameWord(segment, mine, i), wanted.packed[i]!);
  // There are more cells than slots, so one is empty.
  for (let i = 0; ; i++) {
    const at = indexCell(segment, wanted.hash + i);
    const number = words.compareExchange(at, 0, mine + 1) - 1;
    if (number < 0) {`,
    replace: `  words.store(slotAddress + NAME_LENGTH, wanted.length);
  for (let i = 0; i < wanted.packed.length; i++) words.store(nameWord(segment, mine, i), wanted.packed[i]!);
  // There are more cells than slots, so one is empty.
  for (let i = 0; ; i++) {
    const at = indexCell(segment, wanted.hash + i);
    const number = words.compareExchange(at, 0, mine + 1) - 1;
    if (number < 0) {
      words.store(slotAddress + KIND, kind);`,
  },
  { name: 'keeps the slot of the loser', caughtBy: 'the loser of a name gives its slot back', find: '    words.store(slotAddress + STATE, 0);\n', replace: '' },
  { name: 'publishes the slot of the loser', caughtBy: 'two open one name', find: '    words.store(slotAddress + STATE, 0);', replace: '    words.store(slotAddress + STATE, PUBLISHED);' },
  { name: 'never publishes', caughtBy: 'two open one name', find: '      words.store(slotAddress + STATE, PUBLISHED);\n', replace: '' },
  { name: 'does not look at who was first', caughtBy: 'two open one name', find: '    if (!isNamed(segment, number, wanted)) continue;\n', replace: '    continue;\n' },
  { name: 'takes whoever was first', caughtBy: 'two open names that meet at a cell, another looks', find: '    if (!isNamed(segment, number, wanted)) continue;\n', replace: '' },
  { name: 'looks at one cell only', caughtBy: 'two open names that meet at a cell, another looks', find: '    if (isNamed(segment, number, wanted)) return number;', replace: '    return isNamed(segment, number, wanted) ? number : UNKNOWN;' },
  {
    name: 'claims a slot by a store',
    caughtBy: 'two open one name',
    find: 'if (words.compareExchange(slotAt(segment, number) + STATE, 0, self) === 0) return number;',
    replace: 'words.store(slotAt(segment, number) + STATE, self);\n      return number;',
  },
  {
    name: 'raises slotHigh after the claim',
    caughtBy: 'a death with one slot',
    find: `      raise(words, segment.header + SLOT_HIGH, number + 1);
      if (words.compareExchange(slotAt(segment, number) + STATE, 0, self) === 0) return number;`,
    replace: `      if (words.compareExchange(slotAt(segment, number) + STATE, 0, self) === 0) {
        raise(words, segment.header + SLOT_HIGH, number + 1);
        return number;
      }`,
  },
  { name: 'looks for unused slots from slotHigh on only', caughtBy: 'the loser of a name gives its slot back', find: 'for (let i = 0; i < slotLimit; i++) {', replace: 'for (let i = 0; i < slotLimit - high; i++) {' },
  { name: 'gives up for good on a slot that it lost', caughtBy: 'a death with one slot', find: '      pending = true;\n    } else', replace: '    } else' },
  { name: 'gives up for good on a slot that is being filled in', caughtBy: 'a death with one slot', find: ' else if (!(state & PUBLISHED)) pending = true;', replace: '' },
  { name: 'never gives up for good', caughtBy: 'one slot, two names', find: 'return pending ? FULL_FOR_NOW : FULL;', replace: 'return FULL_FOR_NOW;' },
  { name: 'does not look again when no slot is left', caughtBy: 'one slot, two names, three threads', find: 'return late === UNKNOWN ? mine : late;', replace: 'return mine;' },
  { name: 'gives the slot of a dead one back, named or not', caughtBy: 'a death with one slot', find: 'isIndexed(segment, number) ? PUBLISHED : 0', replace: '0' },
  { name: 'publishes the slot of a dead one, named or not', caughtBy: 'a death with one slot', find: 'isIndexed(segment, number) ? PUBLISHED : 0', replace: 'PUBLISHED' },
  { name: 'takes every claimant for the dead one', caughtBy: 'a death of one of three', find: 'if (words.load(at) === dead) words.compareExchange(at, dead,', replace: 'if (words.load(at) !== 0) words.compareExchange(at, words.load(at),' },
  { name: 'does not compare lengths', caughtBy: 'names that differ at their ends', find: ' || words.load(slotAddress + NAME_LENGTH) !== length) return false;', replace: ') return false;' },
  { name: 'does not compare words', caughtBy: 'two open one name each, then the other', find: '  for (let i = 0; i < packed.length; i++) if (words.load(nameWord(segment, number, i)) !== packed[i]) return false;\n', replace: '' },
  { name: 'mixes the ends of long names up', caughtBy: 'long names', find: ': segment.nameTails + number * nameTail.size', replace: ': segment.nameTails + number' },
];

describe('mutants', () => {
  test.each(mutate<{ names: typeof names }>({ names: 'src/raw/names.ts' }, mutants).map((mutant, i) => ({ mutant, ...mutants[i]! })))(
    '$name',
    async ({ mutant, caughtBy }) => {
      const select = (modules: { names: typeof names }): Checked[] => scenariosOf(modules).filter(({ name }) => name === caughtBy);
      await expectCaught(mutant, select, limitsOf(select({ names })[0]!));
    },
    120_000,
  );
});
