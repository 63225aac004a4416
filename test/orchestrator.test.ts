import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lock } from 'holdfast';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { compare, type Occurrences, type Reference } from '../examples/orchestrator/lib/check.js';
import { allocateClaims, Claims } from '../examples/orchestrator/lib/claims.js';
import { points } from '../examples/orchestrator/lib/control.js';
import { type GuardedMemory, GuardedWords } from '../examples/orchestrator/lib/guarded-words.js';
import { collect, readInput } from '../examples/orchestrator/lib/input.js';
import type { Mending } from '../examples/orchestrator/lib/journal.js';
import { parseOptions } from '../examples/orchestrator/lib/options.js';
import { verdict } from '../examples/orchestrator/lib/report.js';
import { isRunError } from '../examples/orchestrator/lib/run-error.js';
import { Screen } from '../examples/orchestrator/lib/screen.js';
import { allocateTermTable, TermTable } from '../examples/orchestrator/lib/term-table.js';
import { countTerms, deal, type Term } from '../examples/orchestrator/lib/terms.js';
import { allocateTotals, Totals } from '../examples/orchestrator/lib/totals.js';

const PROGRAM = fileURLToPath(new URL('../examples/orchestrator/dist/main.js', import.meta.url));
const RUN_LIMIT = 120_000;

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** `onFirstLine` gets the process once it has said something. */
function run(args: string, onFirstLine?: (kill: (signal: NodeJS.Signals) => void) => void): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stdout.once('data', () => onFirstLine?.((signal) => void child.kill(signal)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, out, err }));
  });
}

