import { locks, semaphores } from './locks.cjs';

/**
 * What must hold once all threads but this one have ended and every lock was acquired once more: notes violations in the shadow, and
 * returns the sums. Where a thread died in the middle of a call, it can have been counted by the library without having noted that
 * itself, so the library's count may be higher by at most the number of those.
 */
export function audit(shadow, manager) {
  const sums = { operations: 0, timeouts: 0, aborts: 0, diedInside: 0, diedInCall: 0, told: 0, ownerDeaths: 0, diedHolding: 0 };
  locks.forEach(({ name }, lock) => {
    const all = { acquired: 0, done: 0, timeouts: 0, aborts: 0, deadlocks: 0, inside: 0, inCall: 0, pending: 0, told: 0 };
    for (let thread = 0; thread < shadow.threads; thread++) {
      const of = (word) => shadow.ofCall(thread, lock, word);
      for (const word of ['acquired', 'done', 'timeouts', 'aborts', 'deadlocks', 'pending']) all[word] += of(word);
      const told = of('told') !== 0;
      const inside = of('section') === 1;
      const inCall = of('pending') > 0 || of('leaving') === 1;
      all.told += told ? 1 : 0;
      all.inside += inside ? 1 : 0;
      all.inCall += inCall && !inside ? 1 : 0;
      if (inside && !told) shadow.violation(`${name}: thread ${thread} died inside, which was told to nobody`);
      if (told && !inside && !inCall) shadow.violation(`${name}: thread ${of('told') - 1} was told of the death of thread ${thread}, which did not hold`);
    }
    const { locks: { exclusive }, deadlocks, ownerDeaths } = manager.getStatistics(name);
    const completed = shadow.ofLock(lock, 'completed');
    const between = comparison(shadow, name);
    between('totalAcquisitions', exclusive.totalAcquisitions, all.acquired, all.acquired + all.inCall);
    between('contendedAcquisitions', exclusive.contendedAcquisitions, 0, exclusive.totalAcquisitions);
    between('totalTimeouts', exclusive.totalTimeouts, all.timeouts, all.timeouts + all.pending);
    between('totalAborts', exclusive.totalAborts, all.aborts, all.aborts + all.pending);
    between('deadlocks', deadlocks, all.deadlocks, all.deadlocks + all.pending);
    between('ownerDeaths', ownerDeaths, all.told, all.told + all.inCall);
    between('completed sections', completed, all.done, all.done + all.inside);
    between('entered sections', shadow.ofLock(lock, 'entries'), completed, completed + all.inside);
    sums.operations += all.acquired;
    sums.timeouts += all.timeouts;
    sums.aborts += all.aborts;
    sums.diedInside += all.inside;
    sums.diedInCall += all.inCall;
    sums.told += all.told;
    sums.ownerDeaths += ownerDeaths;
  });
  semaphores.forEach(({ name, permits }, i) => auditPermits(shadow, manager, name, permits, locks.length + i, sums));
  return sums;
}

/** Of a semaphore nobody is told of a death; what the dead held is free again. */
function auditPermits(shadow, manager, name, permits, index, sums) {
  const all = { acquired: 0, timeouts: 0, aborts: 0, deadlocks: 0, pending: 0 };
  let holding = 0;
  let inCall = 0;
  for (let thread = 0; thread < shadow.threads; thread++) {
    const of = (word) => shadow.ofCall(thread, index, word);
    for (const word of Object.keys(all)) all[word] += of(word);
    if (shadow.heldBy(thread, index) > 0) holding++;
    else if (of('pending') > 0 || of('leaving') > 0) inCall++;
  }
  const { locks: { permit }, deadlocks, ownerDeaths } = manager.getStatistics(name);
  const between = comparison(shadow, name);
  between('totalAcquisitions', permit.totalAcquisitions, all.acquired, all.acquired + all.pending);
  between('contendedAcquisitions', permit.contendedAcquisitions, 0, permit.totalAcquisitions);
  between('totalTimeouts', permit.totalTimeouts, all.timeouts, all.timeouts + all.pending);
  between('totalAborts', permit.totalAborts, all.aborts, all.aborts + all.pending);
  between('deadlocks', deadlocks, all.deadlocks, all.deadlocks + all.pending);
  between('ownerDeaths', ownerDeaths, holding, holding + inCall);
  between('free permits', manager.semaphore(name, { permits }).available, permits, permits);
  sums.operations += all.acquired;
  sums.timeouts += all.timeouts;
  sums.aborts += all.aborts;
  sums.diedHolding += holding;
  sums.diedInCall += inCall;
}

function comparison(shadow, name) {
  return (what, count, least, most) => {
    if (count < least || count > most) shadow.violation(`${name}: ${what}: ${count}, expected ${least === most ? least : `${least} to ${most}`}`);
  };
}
