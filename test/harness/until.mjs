/** Looks again and again until `condition()` gives something true, and returns that. Throws after `limitMs`, with what `details()` says. */
export async function until(condition, { limitMs = 10_000, details = () => String(condition) } = {}) {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const result = condition();
    if (result) return result;
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${details()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
