/** A segment with threads attached to it, some of which have ended, and ghosts that follow who uses and who recovers it. */
import { agent, cell, header, mask, slot } from '../../native-layout/index.js';
import { agentAt, cellAt, type Segment, slotAt } from '../../src/shm/segment.js';
import type { SharedWords } from '../../src/shm/words.js';
import { addressesOf, describeValue, isField } from '../harness/addresses.js';
import type { Context, Ghosts, Scenario } from '../harness/scenario.js';
import { smallSegment } from './small-segment.js';

export const CLAIM = agent.fields.claim.at;
export const PARENT = agent.fields.parent.at;
export const PARENT_GENERATION = agent.fields.parentGeneration.at;
export const GENERATION = agent.fields.generation.at;
export const KERNEL_THREAD = agent.fields.kernelThread.at;
export const WANTS = agent.fields.wants.at;
export const PARK = agent.fields.park.at;
export const DEAD = mask(agent.fields.claim.bits.dead);
export const AGENT_HIGH = header.fields.agentHigh.at;
const RECOVERER = header.fields.recoverer.at;
const RECOVERER_AGENT = mask(header.fields.recoverer.bits.agent);
const MAILBOX = agent.fields.mailbox.at;
const INTEREST = cell.fields.interest.at;
/** Wakes that a parking word counts before it wraps here; no scenario has as many. */
const PARK_MASK = 0x1f;

/** A record in use when the scenario starts. */
export interface Attached {
  readonly thread: number;
  /** Known to have ended. */
  readonly dead?: boolean;
  readonly generation?: number;
  readonly parent?: number;
  readonly parentGeneration?: number;
}

/** How the operating system calls a thread of a scenario. */
export const kernelThreadOf = (thread: number): number => 100 + thread;

export interface Setting {
  /** By agent id, from 1 on; `undefined`: not in use. */
  readonly attached: readonly (Attached | undefined)[];
  /** Words of the slots. */
  readonly slots: readonly number[];
  /** Whether records are claimed that never were. */
  readonly grows?: boolean;
  /** Those whose claims nothing changes. */
  readonly steady?: readonly number[];
  /** Those that sleep; nothing depends on the parking words of the others. */
  readonly sleepers?: readonly number[];
  /** Whether event loops wait. Where none does, nothing depends on mailboxes and cells. */
  readonly flows?: boolean;
  /** Whether there are parents and children. */
  readonly kin?: boolean;
  /** Whether the kernel is asked who has ended. */
  readonly asks?: boolean;
  readonly prepare?: (segment: Segment) => void;
}

export function segmentOf(words: SharedWords, { attached, slots }: Setting): Segment {
  return smallSegment(words, { agents: attached.length, slots: slots.length });
}

/** The same segment with words that keep an eye on what is done to it. */
export function watchedSegment(context: Context, setting: Setting): Segment {
  const { words, ghost, thread } = context;
  const segment = segmentOf(words, setting);
  const ids = new Map(setting.attached.map((_, i) => [agentAt(segment, i + 1), i + 1]));
  const isInUse = (id: number): boolean => (setting.attached[id - 1] !== undefined) !== (ghost.get(`record ${id} changed hands`) === 1);
  const changeHands = (id: number): void => void ghost.set(`record ${id} changed hands`, 1 - ghost.get(`record ${id} changed hands`));

  const giveBack = (record: number): void => {
    const id = ids.get(record)!;
    context.assert(isInUse(id), `record ${id} is given back twice`);
    changeHands(id);
  };
  const take = (record: number): void => {
    const id = ids.get(record)!;
    context.assert(!isInUse(id), `record ${id} is claimed while it is in use`);
    changeHands(id);
  };
  const wrote = (at: number, before: number, value: number): void => {
    if (at === segment.header + RECOVERER) {
      const recovers = (value & RECOVERER_AGENT) !== 0;
      context.assert(ghost.get('recovers') === (recovers ? 0 : thread + 1), recovers ? 'two recover at once' : 'gives back what another has taken over');
      ghost.set('recovers', recovers ? thread + 1 : 0);
    }
    if (ids.has(at - CLAIM) && value === 0) giveBack(at - CLAIM);
    if (ids.has(at - CLAIM) && before === 0) take(at - CLAIM);
    const id = ids.get(at - CLAIM);
    if (id !== undefined && value !== 0) context.assert(isInUse(id), `record ${id} is written by one who has lost it`);
  };
  const { flows = false, sleepers = [] } = setting;
  /** Where nobody looks. */
  const idle = new Set<number>();
  for (const [record, id] of ids) {
    if (!sleepers.includes(id)) idle.add(record + PARK);
    if (flows) continue;
    idle.add(record + MAILBOX);
    for (let number = 0; number < setting.slots.length; number++) idle.add(cellAt(segment, id, number) + INTEREST);
  }
  const watched: SharedWords = {
    ...words,
    load: (at) => (idle.has(at) ? 0 : words.load(at)),
    store(at, value) {
      if (idle.has(at)) return;
      words.store(at, value);
      wrote(at, NaN, value);
    },
    compareExchange(at, expected, next) {
      const before = words.compareExchange(at, expected, next);
      if (before === expected) wrote(at, before, next);
      return before;
    },
    add(at, value) {
      return idle.has(at) ? 0 : words.add(at, value);
    },
  };
  return { ...segment, words: watched };
}

