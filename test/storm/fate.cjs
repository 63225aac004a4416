/** How a thread ends by itself. */

/** Thrown by a thread that ends by an error that nobody catches. */
class Doomed extends Error {}

/** Thrown by a thread that ends by having nothing more to do. */
class Finished extends Error {}

/** Whether the thread's own code still runs after that, on the way out. */
function unwinds(way) {
  return way !== 'exit' && way !== 'oom';
}

function end(way, manager) {
  switch (way) {
    case 'exit':
      return process.exit(0);
    case 'throw':
      throw new Doomed('as planned');
    case 'finish':
      throw new Finished();
    case 'close':
      void manager.close();
      throw new Finished();
    case 'oom':
      return runOutOfMemory();
  }
}

/** By small objects: one that is larger than the limit would end the whole process. */
function runOutOfMemory() {
  const kept = [];
  for (;;) kept.push({ text: String(kept.length), next: kept.at(-1) });
}

module.exports = { Doomed, Finished, unwinds, end };
