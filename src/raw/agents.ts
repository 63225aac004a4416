/**
 * Who is attached, and who has died.
 *
 * Word. `agent.claim`: thread (30 bits), `dead`. `header.recoverer`: agent (16 bits), sequence (16 bits).
 *
 * States. claim: #1 unused: 0. #2 live: thread. #3 dead: thread + `dead`. recoverer: #4 nobody. #5 an agent.
 *
 * Transitions. #1 → #2 `claimAgent`: one compare-exchange that carries the thread, so whoever hears of its end finds it; dying
 * before leaves nothing behind. #2 → #3 `markDead`, by whoever knows that the thread has ended. #3 → #1 `recoverDead`, last of
 * all. #2 → #1 `leaveSegment`. #4 → #5, #5 → #4 `recoverDead`. #5 → #5 `recoverDead`: takes over from a recoverer that is itself dead.
 *
 * Invariants. INV-single: one recoverer at a time, so a record is never given back while another still repairs after its last
 * user. INV-whole: each step of a recovery may run again; whoever takes over runs all of them. INV-none-forgotten: a mark set while
 * another recovers is seen by that one, or by the one who hears of its death. INV-kin: with a thread its descendants have
 * stopped too, though their end reaches nobody.
 *
 * Order. Marker: set `dead`, then read the recoverer. Recoverer: clear the recoverer word, then read the marks again.
 */
import { agent, header, mask } from '../../native-layout/index.js';
import { resetSleep, ring, unpark } from '../park/park.js';
import { agentAt, raise, type Segment, slotAt } from '../shm/segment.js';
import { recoverClaim } from './names.js';
import { recoverRow, recoverSlot } from './slots.js';

const CLAIM = agent.fields.claim.at;
const DEAD = mask(agent.fields.claim.bits.dead);
const THREAD = mask(agent.fields.claim.bits.thread);
const GENERATION = agent.fields.generation.at;
const PARENT = agent.fields.parent.at;
const PARENT_GENERATION = agent.fields.parentGeneration.at;
const KERNEL_THREAD = agent.fields.kernelThread.at;
const AGENT_HIGH = header.fields.agentHigh.at;
const SLOT_HIGH = header.fields.slotHigh.at;
const RECOVERER = header.fields.recoverer.at;
const RECOVERER_AGENT = mask(header.fields.recoverer.bits.agent);
const ONE_CHANGE = 1 << header.fields.recoverer.bits.sequence.bit;

/** #1 → #2. The id of the record, or 0 if all are in use. */
export function claimAgent(segment: Segment, threadId: number): number {
  const { words, agentLimit } = segment;
  for (let id = 1; id <= agentLimit; id++) {
    if (words.load(agentAt(segment, id) + CLAIM) !== 0) continue;
    raise(words, segment.header + AGENT_HIGH, id);
    if (words.compareExchange(agentAt(segment, id) + CLAIM, 0, threadId + 1) !== 0) continue;
    // By its user, not by whoever gives it back: so what is read while the claim stays the same belongs to that life.
    words.add(agentAt(segment, id) + GENERATION, 1);
    resetSleep(segment, id);
    return id;
  }
  return 0;
}

/** The live agent of a thread, 0 = none. */
export function agentOfThread(segment: Segment, threadId: number): number {
  const high = segment.words.load(segment.header + AGENT_HIGH);
  for (let id = 1; id <= high; id++) {
    if (segment.words.load(agentAt(segment, id) + CLAIM) === threadId + 1) return id;
  }
  return 0;
}

/** The worker thread id of an agent; −1 if the record is not in use. */
export function threadOf(segment: Segment, id: number): number {
  return (segment.words.load(agentAt(segment, id) + CLAIM) & THREAD) - 1;
}

/** Whether the record is in use and its thread is not known to have ended. */
export function isLive(segment: Segment, id: number): boolean {
  const claim = segment.words.load(agentAt(segment, id) + CLAIM);
  return claim !== 0 && !(claim & DEAD);
}

/** #2 → #3. Only for one who knows that the thread has ended: that nothing more will be written by it. */
export function markDead(segment: Segment, id: number, threadId: number): void {
  segment.words.compareExchange(agentAt(segment, id) + CLAIM, threadId + 1, (threadId + 1) | DEAD);
}

/** Recovers all agents that are marked dead, unless a living agent is about to. `nowMs` is since the epoch. */
export function recoverDead(segment: Segment, self: number, nowMs: number): void {
  while (markKin(segment) && takeOver(segment, self)) {
    const high = segment.words.load(segment.header + AGENT_HIGH);
    for (let id = 1; id <= high; id++) {
      if (segment.words.load(agentAt(segment, id) + CLAIM) & DEAD) recoverAgent(segment, id, nowMs);
    }
    changeRecoverer(segment, segment.words.load(segment.header + RECOVERER), 0);
  }
}

