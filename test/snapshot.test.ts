import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LockManager, type LockSnapshot, type ManagerOptions, type Snapshot, type SnapshotData } from 'holdfast';
import { endThreads, newLog, sharedWords, startThreads, Thread, until, untilBlocked } from './harness/workers.js';

let manager: LockManager;
/** Waits that the end of a test may break off. */
let waits: Promise<unknown>[];

beforeEach(() => {
  manager = LockManager.create();
  waits = [];
});
afterEach(async () => {
  await endThreads();
  await Promise.allSettled(waits);
  await manager.close();
});

async function reopen(options: ManagerOptions): Promise<void> {
  await manager.close();
  manager = LockManager.create(options);
}

function lockOf(snapshot: SnapshotData, name: string): LockSnapshot {
  return snapshot.locks.find((lock) => lock.name === name)!;
}

function threadOf(snapshot: SnapshotData, { threadId }: { threadId: number }) {
  return snapshot.threads.find((thread) => thread.threadId === threadId);
}

/** Has a thread wait for a lock for which nobody else waits. */
async function block(thread: Thread, lock: string, options?: { permits: number }, waiting = 1): Promise<void> {
  const wait = thread.do('acquire', lock, { timeoutMs: Infinity, ...options });
  wait.catch(() => {});
  waits.push(wait);
  await untilBlocked(manager, lock.split('#')[0]!, waiting);
}

/** Of a manager in which nothing moves. */
function still(): Snapshot {
  const snapshot = manager.snapshot();
  expect([...snapshot.locks, ...snapshot.threads].filter(({ torn }) => torn)).toEqual([]);
  return snapshot;
}

/** Thread i holds lock i and waits for lock i − 1. */
async function chain(names: readonly string[]): Promise<Thread[]> {
  const threads = await startThreads(names.length);
  await Promise.all(threads.map((thread, i) => thread.do('acquire', names[i]!)));
  for (const [i, thread] of threads.entries()) if (i > 0) await block(thread, names[i - 1]!);
  return threads;
}

test('of a manager without locks: this thread, running', () => {
  const snapshot = still();
  expect(snapshot).toMatchObject({ name: 'default', processId: process.pid, locks: [], cycles: [], trees: [] });
  expect(snapshot.threads).toEqual([{ threadId: 0, state: 'running', holds: [], awaits: [] }]);
  expect(Math.abs(Date.now() - snapshot.at)).toBeLessThan(60_000);
  expect(String(snapshot)).toBe(`locks "default" of process ${process.pid}: 1 thread (1 running, 0 blocked), 0 locks (0 held)`);
  expect(snapshot.toDOT()).toBe('digraph holdfast {\n}\n');
  expect(snapshot.toMermaid()).toBe('flowchart LR\n');
});

test('a thread that holds and one that is blocked, and what the lock has counted', async () => {
  const [holder, waiter] = await chain(['first', 'second']);
  const snapshot = still();
  expect(threadOf(snapshot, holder!)).toEqual({ threadId: holder!.threadId, state: 'running', holds: ['first'], awaits: [] });
  expect(threadOf(snapshot, waiter!)).toEqual({
    threadId: waiter!.threadId,
    state: 'blocked',
    blockedOn: { lock: 'first', kind: 'mutex', waitedMs: expect.any(Number) },
    holds: ['second'],
    awaits: [],
  });
  const { waiters, holders, blockedMs, statistics, ...rest } = lockOf(snapshot, 'first');
  expect(rest).toEqual({ name: 'first', kind: 'mutex', state: 'held', awaitedBy: [] });
  expect(holders).toMatchObject([{ threadId: holder!.threadId }]);
  expect(waiters).toMatchObject([{ threadId: waiter!.threadId, waitedMs: blockedMs }]);
  expect(statistics).toMatchObject({ totalAcquisitions: 1, contendedShare: 0, deadlocks: 0, ownerDeaths: 0 });
  expect(statistics.modes).toEqual({ exclusive: manager.getStatistics('first')!.locks.exclusive });
});

