/**
 * Who is attached, and who has died.
 *
 * Word. `agent.claim`: thread (29 bits), `kernel`, `dead`, `attaching`. `header.recoverer`: agent (16 bits), sequence (16 bits).
 *
 * States. claim: #1 unused: 0. #2 attaching: thread + `attaching`, where the operating system shows threads its id of it, + `kernel`.
 * #3 live: thread. #4 dead: #2 or #3, + `dead`. recoverer: #5 nobody. #6 an agent.
 *
 * Transitions. #1 → #2 `claimAgent`: one compare-exchange that tells by itself whose the record is, so whoever hears of the thread's end
 * or asks the kernel finds it; dying before leaves nothing behind. #2 → #3 `claimAgent`: when the record is described. #2 → #4, #3 → #4
 * `markThread`, `markIfGone`, by whoever knows that the thread has ended; #3 → #4 also `markChildren`. #4 → #1 `recoverDead`, last of
 * all. #3 → #1 `leaveSegment`. #5 → #6, #6 → #5 `recoverDead`. #6 → #6 `recoverDead`: takes over from a recoverer that is itself dead.
 *
 * Invariants. INV-single: one recoverer at a time, so a record is never given back while another still repairs after its last
 * user. INV-whole: each step of a recovery may run again; whoever takes over runs all of them. INV-none-forgotten: a mark set while
 * another recovers is seen by that one, or by the one who hears of its death. INV-kin: with a thread its descendants have
 * stopped too, though their end reaches nobody. INV-described: what a record in #3 says of its thread, it says of this one.
 *
 * Order. Marker: set `dead`, then read the recoverer. Recoverer: clear the recoverer word, then read the marks again. Attaching: let the
 * generation grow, describe, then become live. Who reads a description: the generation, the claim, the description, the generation again.
 */
import { agent, header, mask } from '../../native-layout/index.js';
import { resetSleep, ring, unpark } from '../park/park.js';
import { agentAt, raise, type Segment, slotAt } from '../shm/segment.js';
import { recoverClaim } from './names.js';
import { recoverRow, recoverSlot } from './slots.js';

const CLAIM = agent.fields.claim.at;
const DEAD = mask(agent.fields.claim.bits.dead);
const THREAD = mask(agent.fields.claim.bits.thread);
const KERNEL = mask(agent.fields.claim.bits.kernel);
const ATTACHING = mask(agent.fields.claim.bits.attaching);
const GENERATION = agent.fields.generation.at;
const PARENT = agent.fields.parent.at;
const PARENT_GENERATION = agent.fields.parentGeneration.at;
const KERNEL_THREAD = agent.fields.kernelThread.at;
const KERNEL_START = agent.fields.kernelStart.at;
const AGENT_HIGH = header.fields.agentHigh.at;
const SLOT_HIGH = header.fields.slotHigh.at;
const RECOVERER = header.fields.recoverer.at;
const RECOVERER_AGENT = mask(header.fields.recoverer.bits.agent);
const ONE_CHANGE = 1 << header.fields.recoverer.bits.sequence.bit;

/** What an agent says of its thread. */
export interface Description {
  /** Agent id and generation of the thread that made this one; id 0 = none. */
  readonly parent: number;
  readonly parentGeneration: number;
  /** The operating system's id of the thread, 0 = unknown, and the start time that it gives with it. */
  readonly kernelThread: number;
  readonly kernelStart: number;
}

/** #1 → #2 → #3. The id of the record, or 0 if all are in use. */
export function claimAgent(segment: Segment, threadId: number, self: Description): number {
  const { words, agentLimit } = segment;
  // The kernel can be asked by anybody; the end of a thread is heard by its parent only, if that one lives.
  const claim = ATTACHING | (self.kernelThread === 0 ? threadId + 1 : KERNEL | self.kernelThread);
  for (let id = 1; id <= agentLimit; id++) {
    const record = agentAt(segment, id);
    if (words.load(record + CLAIM) !== 0) continue;
    raise(words, segment.header + AGENT_HIGH, id);
    if (words.compareExchange(record + CLAIM, 0, claim) !== 0) continue;
    // By its user, not by whoever gives it back: so what is read while the generation stays the same belongs to that life.
    words.add(record + GENERATION, 1);
    resetSleep(segment, id);
    words.store(record + PARENT_GENERATION, self.parentGeneration);
    words.store(record + PARENT, self.parent);
    words.storeNumber(record + KERNEL_START, self.kernelStart);
    words.store(record + KERNEL_THREAD, self.kernelThread);
    words.store(record + CLAIM, threadId + 1);
    return id;
  }
  return 0;
}