/** Marks the descendants of the dead: the recoverer may be one of them. Whether anybody is dead. */
function markKin(segment: Segment): boolean {
  const high = segment.words.load(segment.header + AGENT_HIGH);
  for (;;) {
    let dead = false;
    let marked = false;
    for (let id = 1; id <= high; id++) {
      if (!(segment.words.load(agentAt(segment, id) + CLAIM) & DEAD)) continue;
      dead = true;
      if (markChildren(segment, id)) marked = true;
    }
    // A child may have a lower id than its parent, and children itself.
    if (!marked) return dead;
  }
}

/** #4 → #5 or #5 → #5. `false`: a living agent recovers, and will see all marks. */
function takeOver(segment: Segment, self: number): boolean {
  for (;;) {
    const word = segment.words.load(segment.header + RECOVERER);
    const recoverer = word & RECOVERER_AGENT;
    // Oneself: an exception has broken a recovery off; each of its steps may run again.
    if (recoverer !== 0 && recoverer !== self && isLive(segment, recoverer)) return false;
    if (changeRecoverer(segment, word, self)) return true;
  }
}

/**
 * #2 → #1 by the agent itself: gives back what it holds, as if it had died, and then its record. `false`: another agent
 * recovers just now, try again.
 */
export function leaveSegment(segment: Segment, self: number, nowMs: number): boolean {
  if (!takeOver(segment, self)) return false;
  repairAfter(segment, self, nowMs);
  changeRecoverer(segment, segment.words.load(segment.header + RECOVERER), 0);
  recoverDead(segment, self, nowMs);
  // Only now: a recoverer that stops with its parent must still be known as its child, and one whose record is given back could be
  // mistaken for its next user.
  giveBack(segment, self);
  return true;
}

/** The sequence keeps one who read the word long ago from taking over from a later user of the same record. */
function changeRecoverer(segment: Segment, word: number, to: number): boolean {
  const next = ((word & ~RECOVERER_AGENT) + ONE_CHANGE) | to;
  return segment.words.compareExchange(segment.header + RECOVERER, word, next) === word;
}

function recoverAgent(segment: Segment, dead: number, nowMs: number): void {
  // It may have been marked after this recoverer had looked for kin.
  markChildren(segment, dead);
  repairAfter(segment, dead, nowMs);
  giveBack(segment, dead);
}

/** Repairs first, then wakes everybody: what the dead one had swallowed or owed can not be told apart from nothing. */
function repairAfter(segment: Segment, dead: number, nowMs: number): void {
  const { words } = segment;
  recoverRow(segment, dead);
  const slots = words.load(segment.header + SLOT_HIGH);
  for (let number = 0; number < slots; number++) {
    recoverClaim(segment, number, dead);
    recoverSlot(segment, slotAt(segment, number), dead, nowMs);
  }
  const high = words.load(segment.header + AGENT_HIGH);
  for (let id = 1; id <= high; id++) {
    if (id === dead) continue;
    unpark(segment, id);
    ring(segment, id);
  }
}

/** #3 → #1, #2 → #1. */
function giveBack(segment: Segment, id: number): void {
  const { words } = segment;
  const record = agentAt(segment, id);
  // What the next agent has not yet written must not speak of this one: it would be taken for dead with it.
  words.store(record + PARENT, 0);
  words.store(record + KERNEL_THREAD, 0);
  words.store(record + CLAIM, 0);
}

/** Marks those whom an agent marked dead has made; whether there were any. */
function markChildren(segment: Segment, parent: number): boolean {
  const { words } = segment;
  const claim = words.load(agentAt(segment, parent) + CLAIM);
  const generation = words.load(agentAt(segment, parent) + GENERATION);
  // Another may have given the record back: then the generation may be that of its next user, who lives.
  if (!(claim & DEAD) || words.load(agentAt(segment, parent) + CLAIM) !== claim) return false;
  const high = words.load(segment.header + AGENT_HIGH);
  let found = false;
  for (let id = 1; id <= high; id++) {
    const record = agentAt(segment, id);
    // Before its parent, so that the compare-exchange below fails if the record has passed to another thread since.
    const child = words.load(record + CLAIM);
    if (child === 0 || child & DEAD) continue;
    if (words.load(record + PARENT) !== parent || words.load(record + PARENT_GENERATION) !== generation) continue;
    words.compareExchange(record + CLAIM, child, child | DEAD);
    found = true;
  }
  return found;
}
