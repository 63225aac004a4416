/** Counts primes as long as there is something to do. */
import { getLockManager } from 'holdfast';

const manager = getLockManager();
const jobs = manager.queue<{ from: number; to: number }>('jobs', { capacity: 16, maxItemBytes: 64 });
const results = manager.queue<{ from: number; primes: number }>('results', { capacity: 16, maxItemBytes: 64 });

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n >= 2;
}

// Blocks this thread while nothing is there, and ends once the queue is closed and empty.
for (const { from, to } of jobs) {
  const primes = Array.from({ length: to - from }, (_, i) => from + i).filter(isPrime).length;
  results.push({ from, primes });
}
