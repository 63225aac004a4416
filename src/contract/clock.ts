/** Milliseconds since the epoch on a clock that never jumps and that all threads of a process agree on. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
