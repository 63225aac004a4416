export { isLockError, LockError, type LockErrorCode, type LockReport } from './contract/errors.js';
export type { AcquireAsyncOptions, AcquireOptions, CancelSource, Guard, Lock, LockKind, LockMode, OwnerDeath } from './contract/lock.js';
export type { CancelToken } from './locks/cancel-token.js';
export { acquireAll, acquireAllAsync, type GuardSet, type GuardsOf, lockAll, lockAllAsync } from './locks/lock-all.js';
export type { Mutex, MutexGuard } from './locks/mutex.js';
export type { JsonValue } from './locks/item.js';
export type { Once } from './locks/once.js';
export type { Queue, QueueOptions } from './locks/queue.js';
export type { PermitAsyncOptions, PermitCount, PermitOptions, Semaphore, SemaphoreGuard, SemaphoreOptions } from './locks/semaphore.js';
export type { HolderStatus, SlotStatus, ThreadStatus, WaiterStatus } from './locks/status.js';
export {
  getLockManager,
  LockManager,
  type LockStatus,
  type ManagerOptions,
  type MutexOptions,
  type OnceOptions,
  type SharedManager,
} from './manager/manager.js';
export type { LockStatistics, ModeStatistics } from './manager/statistics.js';
