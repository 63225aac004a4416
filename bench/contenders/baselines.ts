/** What locks are compared with where it is no lock. */
export const PAIR = 'Atomics pair';
export const RAW = 'Atomics.wait and notify';
export const BARE = 'Atomics.notify at the exit event';
export const EMPTY = 'empty module';