test('what was contended counts as its share, with the times of the waits and a sample of the holds', async () => {
  const mutex = manager.mutex('m');
  const thread = await Thread.start();
  mutex.lock();
  const entered = thread.do('enter', 'm', newLog(1), 1);
  await untilBlocked(manager, 'm', 1);
  mutex.unlock();
  await entered;
  mutex.run(() => {});
  mutex.run(() => {});
  const snapshot = still();
  const { statistics, blockedMs } = lockOf(snapshot, 'm');
  expect(blockedMs).toBe(0);
  expect(statistics).toMatchObject({ totalAcquisitions: 4, contendedShare: 0.25, modes: { exclusive: { totalWaits: 1, sampledHolds: 1 } } });
  const text = String(snapshot);
  expect(text).toContain('25 %');
  expect(text).toContain('* of those holds alone that began with a wait');
});

test('a time that five threads lose counts five times; where most is lost comes first', async () => {
  const six = await startThreads(6);
  const [alone, ...five] = six as [Thread, ...Thread[]];
  manager.mutex('alone').lock();
  manager.mutex('five').lock();
  await block(alone, 'alone');
  for (const [i, thread] of five.entries()) await block(thread, 'five', undefined, i + 1);
  // Until four of them have lost more together than the one who has waited for longest.
  await until('five outweigh one', () => {
    const { waiters } = manager.getLockStatus('five')!;
    return Math.min(...waiters.map(({ waitedMs }) => waitedMs)) * 4 > manager.getLockStatus('alone')!.waiters[0]!.waitedMs;
  });
  const snapshot = still();
  expect(snapshot.locks.map(({ name }) => name)).toEqual(['five', 'alone']);
  const { waiters, blockedMs } = snapshot.locks[0]!;
  expect(blockedMs).toBeCloseTo(waiters.reduce((sum, { waitedMs }) => sum + waitedMs, 0), 6);
  expect(blockedMs).toBeGreaterThan(4 * Math.min(...waiters.map(({ waitedMs }) => waitedMs)));
  expect(snapshot.trees).toMatchObject([
    { lock: 'five', threads: 5, holders: [{ threadId: 0, state: 'running' }] },
    { lock: 'alone', threads: 1 },
  ]);
});

test('a chain of three is one tree, with the one that runs at its root', async () => {
  const [root, middle, last] = (await chain(['a', 'b', 'c'])) as [Thread, Thread, Thread];
  const snapshot = still();
  const { trees } = snapshot;
  expect(trees).toMatchObject([
    {
      lock: 'a',
      kind: 'mutex',
      holders: [{ threadId: root.threadId, state: 'running' }],
      threads: 2,
      waiters: [{ threadId: middle.threadId, blocks: [{ lock: 'b', holders: [{ threadId: middle.threadId, state: 'blocked' }], threads: 1, waiters: [{ threadId: last.threadId, blocks: [] }] }] }],
    },
  ]);
  expect(trees[0]!.blockedMs).toBeCloseTo(lockOf(snapshot, 'a').blockedMs + lockOf(snapshot, 'b').blockedMs, 6);
  expect(trees[0]).not.toHaveProperty('inCycle');
  const lines = String(snapshot).split('\n');
  const time = String.raw`(\d+ ms|\d+\.\d\d s)`;
  expect(lines.slice(-4)).toEqual([
    expect.stringMatching(new RegExp(`^"a" \\(mutex\\), held by worker ${root.threadId} \\(running\\)( for ≥ ${time})?: 2 threads blocked for ${time} in all$`)),
    expect.stringMatching(new RegExp(`^└─ worker ${middle.threadId} for ${time}$`)),
    '   └─ holds "b" (mutex)',
    expect.stringMatching(new RegExp(`^      └─ worker ${last.threadId} for ${time}$`)),
  ]);
});

