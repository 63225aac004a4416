export { isLockError, LockError, type LockErrorCode, type LockReport } from './contract/errors.js';
export type { AcquireAsyncOptions, AcquireOptions, CancelSource, Guard, Lock, LockKind, LockMode, OwnerDeath } from './contract/lock.js';
export type { CancelToken } from './locks/cancel-token.js';
export type { Mutex, MutexGuard } from './locks/mutex.js';
export type { Once } from './locks/once.js';
export type { RwlockGuard, RwlockHold } from './locks/rw-guards.js';
export type { Rwlock, RwlockRepair, RwlockView } from './locks/rwlock.js';
export type { HolderStatus, SlotStatus, ThreadStatus, WaiterStatus } from './locks/status.js';
export {
  getLockManager,
  LockManager,
  type LockStatus,
  type ManagerOptions,
  type SharedManager,
} from './manager/manager.js';
export type { MutexOptions, OnceOptions, RwlockOptions } from './manager/lock-options.js';
export type { LockStatistics, ModeStatistics } from './manager/statistics.js';
