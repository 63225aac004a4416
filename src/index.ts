export { type DeadlockEdge, isLockError, LockError, type LockErrorCode, type LockReport } from './contract/errors.js';
export type { AcquireAsyncOptions, AcquireOptions, CancelSource, Guard, Lock, LockKind, LockMode, OwnerDeath } from './contract/lock.js';
export type { CancelToken } from './locks/cancel-token.js';
export type { Deadlock } from './locks/deadlock.js';
export { acquireAll, acquireAllAsync, type GuardSet, type GuardsOf, lockAll, lockAllAsync } from './locks/lock-all.js';
export type { Mutex, MutexGuard } from './locks/mutex.js';
export type { Once } from './locks/once.js';
export type { Rwlock, RwlockOptions, RwlockReadView, RwlockView } from './locks/rwlock.js';
export type { RwlockRepair } from './locks/rwlock-core.js';
export type { RwlockGuard, RwlockHold } from './locks/rwlock-guard.js';
export type { PermitAsyncOptions, PermitCount, PermitOptions, Semaphore, SemaphoreGuard, SemaphoreOptions } from './locks/semaphore.js';
export type { HolderStatus, SlotStatus, ThreadStatus, WaiterStatus } from './locks/status.js';
export {
  getLockManager,
  LockManager,
  type LockStatus,
  type SharedManager,
} from './manager/manager.js';
export type { ManagerOptions, MutexOptions, OnceOptions } from './manager/options.js';
export type { LockStatistics, ModeStatistics } from './manager/statistics.js';