test("a cycle, with deadlock: 'report', is told, marked and drawn red, with those who wait behind it", async () => {
  await reopen({ deadlock: 'report' });
  const [a, b] = (await chain(['x', 'y'])) as [Thread, Thread];
  await block(a, 'y');
  const behind = await Thread.start();
  await block(behind, 'x', undefined, 2);
  const snapshot = still();
  expect(snapshot.cycles).toHaveLength(1);
  expect([...snapshot.cycles[0]!.cycle].sort((one, other) => one.holds.localeCompare(other.holds))).toMatchObject([
    { threadId: a.threadId, holds: 'x', waitsFor: 'y' },
    { threadId: b.threadId, holds: 'y', waitsFor: 'x' },
  ]);
  expect(snapshot.trees).toHaveLength(1);
  const [tree] = snapshot.trees;
  expect(tree).toMatchObject({ inCycle: true, threads: 3 });
  const text = String(snapshot);
  expect(text).toContain(', 1 deadlock\n');
  expect(text).toMatch(/^deadlock: worker \d+ → "[xy]" → worker \d+ → "[xy]" → worker \d+$/m);
  expect(text).toContain(', in a deadlock: 3 threads blocked');
  const index = Object.fromEntries(snapshot.locks.map(({ name }, i) => [name, `lock${i}`]));
  const red = snapshot.toDOT().split('\n').filter((line) => line.includes('color=red')).map((line) => line.trim().split(' [')[0]);
  const circle = [`${index['x']} -> thread${a.threadId}`, `thread${a.threadId} -> ${index['y']}`, `${index['y']} -> thread${b.threadId}`, `thread${b.threadId} -> ${index['x']}`];
  expect(red.sort()).toEqual(circle.sort());
  const mermaid = snapshot.toMermaid().split('\n');
  const edges = mermaid.filter((line) => /(-->|==>|-\.->)/.test(line)).map((line) => line.trim().replace(/ \S+\|.*\| /, ' -> '));
  const styled = /^ {2}linkStyle ([\d,]+) stroke:red$/m.exec(snapshot.toMermaid())![1]!.split(',').map((i) => edges[Number(i)]);
  expect(styled.sort()).toEqual(circle);
});

test('who waits for a signal stands below no holder, and what that thread holds below it', async () => {
  const [waiting, behind] = await startThreads(2);
  await waiting!.do('openGate', 'go', {});
  await waiting!.do('acquire', 'm');
  const passing = waiting!.do('passAndNote', 'go', newLog(1), 1, { timeoutMs: Infinity });
  await untilBlocked(manager, 'go', 1);
  await block(behind!, 'm');
  const snapshot = still();
  expect(snapshot.trees).toMatchObject([{ lock: 'go', kind: 'event', holders: [], waiters: [{ threadId: waiting!.threadId, blocks: [{ lock: 'm', waiters: [{ threadId: behind!.threadId }] }] }] }]);
  expect(String(snapshot)).toMatch(/^"go" \(event\): 2 threads blocked/m);
  manager.event('go').set();
  await passing;
  expect(lockOf(manager.snapshot(), 'go')).toMatchObject({ isSet: true, waiters: [], statistics: { modes: { wait: { totalWaits: 1 } } } });
});

test('a semaphore with several holders, and who wants how many', async () => {
  const three = (await startThreads(3)) as [Thread, Thread, Thread];
  await Promise.all(three.map((thread) => thread.do('openSemaphore', 's', { permits: 4 })));
  const [two, one, wants] = three;
  await two.do('acquire', 's', { permits: 2 });
  await one.do('acquire', 's', { permits: 1 });
  await block(wants, 's', { permits: 3 });
  const snapshot = still();
  expect(lockOf(snapshot, 's')).toMatchObject({
    state: 'held',
    permits: { total: 4, available: 1 },
    holders: [{ threadId: two.threadId, permits: 2 }, { threadId: one.threadId, permits: 1 }],
    waiters: [{ threadId: wants.threadId, permits: 3 }],
    statistics: { totalAcquisitions: 2, modes: { permit: { totalAcquisitions: 2 } } },
  });
  expect(threadOf(snapshot, wants)!.blockedOn).toMatchObject({ lock: 's', kind: 'semaphore', permits: 3 });
  expect(snapshot.toDOT()).toContain(` -> thread${two.threadId} [label="held by (2)"`);
  expect(String(snapshot)).toContain(`worker ${two.threadId} (2), worker ${one.threadId} (1)`);
  expect(String(snapshot)).toMatch(/: 3 permits$/m);
});

test('a semaphore is below a holder that is blocked only if no other holder runs', async () => {
  const [a, b, c] = (await startThreads(3)) as [Thread, Thread, Thread];
  await Promise.all([a, b, c].map((thread) => thread.do('openSemaphore', 's', { permits: 2 })));
  await a.do('acquire', 's');
  await b.do('acquire', 's');
  manager.mutex('x').lock();
  await block(a, 'x');
  await block(c, 's');
  expect(still().trees.map(({ lock }) => lock).sort()).toEqual(['s', 'x']);
  await block(b, 'x', undefined, 2);
  expect(still().trees).toMatchObject([{ lock: 'x', threads: 3, waiters: [{ threadId: a.threadId, blocks: [{ lock: 's' }] }, { threadId: b.threadId, blocks: [] }] }]);
});

