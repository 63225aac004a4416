import { layoutOfThread } from '../agent/memory.js';
import { LockError } from '../contract/errors.js';
import { checkHeader, compareLayout, isClosed, type LayoutMismatch } from '../shm/header.js';
import type { SharedWords } from '../shm/words.js';

/** Another copy of this package may be in this thread already, and share its managers, if it is of the same layout. */
export function checkCopies(): void {
  const mismatch = compareLayout(layoutOfThread);
  if (mismatch !== undefined) throw twoVersions('another copy in this thread', mismatch);
}

function twoVersions(what: string, { found, own }: LayoutMismatch): LockError {
  const hint = 'have the process load one version of holdfast: npm ls holdfast';
  return new LockError('ERR_LOCK_LAYOUT', `${what} is of another version of holdfast: its layout is ${found}, this one's ${own}\n  hint: ${hint}`, { found, own, hint });
}

/** That the memory at `start` holds a manager of this version, which is not closed. */
export function checkSegment(words: SharedWords, start: number): void {
  const refused = checkHeader(words, start);
  if (refused === 'no segment') throw new LockError('ERR_LOCK_LAYOUT', 'the shared memory holds no manager of holdfast there', { found: 'no segment' });
  if (refused !== undefined) throw twoVersions('the manager', refused);
  if (isClosed({ words, header: start })) throw new LockError('ERR_LOCK_CLOSED', 'the manager was closed before this thread attached');
}
