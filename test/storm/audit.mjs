import { locks } from './locks.cjs';

/**
 * What must hold once all threads but this one have ended and every lock was acquired once more: notes violations in the shadow, and
 * returns the sums. Where a thread died in the middle of a call, it can have been counted by the library without having noted that
 * itself, so the library's count may be higher by at most the number of those.
 */
export function audit(shadow, manager) {
  const sums = { operations: 0, timeouts: 0, aborts: 0, diedInside: 0, diedInCall: 0, told: 0, ownerDeaths: 0 };
  locks.forEach(({ name }, lock) => {
    const all = { acquired: 0, done: 0, timeouts: 0, aborts: 0, inside: 0, inCall: 0, pending: 0, told: 0 };
    for (let thread = 0; thread < shadow.threads; thread++) {
      const of = (word) => shadow.ofCall(thread, lock, word);
      for (const word of ['acquired', 'done', 'timeouts', 'aborts', 'pending']) all[word] += of(word);
      const told = of('told') !== 0;
      const inside = of('section') === 1;
      const inCall = of('pending') > 0 || of('leaving') === 1;
      all.told += told ? 1 : 0;
      all.inside += inside ? 1 : 0;
      all.inCall += inCall && !inside ? 1 : 0;
      if (inside && !told) shadow.violation(`${name}: thread ${thread} died inside, which was told to nobody`);
      if (told && !inside && !inCall) shadow.violation(`${name}: thread ${of('told') - 1} was told of the death of thread ${thread}, which did not hold`);
    }
    const { locks: { exclusive }, ownerDeaths } = manager.getStatistics(name);
    const completed = shadow.ofLock(lock, 'completed');
    const between = (what, count, least, most) => {
      if (count < least || count > most) shadow.violation(`${name}: ${what}: ${count}, expected ${least === most ? least : `${least} to ${most}`}`);
    };
    between('totalAcquisitions', exclusive.totalAcquisitions, all.acquired, all.acquired + all.inCall);
    between('contendedAcquisitions', exclusive.contendedAcquisitions, 0, exclusive.totalAcquisitions);
    between('totalTimeouts', exclusive.totalTimeouts, all.timeouts, all.timeouts + all.pending);
    between('totalAborts', exclusive.totalAborts, all.aborts, all.aborts + all.pending);
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
  return sums;
}