describe('the program', () => {
  test('counts, reports, and finds the same as one thread', { timeout: RUN_LIMIT }, async () => {
    const { code, out, err } = await run('--files 200 --agents 3');
    expect(out).toMatch(/^check: passed, [\d,]+ terms equal$/m);
    expect(out).toMatch(/^200 files, .* 3 agents$/m);
    expect(out).toMatch(/^counting: 100 % {2}200 of 200 files/m);
    expect(out).toMatch(/^agent 2 +\d/m);
    expect(out).toMatch(/^all +200 /m);
    expect(out).toMatch(/^totals +200 /m);
    expect(out).toMatch(/^terms\[\*\] +3,200 /m);
    expect(out).not.toContain('\u001B');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('comes to the right result although agents die in critical sections', { timeout: RUN_LIMIT }, async () => {
    const { code, out, err } = await run('--files 200 --kill');
    expect(out).toMatch(/^check: passed, [\d,]+ terms equal$/m);
    for (const { lock, place } of points) expect(out).toContain(` inside ${lock}, its changes ${place}\n`);
    expect(out).toMatch(/owner died: worker \d+ in terms\[\d+\]; repaired by worker \d+ in \d+ µs: \d+ noted changes? dropped/);
    expect(out).toMatch(/owner died: worker \d+ in totals; repaired by .* in \d+ µs: 7 changes completed/);
    const summary = /^(\d) workers killed, (\d) of them inside a lock, each repaired; [1-9] files? redone$/m;
    expect(out).toMatch(summary);
    const [, killed, inside] = summary.exec(out)!;
    expect(Number(inside)).toBeGreaterThanOrEqual(points.length);
    expect(Number(killed)).toBeGreaterThanOrEqual(Number(inside));
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('shows what is lost without locks', { timeout: RUN_LIMIT }, async () => {
    const { code, out, err } = await run('--files 200 --unsafe --agents 4');
    expect(out).toMatch(/^check: (updates lost, |passed, .*\nNo update was lost this time)/m);
    expect(out).not.toMatch(/^terms\[/m);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('ends early when asked, and is right about what it did', { timeout: RUN_LIMIT }, async () => {
    const { code, out, err } = await run('--seconds 0.5 --kill');
    expect(out).toMatch(/^check: passed, [\d,]+ terms? equal$/m);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('says after %s what was done', { timeout: RUN_LIMIT }, async (name, expected) => {
    const { code, signal, out, err } = await run('--agents 2', (kill) => kill(name));
    expect(out).toMatch(/^(interrupted|done) after [\d.]+ s$/m);
    expect(out).toMatch(/^all +\d/m);
    expect(out).toMatch(/^check: not made/m);
    expect({ code, signal, err }).toEqual({ code: expected, signal: null, err: '' });
  });

  test('has help', async () => {
    const { code, out } = await run('--help');
    expect(out).toMatch(/^Usage: npm start -- /);
    expect(code).toBe(0);
  });

  test('ends with 2 and one clear line after bad options', async () => {
    const { code, out, err } = await run('--agents 0');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe('error: --agents must be a whole number from 1 to 64, not "0"\nTry --help.\n');
  });
});

describe('options', () => {
  test.each([
    [['--agents', '1.5'], /--agents must be a whole number from 1 to 64, not "1.5"/],
    [['--agents', '65'], /--agents must be/],
    [['--files', 'many'], /--files must be a whole number/],
    [['--files='], /--files must be/],
    [['--seconds', '0'], /--seconds must be a number from 0.1/],
    [['--seconds', '1e1'], /--seconds must be/],
    [['--fast'], /^Unknown option '--fast'$/],
    [['--agents'], /--agents/],
    [['--kill', '--unsafe'], /exclude each other/],
    [['/no/such/directory'], /there is no directory \/no\/such\/directory/],
    [[PROGRAM], /is not a directory/],
    [['.', '..'], /one directory at most/],
  ])('%j is refused', (args, message) => {
    expect(() => parseOptions(args, '.')).toThrow(message);
  });

  test('have defaults', () => {
    const options = parseOptions([], tmpdir());
    expect(options).toMatchObject({ directory: tmpdir(), seconds: Infinity, mode: 'safe' });
    expect(options).toHaveProperty('agents', expect.any(Number));
    expect(parseOptions(['--agents', '3', '--kill', '..'], '.')).toMatchObject({ agents: 3, mode: 'kill' });
  });
});

describe('input', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-input-'));
    for (const folder of ['b', '.hidden', 'dist', 'node_modules/a/dist']) mkdirSync(join(directory, folder), { recursive: true });
    const files = ['b/two.ts', 'b/one.js', 'a.md', 'a.png', '.hidden/x.js', 'dist/x.js', 'node_modules/a/dist/x.js', 'z.json'];
    for (const file of files) writeFileSync(join(directory, file), 'text');
    writeFileSync(join(directory, 'large.js'), 'x'.repeat(3 << 20));
  });

  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  test('is what is text and of moderate size, in order', () => {
    const names = ['a.md', 'b/one.js', 'b/two.ts', 'node_modules/a/dist/x.js', 'z.json'];
    expect(collect(directory, 10).map((file) => file.name)).toEqual(names);
    expect(collect(directory, 2).map((file) => file.name)).toEqual(names.slice(0, 2));
  });

  test('must not change meanwhile', () => {
    const [file] = collect(directory, 1);
    expect(readInput(file!)).toBe('text');
    let thrown: unknown;
    try {
      readInput({ ...file!, bytes: 5 });
    } catch (error) {
      // As it comes out of a worker: Piscina clones it.
      thrown = structuredClone(error);
    }
    expect(isRunError(thrown)).toBe(true);
    expect(thrown).toHaveProperty('message', `${file!.path} was changed during the run`);
  });
});

test('terms are words, parts of words, and pairs of words', () => {
  const { tokens, terms } = countTerms('readFileSync(path); path = x + HTTPServer2 naïve');
  expect(Object.fromEntries(terms)).toEqual({
    readfilesync: 1, read: 1, file: 1, sync: 1,
    path: 2,
    httpserver2: 1, http: 1, server: 1,
    naïve: 1,
    'readfilesync path': 1, 'path path': 1, 'path httpserver2': 1, 'httpserver2 naïve': 1,
  });
  expect(tokens).toBe(10);
});

describe('screen', () => {
  function screenOf(isTTY: boolean, noColor?: string, columns = 60): { screen: Screen; written: string[] } {
    const written: string[] = [];
    return { screen: new Screen({ isTTY, columns, write: (text) => written.push(text) }, noColor), written };
  }

  test('keeps the bar below the lines on a terminal', () => {
    const { screen, written } = screenOf(true);
    screen.progress('counting', 1, 2, 3);
    screen.line('news');
    screen.endProgress();
    screen.line('end');
    const bar = `counting ${'█'.repeat(14)}${'░'.repeat(14)}  50 %  1 of 2 files, 3.0 s`.slice(0, 59);
    expect(written).toEqual([`\r\u001B[K${bar}`, `\r\u001B[Knews\n${bar}`, '\r\u001B[K', 'end\n']);
  });

  test('has a bar also on a terminal that does not know its width', () => {
    const { screen, written } = screenOf(true, undefined, 0);
    screen.progress('counting', 1, 2, 3);
    expect(written.join('')).toContain(' 50 %');
  });

  test('writes a few plain lines elsewhere', () => {
    const { screen, written } = screenOf(false);
    for (let done = 1; done <= 100; done++) screen.progress('counting', done, 100, 1);
    expect(written).toEqual([20, 40, 60, 80, 100].map((n) => `counting: ${n} %  ${n} of 100 files, 1.0 s\n`));
    expect(screen.paint('red', 'x')).toBe('x');
  });

  test('has colours on a terminal unless NO_COLOR is set', () => {
    expect(screenOf(true).screen.paint('red', 'x')).toBe('\u001B[31mx\u001B[0m');
    expect(screenOf(true, '').screen.paint('red', 'x')).toBe('\u001B[31mx\u001B[0m');
    expect(screenOf(true, '1').screen.paint('red', 'x')).toBe('x');
  });
});

/** A lock for one thread, and what the next owner would do after a death. */
function guard(memory: GuardedMemory): { guarded: GuardedWords; mend: () => Mending } {
  const free = { [Symbol.dispose]: () => undefined };
  let mend: (() => Mending) | undefined;
  const guarded = new GuardedWords(memory, (_, given) => {
    mend = given;
    return { acquire: () => free, acquireAsync: () => Promise.resolve(free) } as unknown as Lock;
  });
  return { guarded, mend: () => mend!() };
}

class Death extends Error {}

/** Runs `act` as in a thread that ends before its write number `write` into shared memory. Whether it came to that. */
function diesBefore(write: number, act: () => void): boolean {
  const { store } = Atomics;
  let writes = 0;
  const spy = vi.spyOn(Atomics, 'store').mockImplementation(((array: Int32Array, index: number, value: number) => {
    if (writes++ === write) throw new Death();
    return store(array, index, value);
  }) as typeof Atomics.store);
  try {
    act();
    return false;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
    return true;
  } finally {
    spy.mockRestore();
  }
}

/** Something in shared memory, an operation on it, and what can be seen of it. */
interface Subject {
  readonly act: () => void;
  readonly mend: () => Mending;
  readonly see: () => Promise<unknown>;
}

/**
 * Lets a thread die at each write of the operation, and its first repairer at each write of the repair. Afterwards the operation
 * must have happened completely or not at all; and when it is done again, exactly once.
 */
async function expectAllOrNothing(make: () => Subject): Promise<void> {
  const untouched = make();
  const before = await untouched.see();
  untouched.act();
  const after = await untouched.see();
  expect(after).not.toEqual(before);

  const outcomes = new Set<string>();
  for (let write = 0; ; write++) {
    for (let repairWrite = 0; ; repairWrite++) {
      const { act, mend, see } = make();
      const died = diesBefore(write, act);
      const diedAgain = diesBefore(repairWrite, mend);
      const { outcome } = mend();
      outcomes.add(outcome);
      const seen = await see();
      if (outcome === 'nothing to mend') expect([before, after]).toContainEqual(seen);
      else expect(seen).toEqual(outcome === 'dropped' ? before : after);
      if (!died) expect(seen).toEqual(after);
      act();
      expect(await see()).toEqual(after);
      if (!diedAgain) break;
    }
    if (!diesBefore(write, make().act)) break;
  }
  expect([...outcomes].sort()).toEqual(['completed', 'dropped', 'nothing to mend']);
}

describe('a death at any write, and another one in the repair, leave all or nothing:', () => {
  test('a term table', async () => {
    await expectAllOrNothing(() => {
      const memory = allocateTermTable('terms', 8, 3);
      const { guarded, mend } = guard(memory);
      const table = new TermTable(memory, guarded);
      table.merge(0, termsOf('old words'));
      return { act: () => void table.merge(1, termsOf('new words')), mend, see: () => contentOf(table) };
    });
  });

  test('totals', async () => {
    await expectAllOrNothing(() => {
      const { guarded, mend } = guard(allocateTotals(2, 3));
      const totals = new Totals(guarded);
      totals.add(0, 0, { bytes: 1, tokens: 2 });
      return {
        act: () => void totals.add(1, 1, { bytes: 10, tokens: 20 }),
        mend,
        see: () => Promise.all([totals.read(), totals.ofAgent(0), totals.ofAgent(1)]),
      };
    });
  });

  test('a finished claim', async () => {
    await expectAllOrNothing(() => {
      const { guarded, mend } = guard(allocateClaims(2));
      const claims = new Claims(guarded, 2);
      claims.next(7, 'any');
      return { act: () => claims.finish(0), mend, see: () => claims.finished() };
    });
  });
});

function termsOf(text: string): Term[] {
  return deal(countTerms(text), 1)[0]!;
}

async function contentOf(table: TermTable): Promise<Record<string, [count: number, files: number]>> {
  const content: Record<string, [number, number]> = {};
  await table.visit(({ term, count, files }) => (content[term] = [count, files]));
  return content;
}

describe('term table', () => {
  function tableOf(capacity: number, files: number): TermTable {
    const memory = allocateTermTable('terms', capacity, files);
    return new TermTable(memory, guard(memory).guarded);
  }

  test('counts terms and files, also when it is crowded', async () => {
    const table = tableOf(128, 40);
    const expected = new Map<string, [number, number]>();
    for (let file = 0; file < 40; file++) {
      const terms = Array.from({ length: 20 }, (_, i) => `t${(file * 7 + i * 3) % 61}`);
      const counted = termsOf([...terms, ...terms].join('; ')).filter((term) => !term.text.includes(' '));
      expect(table.merge(file, counted)).toBe(true);
      for (const { text, count } of counted) {
        const [times, files] = expected.get(text) ?? [0, 0];
        expected.set(text, [times + count, files + 1]);
      }
    }
    expect(await contentOf(table)).toEqual(Object.fromEntries(expected));
  });

  test('merges a file once', async () => {
    const table = tableOf(8, 2);
    expect(table.merge(1, termsOf('word'))).toBe(true);
    expect(table.merge(1, termsOf('word'))).toBe(false);
    expect(await contentOf(table)).toEqual({ word: [1, 1] });
  });

  test('keeps terms apart whose hashes are equal', async () => {
    const table = tableOf(8, 1);
    const hash = 5;
    table.merge(0, ['one', 'two', 'six'].map((text, i) => ({ text, hash, count: i + 1 })));
    expect(await contentOf(table)).toEqual({ one: [1, 1], two: [2, 1], six: [3, 1] });
  });

  test('says when it is full, and keeps what it has', async () => {
    const table = tableOf(2, 2);
    table.merge(0, termsOf('one'));
    expect(() => table.merge(1, termsOf('one two three'))).toThrow(/terms is full: it has 2 terms/);
    expect(await contentOf(table)).toEqual({ one: [1, 1] });
    expect(table.merge(1, termsOf('one'))).toBe(true);
    expect(await contentOf(table)).toEqual({ one: [2, 2] });
  });
});

describe('claims', () => {
  test('give each file to one, and those of a dead one to another first', async () => {
    const claims = new Claims(guard(allocateClaims(4)).guarded, 4);
    expect(claims.next(1, 'any')).toEqual({ file: 0, failures: 0 });
    expect(claims.next(2, 'any')).toEqual({ file: 1, failures: 0 });
    expect(claims.next(1, 'any')).toEqual({ file: 2, failures: 0 });
    claims.finish(0);
    expect(await claims.giveBack(1)).toEqual([2]);
    expect(claims.next(3, 'any')).toEqual({ file: 2, failures: 1 });
    expect(claims.next(3, 'any')).toEqual({ file: 3, failures: 0 });
    expect(claims.next(3, 'any')).toBeUndefined();
    expect(await claims.finished()).toEqual([0]);
  });

  test('once the work shall end, give nothing but what has failed', async () => {
    const claims = new Claims(guard(allocateClaims(3)).guarded, 3);
    claims.next(1, 'any');
    expect(claims.next(2, 'failed')).toBeUndefined();
    await claims.giveBack(1);
    expect(claims.next(2, 'failed')).toEqual({ file: 0, failures: 1 });
    expect(claims.next(2, 'failed')).toBeUndefined();
    expect(claims.next(2, 'any')).toEqual({ file: 1, failures: 0 });
  });
});

describe('the check', () => {
  const sums = { files: 2, bytes: 10, tokens: 4 };

  async function checkAgainst(terms: Record<string, Occurrences>, found = sums, locks: 'all' | 'none' = 'all') {
    const memory = allocateTermTable('terms', 8, 2);
    const table = new TermTable(memory, guard(memory).guarded);
    table.merge(0, termsOf('one'));
    table.merge(1, termsOf('two'));
    const reference: Reference = { sums, terms: new Map(Object.entries(terms)) };
    return verdict(found, reference, await compare([table], reference), locks);
  }

  const once = { count: 1, files: 1 };

  test('passes if all is equal', async () => {
    expect(await checkAgainst({ one: once, two: once })).toEqual({ passed: true, lines: ['check: passed, 2 terms equal'] });
    const { lines } = await checkAgainst({ one: once, two: once }, sums, 'none');
    expect(lines[1]).toMatch(/luck/);
  });

  test('fails if a term is missing, too many, or has another count, or a total differs', async () => {
    const two = { two: once };
    expect((await checkAgainst({ one: once, ...two, lost: { count: 3, files: 2 } })).lines).toEqual([
      'check: FAILED, 1 term different, 2 equal',
      '  3 occurrences missing',
      '  "lost": 0 in 0 files instead of 3 in 2 files',
    ]);
    expect((await checkAgainst(two)).lines).toContain('  0 occurrences missing, 1 too many');
    const other = await checkAgainst({ one: { count: 5, files: 1 }, ...two });
    expect(other.lines).toContain('  "one": 1 in 1 file instead of 5 in 1 file');
    expect((await checkAgainst({ one: { count: 1, files: 2 }, ...two })).passed).toBe(false);
    const { passed, lines } = await checkAgainst({ one: once, ...two }, { ...sums, bytes: 9 });
    expect({ passed, line: lines[2] }).toEqual({ passed: false, line: '  bytes: 9 instead of 10' });
  });
});
