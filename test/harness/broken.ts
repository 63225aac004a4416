import type { Change } from './build-copy.js';

/** A waiter does not look by itself from time to time: what should have woken it must have done so. */
const noPatrol: Change = { find: /PATROL_MS=50\b/, put: 'PATROL_MS=2147483647' };
/** As where the system does not show threads. */
const noThreadList: Change = { find: /process\.platform!=="linux"/, put: 'true' };

/** The bare protocol, without what else may find a forgotten waiter. */
export const bare: readonly Change[] = [noPatrol, noThreadList];

/** What is wrong in a build that the tests must tell from the right one. */
export const broken = {
  /** As the Linux kernel does for its robust futexes. */
  sweepsOnlyAfterOwners: [
    { find: /(function repairAfter\([^)]*\)\{)/, put: '$1globalThis.owned=false;' },
    { find: /if\(!held\)return false;/, put: '$&globalThis.owned=true;' },
    { find: /if\(id===dead\)continue/, put: 'if(id===dead||!globalThis.owned)continue' },
  ],
  releasesWithoutWake: [{ find: /if\(\w+&WAITERS\)wakeNext\(segment,\w+\);/, put: '' }],
  recoversNever: [{ find: /#onThreadEnd\(ended\)\{/, put: '$&return;' }],
  /** Only the thread itself is found dead, not those that have stopped with it. */
  forgetsKin: [{ find: /function markChildren\([^)]*\)\{/, put: '$&return false;' }],
  /** Asks who recovers before it has marked the descendants of the dead, of whom the recoverer may be one. */
  marksKinLate: [{ find: /if\(markChildren\(segment,id\)\)marked=true/, put: '' }],
  tellsNobody: [{ find: /(compareExchange\(\w+,\w+,\w+&CLOSED)\|DIED\)/, put: '$1)' }],
  tellsTwice: [{ find: /(function declareConsistent\([^)]*\)\{)/, put: '$1return true;' }],
  letsTwoIn: [
    { find: /if\(owner!==0&&owner!==self\)return BUSY;/, put: '' },
    { find: /TAKEN=OWNER\|DIED\|CLOSED;/, put: 'TAKEN=DIED|CLOSED;' },
  ],
  /** They seem to belong to a thread of which nobody hears. */
  keepsRecords: [{ find: /(function giveBack\(segment,id\)\{segment\.words\.store\(agentAt\(segment,id\)\+CLAIM\d*,)0\)/, put: '$1ATTACHING)' }],
  neverPatrols: [noPatrol],
  /** Whoever has had to wait takes permits without a look at what the others hold. */
  givesPermitsTwice: [{ find: /if\(freePermits\(segment,slotAddress\)<amount\)return BUSY;/, put: '' }],
  losesPermits: [{ find: /if\(held\)words\.store\(holdAt\(segment,slotAddress,dead\),0\);/, put: '' }],
  /** Of a semaphore: a thread that died in the section is in it for ever. */
  keepsSection: [{ find: /if\(\(\w+&OWNER\)!==dead\|\|words\.compareExchange\(slotAddress,\w+,\w+&~OWNER\)===\w+\)return\}/, put: 'return}' }],
  /** As if several locks were taken in the order in which the caller names them. */
  takesLocksAsNamed: [{ find: /\.sort\(byKey\)/, put: '' }],
  seesNoCycle: [{ find: /function cycleToYieldTo\(segment,self\)\{/, put: '$&return;' }],
  /** Whoever would have to wait is refused. */
  seesCyclesEverywhere: [{ find: /function cycleToYieldTo\(segment,self\)\{/, put: '$&return[{id:self,slotNumber:0}];' }],
} as const satisfies Record<string, readonly Change[]>;