test('an rwlock with several readers and a writer behind them', async () => {
  const [one, two, writer] = (await startThreads(3)) as [Thread, Thread, Thread];
  await one.do('acquire', 'l#read');
  await two.do('acquire', 'l#read');
  await block(writer, 'l#write');
  const snapshot = still();
  expect(lockOf(snapshot, 'l')).toMatchObject({
    state: 'held',
    holders: [{ threadId: one.threadId, mode: 'shared' }, { threadId: two.threadId, mode: 'shared' }],
    waiters: [{ threadId: writer.threadId, mode: 'exclusive' }],
    statistics: { totalAcquisitions: 2, modes: { read: { totalAcquisitions: 2 }, write: { totalAcquisitions: 0 } } },
  });
  expect([one, two].map((thread) => threadOf(snapshot, thread)!.holds)).toEqual([['l'], ['l']]);
  expect(snapshot.trees).toMatchObject([{ lock: 'l', holders: [{ threadId: one.threadId }, { threadId: two.threadId }], threads: 1 }]);
});

test('a queue: who waits for an item, and what flows wait for', async () => {
  const jobs = manager.queue('jobs', { capacity: 1, maxItemBytes: 16 });
  const thread = await Thread.start();
  waits.push(thread.do('onQueue', 'jobs', { capacity: 1, maxItemBytes: 16 }, 'pop'));
  await untilBlocked(manager, 'jobs', 1);
  expect(threadOf(still(), thread)!.blockedOn).toMatchObject({ lock: 'jobs', kind: 'queue', wants: 'item' });
  jobs.tryPush(1);
  await Promise.all(waits);
  jobs.tryPush(2);
  const pushing = jobs.pushAsync(3);
  const snapshot = still();
  expect(lockOf(snapshot, 'jobs')).toMatchObject({ items: { length: 1, capacity: 1 }, awaitedBy: [{ threadId: 0 }], statistics: { modes: { push: { totalAcquisitions: 2 }, pop: { totalAcquisitions: 1 } } } });
  expect(threadOf(snapshot, { threadId: 0 })).toMatchObject({ state: 'running', awaits: ['jobs'] });
  expect(snapshot.toDOT()).toMatch(/^ {2}thread0 -> lock0 \[label="awaits", style=dashed\];$/m);
  expect(jobs.tryPop()).toBe(2);
  await pushing;
});

test('from a worker, while the main thread is blocked', async () => {
  await reopen({ blockingOnMain: 'allow' });
  const thread = await Thread.start();
  await thread.do('acquire', 'm');
  const taken = thread.do('snapshotWhenBlocked', 'm', 1);
  manager.mutex('m').acquire({ timeoutMs: Infinity }).release();
  const snapshot = await taken;
  expect(threadOf(snapshot, { threadId: 0 })).toMatchObject({ state: 'blocked', blockedOn: { lock: 'm', kind: 'mutex' } });
  expect(threadOf(snapshot, thread)).toMatchObject({ state: 'running', holds: ['m'] });
  expect(snapshot.trees).toMatchObject([{ lock: 'm', holders: [{ threadId: thread.threadId }], waiters: [{ threadId: 0 }] }]);
});

test('what moves while it is read is marked, and nothing else', async () => {
  manager.mutex('still').lock();
  const thread = await Thread.start();
  const gate = sharedWords(2);
  const hammering = thread.do('hammer', 'busy', gate);
  const torn = await until('a torn row', () => {
    const snapshot = manager.snapshot();
    return lockOf(snapshot, 'busy')?.torn && snapshot;
  });
  Atomics.store(gate, 1, 1);
  await hammering;
  expect(torn.locks.filter((lock) => lock.torn).map(({ name }) => name)).toEqual(['busy']);
  expect(torn.threads.filter((one) => one.torn)).toEqual([]);
  expect(String(torn)).toMatch(/^ {2}~ busy .*$/m);
  expect(String(torn)).toContain('~ moved while it was read');
  expect(String(still())).not.toContain('~');
});

