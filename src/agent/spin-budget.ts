import type { SharedWords } from '../shm/words.js';

/** About what a sleep and a wake cost the sleeper's processor; `bench` shows throughput over this. */
const SPIN_US = 10;
const SAMPLE = 2_000;
/** The first is slower by far: the code that looks is compiled then. */
const SAMPLES = 5;

let calibrated = 0;

/** How many looks at a word take `SPIN_US` on this machine; measured once per thread. `at`: a word that is not 0. */
export function spinRounds(words: SharedWords, at: number): number {
  if (calibrated !== 0) return calibrated;
  let us = Infinity;
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now();
    words.spin(at, -1, 0, SAMPLE);
    us = Math.min(us, (performance.now() - start) * 1_000);
  }
  return (calibrated = Math.min(20_000, Math.max(200, Math.round((SAMPLE * SPIN_US) / us))));
}
