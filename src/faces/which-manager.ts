import { getLockManager, type LockManager } from '../manager/manager.js';

/** The manager that is meant: itself, or the one of that name; omitted, the default one. */
export function whichManager(manager: LockManager | string | undefined): LockManager {
  return typeof manager === 'object' ? manager : getLockManager(manager);
}