test('does not change afterwards, and is left as it is by what it is read through', async () => {
  const [, waiter] = await chain(['a', 'b']);
  const snapshot = still();
  const before = structuredClone(snapshot) as SnapshotData;
  await waiter!.end('terminate()');
  await until('recovery', () => manager.getLockStatus('b')!.state === 'inconsistent');
  expect(JSON.parse(JSON.stringify(snapshot))).toEqual(before);
  expect(Object.keys(before)).toEqual(['name', 'processId', 'at', 'threads', 'locks', 'cycles', 'trees']);
  expect(lockOf(manager.snapshot(), 'b')).toMatchObject({ state: 'inconsistent', statistics: { ownerDeaths: 1 } });
});

test('console.log and toString show the same', () => {
  manager.mutex('m').lock();
  const snapshot = still();
  expect(inspect(snapshot)).toBe(String(snapshot));
  expect(`${snapshot}`).toBe(snapshot.toString());
});

test('locks whose names differ in brackets are one row', () => {
  for (let i = 0; i < 40; i++) manager.mutex(`cache[${i}]`).run(() => {});
  manager.mutex('cache[17]').lock();
  manager.semaphore('cache[s]', { permits: 1 });
  const rows = String(still()).split('\n');
  expect(rows).toContainEqual(expect.stringMatching(/^ {2}cache\[\*\] \(40\) +mutex +1 held +the main thread .*\b41\b/));
  expect(rows).toContainEqual(expect.stringMatching(/^ {2}cache\[s\] +semaphore +1 of 1 free/));
  expect(rows).toHaveLength(5);
});

test('more rows than can be read are counted', () => {
  for (let i = 0; i < 33; i++) manager.mutex(`lock ${i}`);
  expect(String(still())).toContain('\n  3 more rows');
});

describe('names that mean something to what shows them', () => {
  const names = ['say "hi"', 'a\nb\r\u001b[31m', '<b>&amp;</b>', 'back\\slash\\', '%%{init: {}}%%', 'end;]) `x` #35;', 'übermut 漢字', 'style:"#1;'];

  beforeEach(() => {
    for (const name of names) manager.mutex(name).lock();
  });

  test('are quoted for Graphviz', () => {
    const lines = still().toDOT().split('\n');
    const statement = /^ {2}(lock\d+|thread\d+) (\[shape=(?:box|ellipse), label="((?:[^"\\]|\\.)*)"\]|-> (lock|thread)\d+ \[label="(?:[^"\\]|\\.)*", style=\w+\]);$/;
    for (const line of lines.slice(1, -2)) expect(line).toMatch(statement);
    const labels = lines.filter((line) => line.includes('shape=box')).map((line) => statement.exec(line)![3]!.split('\\nmutex')[0]!);
    const read = labels.map((label) => label.replaceAll(/\\(.)/g, '$1').replaceAll('&amp;', '&'));
    expect(read.sort()).toEqual(names.map((name) => `"${name.replace('\n', '\\n').replace('\r', '\\u{d}').replace('\u001b', '\\u{1b}')}"`).sort());
  });

  test('are given by numbers to Mermaid', () => {
    const lines = still().toMermaid().split('\n');
    const plain = String.raw`(?:[\p{L}\p{N} .,()/_-]|#\d+;|<br/>)*`;
    const statement = new RegExp(`^ {2}(?:lock\\d+\\["(${plain})"\\]|thread\\d+\\(\\["${plain}"\\]\\)|(?:lock|thread)\\d+ \\S+\\|"${plain}"\\| (?:lock|thread)\\d+)$`, 'u');
    for (const line of lines.slice(1, -1)) expect(line).toMatch(statement);
    const labels = lines.filter((line) => /^ {2}lock\d+\[/.test(line)).map((line) => statement.exec(line)![1]!.split('<br/>')[0]!);
    const read = labels.map((label) => label.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))));
    expect(read.sort()).toEqual(names.map((name) => `"${name.replace('\n', '\\n').replace('\r', '\\u{d}').replace('\u001b', '\\u{1b}')}"`).sort());
  });

  test('end no line of the text, and send nothing to a terminal', () => {
    const text = String(still());
    expect(text.split('\n')).toHaveLength(1 + 1 + 1 + names.length);
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
    expect(text).toContain('a\\nb\\u{d}\\u{1b}[31m');
  });
});