/** For `onDeath`: a recoverer that has died recovers no more. */
export function buryRecoverer(ghost: Ghosts, thread: number): void {
  if (ghost.get('recovers') === thread + 1) ghost.set('recovers', 0);
  ghost.set(`T${thread} died`, 1);
}

/** What all scenarios in such a setting have in common. */
export function scenery(setting: Setting): Pick<Scenario, 'setup' | 'nameOf' | 'describe' | 'opaque' | 'writerOf' | 'narrow' | 'onDeath'> {
  const { attached, slots, grows = false, steady = [], kin = false, asks = false, prepare } = setting;
  const addresses = addressesOf(segmentOf({} as SharedWords, setting));
  const opaque = isField(
    addresses,
    'slot.token', 'slot.contended', 'slot.ownerDeaths', 'slot.deathAt', 'slot.deathThread',
    'agent.wantsSince', 'agent.wantsToken', 'agent.kernelStart',
    ...(asks ? [] : ['agent.kernelThread']),
  );
  const isConstant = isField(
    addresses,
    'slot.kind', 'slot.state', 'index.slot', 'header.slotHigh',
    ...(grows ? [] : ['header.agentHigh']),
    ...(kin ? [] : ['agent.parent', 'agent.parentGeneration']),
  );
  const claims = isField(addresses, 'agent.claim');
  const isPark = isField(addresses, 'agent.park');
  return {
    setup(words) {
      const segment = segmentOf(words, setting);
      for (const [i, one] of attached.entries()) {
        if (one === undefined) continue;
        const record = agentAt(segment, i + 1);
        words.store(record + CLAIM, (one.thread + 1) | (one.dead ? DEAD : 0));
        words.store(record + GENERATION, one.generation ?? 0);
        words.store(record + PARENT, one.parent ?? 0);
        words.store(record + PARENT_GENERATION, one.parentGeneration ?? 0);
        words.store(record + KERNEL_THREAD, kernelThreadOf(one.thread));
      }
      words.store(segment.header + AGENT_HIGH, attached.findLastIndex((one) => one !== undefined) + 1);
      words.store(segment.header + header.fields.slotHigh.at, slots.length);
      for (const [number, word] of slots.entries()) {
        words.store(slotAt(segment, number), word);
        words.store(slotAt(segment, number) + slot.fields.state.at, mask(slot.fields.state.bits.published));
      }
      prepare?.(segment);
    },
    nameOf: (at) => addresses.get(at)?.name,
    describe: (at, value) => describeValue(addresses.get(at), value),
    opaque,
    writerOf: (at) => (isConstant(at) || (claims(at) && steady.includes(addresses.get(at)!.record)) ? 'nobody' : undefined),
    narrow: (at, value) => (isPark(at) ? value & PARK_MASK : value),
    onDeath: buryRecoverer,
  };
}

/** What is left that is not to be: of records that were to be given back, or that are given back. */
export function leftBehind(words: SharedWords, setting: Setting, gone: readonly number[]): string | undefined {
  const segment = segmentOf(words, setting);
  for (const id of gone) if (words.load(agentAt(segment, id) + CLAIM) !== 0) return `record ${id} is not given back`;
  for (let id = 1; id <= setting.attached.length; id++) {
    const record = agentAt(segment, id);
    if (words.load(record + CLAIM) & DEAD) return `agent ${id} is marked dead, and nobody recovers it`;
    if (words.load(record + CLAIM) !== 0) continue;
    if (words.load(record + WANTS) !== 0) return `a row of agent ${id} is left`;
    for (let number = 0; number < setting.slots.length; number++) {
      if (words.load(cellAt(segment, id, number) + INTEREST) !== 0) return `a cell of agent ${id} is left`;
    }
  }
  if (words.load(segment.header + RECOVERER) & RECOVERER_AGENT) return 'somebody recovers for ever';
  return undefined;
}
