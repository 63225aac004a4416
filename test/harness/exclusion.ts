/**
 * Ghosts that know who is inside a critical section, and whether the next one is told when somebody dies there. Enter right
 * after the acquire, leave right before the release.
 */
import type { Context, Ghosts } from './scenario.js';

const EXCLUSIVE = 1;
const SHARED = 2;

function inside(thread: number): string {
  return `T${thread} inside`;
}

/** `owner`: what the acquire said about the one before. */
export function enterExclusive(context: Context, owner: 'owner died' | 'nothing'): void {
  const { ghost, thread } = context;
  context.assert(ghost.add('exclusive', 1) === 1 && ghost.get('shared') === 0, 'exclusion violated');
  ghost.set(inside(thread), EXCLUSIVE);
  if (owner === 'owner died') ghost.set('untold', 0);
  else context.assert(ghost.get('untold') === 0, 'an owner died inside, and the next one was not told');
}

export function leaveExclusive({ ghost, thread }: Context): void {
  ghost.add('exclusive', -1);
  ghost.set(inside(thread), 0);
}

export function enterShared(context: Context, owner: 'owner died' | 'nothing'): void {
  const { ghost, thread } = context;
  ghost.add('shared', 1);
  context.assert(ghost.get('exclusive') === 0, 'exclusion violated');
  ghost.set(inside(thread), SHARED);
  context.assert(owner === 'owner died' || ghost.get('untold') === 0, 'an owner died inside, and a reader was not told');
}

export function leaveShared({ ghost, thread }: Context): void {
  ghost.add('shared', -1);
  ghost.set(inside(thread), 0);
}

/** For `onDeath`. */
export function buryInside(ghost: Ghosts, thread: number): void {
  const was = ghost.get(inside(thread));
  if (was === EXCLUSIVE) {
    ghost.add('exclusive', -1);
    ghost.set('untold', 1);
  }
  if (was === SHARED) ghost.add('shared', -1);
  ghost.set(inside(thread), 0);
}
