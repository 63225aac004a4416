/**
 * The locks of the storm, one of each kind. `tells`: how an acquirer learns of the death of the previous owner: its repair
 * function is called, the acquisition is refused until somebody mends by `acquireInconsistent`, or the guard carries it.
 */
const locks = [
  { name: 'eventual', options: {}, tells: 'repair' },
  { name: 'fifo', options: { fairness: 'fifo' }, tells: 'repair' },
  { name: 'reentrant', options: { reentrant: true }, tells: 'repair' },
  { name: 'poison', options: { ownerDeath: 'poison' }, tells: 'error' },
  { name: 'poison-fifo', options: { ownerDeath: 'poison', fairness: 'fifo' }, tells: 'error' },
  { name: 'release', options: { ownerDeath: 'release' }, tells: 'guard' },
  { name: 'release-fifo-reentrant', options: { ownerDeath: 'release', fairness: 'fifo', reentrant: true }, tells: 'guard' },
];

/** The semaphores of the storm. In the shadow they come after the locks. */
const semaphores = [
  { name: 'permits', permits: 5 },
  { name: 'permit', permits: 1 },
];

module.exports = { locks, semaphores };
