/** Every code that an error of this package can carry. Codes are stable; messages are not. */
export type LockErrorCode = keyof typeof names;

const names = {
  ERR_LOCK_TIMEOUT: 'LockTimeoutError',
  ERR_LOCK_ABORTED: 'LockAbortedError',
  ERR_LOCK_DEADLOCK: 'DeadlockError',
  ERR_LOCK_RECURSIVE: 'LockRecursionError',
  ERR_LOCK_NOT_HELD: 'LockNotHeldError',
  ERR_LOCK_OWNER_DIED: 'OwnerDiedError',
  ERR_LOCK_UPGRADE: 'LockUpgradeError',
  ERR_LOCK_OVER_RELEASE: 'LockOverReleaseError',
  ERR_LOCK_BARRIER_BROKEN: 'BarrierBrokenError',
  ERR_LOCK_QUEUE_CLOSED: 'QueueClosedError',
  ERR_LOCK_WOULD_BLOCK_MAIN: 'WouldBlockMainError',
  ERR_LOCK_ASYNC_BODY: 'AsyncBodyError',
  ERR_LOCK_KIND_MISMATCH: 'LockKindMismatchError',
  ERR_LOCK_REGISTRY_FULL: 'LockRegistryFullError',
  ERR_LOCK_AGENTS_FULL: 'LockAgentsFullError',
  ERR_LOCK_NO_SEGMENT: 'NoSegmentError',
  ERR_LOCK_LAYOUT: 'LockLayoutError',
  ERR_LOCK_CLOSED: 'LockClosedError',
  ERR_LOCK_FILE: 'FileLockError',
  ERR_LOCK_REDIS: 'RedisLockError',
  ERR_LOCK_LOST: 'LockLostError',
} as const;

/** What an error knows, as plain JSON: it survives `structuredClone` and Piscina in `error.cause`. */
export type LockReport = { readonly [key: string]: unknown };

/** A thread of a cycle. */
export interface DeadlockEdge {
  /** `threadId` of the worker; 0 is the main thread. */
  readonly threadId: number;
  /** The lock that it waits for; the next thread of the cycle holds it. */
  readonly waitsFor: string;
  readonly kind: string;
  readonly waitedMs: number;
  /** The lock that it holds, and for which the thread before it waits. */
  readonly holds: string;
}

const brand = Symbol.for('holdfast.LockError');

/**
 * Base class of all errors of this package: tell them apart by `code`. Where one may have crossed a thread boundary, which strips
 * class, `name` and `code`, ask {@link isLockError} or {@link LockError.from}, which also read what survives.
 */
export class LockError extends Error {
  readonly code: LockErrorCode;
  /** The facts of the message, as data. */
  readonly report: LockReport;
  declare readonly cause: { readonly code: LockErrorCode; readonly report: LockReport };

  /** `within`: the function that the stack trace shall begin below. */
  constructor(code: LockErrorCode, message: string, report: LockReport = {}, within?: (...args: never[]) => unknown) {
    super(message, { cause: { code, report } });
    this.code = code;
    this.report = report;
    Object.defineProperty(this, brand, { value: true });
    // The first line of the stack is the only place besides `cause` where the code survives a thread boundary.
    Object.defineProperty(this, 'name', { value: `${names[code]} [${code}]`, configurable: true, writable: true });
    Error.captureStackTrace?.(this, within ?? LockError);
    // It is written when it is first read, with the name as it is then.
    void this.stack;
    Object.defineProperty(this, 'name', { value: names[code], configurable: true, writable: true });
  }

  /** Of `ERR_LOCK_DEADLOCK`: the threads of the cycle, each with the lock that it waits for, which the next one holds. */
  get cycle(): readonly DeadlockEdge[] | undefined {
    return this.report['cycle'] as readonly DeadlockEdge[] | undefined;
  }

  /** The `LockError` that a value is, or was before it crossed a thread boundary; `undefined` if it never was one. */
  static from(value: unknown): LockError | undefined {
    if (isBranded(value)) return value;
    const code = survivingCode(value);
    if (code === undefined) return undefined;
    const { message, stack, cause } = value as Error;
    const report = isCause(cause) ? cause.report : {};
    const error = new LockError(code, message, report);
    if (stack !== undefined) error.stack = stack;
    return error;
  }
}

/** Whether a value is a {@link LockError} of that code (of any code, if none is given), here or before it crossed a thread boundary. */
export function isLockError(value: unknown, code?: LockErrorCode): boolean {
  const found = isBranded(value) ? value.code : survivingCode(value);
  return found !== undefined && (code === undefined || found === code);
}

function isBranded(value: unknown): value is LockError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
}

function isCause(value: unknown): value is LockError['cause'] {
  if (typeof value !== 'object' || value === null || value instanceof Error) return false;
  const { code, report } = value as Record<string, unknown>;
  return isCode(code) && typeof report === 'object' && report !== null;
}

function isCode(value: unknown): value is LockErrorCode {
  return typeof value === 'string' && Object.hasOwn(names, value);
}

function survivingCode(value: unknown): LockErrorCode | undefined {
  if (!(value instanceof Error)) return undefined;
  if (isCause(value.cause)) return value.cause.code;
  const code = /^[^\n]*\[(ERR_LOCK_[A-Z_]+)\]/.exec(value.stack ?? '')?.[1];
  return isCode(code) ? code : undefined;
}
