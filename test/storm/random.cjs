/** Numbers from 0 up to 1 that follow from the seed (mulberry32). */
function randomOf(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A whole number from 0 up to `below`. */
function below(random, limit) {
  return Math.floor(random() * limit);
}

/** One of `[weight, value]` pairs. */
function weighted(random, choices) {
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices.at(-1)[1];
}

module.exports = { randomOf, below, weighted };
