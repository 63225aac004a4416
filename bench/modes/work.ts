/** Work that no compiler shortens: each step needs the one before. The peers in other languages have the same. */
export function work(seed: number, steps: number): number {
  let x = seed;
  for (let i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x;
}

/** Steps of `work` in a nanosecond, on this machine now; the best of several tries. */
export function stepsPerNs(): number {
  const steps = 1_000_000;
  let best = 0;
  let x = 1;
  for (let attempt = 0; attempt < 20; attempt++) {
    const startMs = performance.now();
    x = work(x, steps);
    best = Math.max(best, steps / ((performance.now() - startMs) * 1e6));
  }
  // A generator of this kind never reaches 0.
  return x === 0 ? 0 : best;
}