/** The worker thread id of an agent; −1 if the record is not in use, or not yet described. */
export function threadOf(segment: Segment, id: number): number {
  const claim = segment.words.load(agentAt(segment, id) + CLAIM);
  return claim & KERNEL ? -1 : (claim & THREAD) - 1;
}

/** Whether the record is in use and its thread is not known to have ended. */
export function isLive(segment: Segment, id: number): boolean {
  const claim = segment.words.load(agentAt(segment, id) + CLAIM);
  return claim !== 0 && !(claim & DEAD);
}

/**
 * #2 → #4, #3 → #4 of a thread that is known to have ended: nothing more will be written by it. It has more than one record if it attached
 * again while it was about to leave, and in #2 none that can be told by its thread id, where the kernel can be asked.
 */
export function markThread(segment: Segment, threadId: number): void {
  const { words } = segment;
  const high = words.load(segment.header + AGENT_HIGH);
  for (let id = 1; id <= high; id++) {
    const claim = words.load(agentAt(segment, id) + CLAIM);
    if ((claim & ~ATTACHING) === threadId + 1) words.compareExchange(agentAt(segment, id) + CLAIM, claim, claim | DEAD);
  }
}

/** #2 → #4, #3 → #4 if its kernel thread is known to have ended. `hasEnded` is given no start time of one that is attaching. */
export function markIfGone(segment: Segment, id: number, hasEnded: (kernelThread: number, start: number | undefined) => boolean): void {
  const { words } = segment;
  const record = agentAt(segment, id);
  const generation = words.load(record + GENERATION);
  const claim = words.load(record + CLAIM);
  if (claim === 0 || claim & DEAD) return;
  let kernelThread = 0;
  let start: number | undefined;
  if (!(claim & ATTACHING)) {
    kernelThread = words.load(record + KERNEL_THREAD);
    start = words.loadNumber(record + KERNEL_START);
    // The record has passed to another thread, of which this may speak.
    if (words.load(record + GENERATION) !== generation) return;
  } else if (claim & KERNEL) {
    kernelThread = claim & THREAD;
  }
  if (kernelThread === 0 || !hasEnded(kernelThread, start)) return;
  words.compareExchange(record + CLAIM, claim, claim | DEAD);
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

/** #5 → #6 or #6 → #6. `false`: a living agent recovers, and will see all marks. */
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
 * #3 → #1 by the agent itself: gives back what it holds, as if it had died, and then its record. `false`: another agent
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

/** #4 → #1, #3 → #1. By one store: up to it, what the record says of its thread can still be asked. */
function giveBack(segment: Segment, id: number): void {
  segment.words.store(agentAt(segment, id) + CLAIM, 0);
}

/** Marks those whom an agent marked dead has made; whether there were any. */
function markChildren(segment: Segment, parent: number): boolean {
  const { words } = segment;
  const claim = words.load(agentAt(segment, parent) + CLAIM);
  const generation = words.load(agentAt(segment, parent) + GENERATION);
  // In #2 it had made nobody yet, and the generation may be that of the last user, who has left and lives. Another may have given the
  // record back: then it may be that of the next user.
  if (!(claim & DEAD) || claim & ATTACHING || words.load(agentAt(segment, parent) + CLAIM) !== claim) return false;
  const high = words.load(segment.header + AGENT_HIGH);
  let found = false;
  for (let id = 1; id <= high; id++) {
    const record = agentAt(segment, id);
    // Before its parent, so that the compare-exchange below fails if the record has passed to another thread since.
    const child = words.load(record + CLAIM);
    if (child === 0 || child & (DEAD | ATTACHING)) continue;
    if (words.load(record + PARENT) !== parent || words.load(record + PARENT_GENERATION) !== generation) continue;
    words.compareExchange(record + CLAIM, child, child | DEAD);
    found = true;
  }
  return found;
}
