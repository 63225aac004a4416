/** What locks are compared with where it is no lock. */
export const PAIR = 'Atomics pair';
/** The same two operations, exported from a WebAssembly module: what any lock called from JavaScript must pay at least. */
export const WASM_PAIR = 'WebAssembly pair';
/** First come, first served with one sleeper per word, and nothing more. */
export const TICKETS = 'futex ticket lock';
export const RAW = 'Atomics.wait and notify';
export const BARE = 'Atomics.notify at the exit event';
export const EMPTY = 'empty module';
