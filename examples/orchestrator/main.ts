/**
 * Counts terms with a pool of agents, reports, and checks the result against a count by one thread.
 *
 * `agent.ts` is what each worker runs. What to copy for shared memory of your own: `lib/guarded-words.ts`, words under a named
 * lock that change all or nothing; `lib/journal.ts`, how that survives the death of an owner; `lib/shared-state.ts`, how every
 * thread gets at them.
 */
import { fileURLToPath } from 'node:url';
import { getLockManager, type LockManager } from 'holdfast';
import { compare, countAlone } from './lib/check.js';
import { Crew } from './lib/crew.js';
import { Deaths } from './lib/deaths.js';
import { collect, type InputFile } from './lib/input.js';
import { Interruption } from './lib/interruption.js';
import { kill, type Killing } from './lib/killer.js';
import { help, type Options, parseOptions, UsageError } from './lib/options.js';
import { agentTable, count, lockTable, megabytes, termTable, verdict } from './lib/report.js';
import { isRunError } from './lib/run-error.js';
import { Screen } from './lib/screen.js';
import { allocate, open, type SharedMemory, type SharedState } from './lib/shared-state.js';
import { topTerms } from './lib/top-terms.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const AGENT = new URL('./agent.js', import.meta.url).href;
const TOP_TERMS = 10;
const REFRESH_MS = 100;
const PASSED = 0;
const FAILED = 1;
const BAD_USAGE = 2;

// The reader of a pipe may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? PASSED : FAILED));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args, PROJECT);
    if (options === 'help') {
      process.stdout.write(help);
      return PASSED;
    }
    const files = collect(options.directory, options.files);
    if (files.length === 0) throw new UsageError(`no text or source files under ${options.directory}`);
    return await run(options, files);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`error: ${error.message}\nTry --help.\n`);
      return BAD_USAGE;
    }
    process.stderr.write(`error: ${isRunError(error) ? error.message : (error as Error).stack}\n`);
    return FAILED;
  }
}

/** What the steps of a run have in common. */
interface Run {
  readonly options: Options;
  readonly manager: LockManager;
  readonly memory: SharedMemory;
  readonly state: SharedState;
  readonly screen: Screen;
  readonly deaths: Deaths;
  readonly interruption: Interruption;
}

async function run(options: Options, files: readonly InputFile[]): Promise<number> {
  const screen = new Screen(process.stdout, process.env['NO_COLOR']);
  const deaths = new Deaths(screen);
  // Before the pool: workers made afterwards find it by themselves.
  await using manager = getLockManager();
  const memory = allocate(files, options.agents, options.mode === 'unsafe' ? 'none' : 'all');
  const state = open(memory, (repair) => deaths.onRepair(repair));
  const interruption = new Interruption(() => state.control.stop());
  const all: Run = { options, manager, memory, state, screen, deaths, interruption };
  try {
    const size = megabytes(files.reduce((sum, file) => sum + file.bytes, 0));
    screen.line(`${count(files.length, 'file')}, ${size}, under ${options.directory}; ${count(options.agents, 'agent')}`);
    const seconds = await work(all);
    const how = interruption.signal.aborted ? 'interrupted' : 'done';
    screen.line(`\n${screen.paint('bold', `${how} after ${seconds.toFixed(1)} s`)}`);
    await report(all, seconds);
    const passed = await check(all, seconds);
    return interruption.exitCode || (passed || options.mode === 'unsafe' ? PASSED : FAILED);
  } finally {
    interruption.end();
  }
}

/** Lets the agents work, and returns how many seconds that took. No worker is left afterwards. */
async function work({ options, memory, state, screen, deaths }: Run): Promise<number> {
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1_000;
  const files = memory.files.length;
  const show = (): void => screen.progress('counting', state.totals.glance(), files, seconds());
  const crew = new Crew(AGENT, memory, state, (news) => deaths.onNews(news));
  const worked = new AbortController();
  const kills = { crew, state, files, signal: worked.signal, onKill: (killing: Killing) => deaths.onKill(killing) };
  const killer = options.mode === 'kill' ? kill(kills) : undefined;
  const ticker = setInterval(show, REFRESH_MS);
  const limit = options.seconds === Infinity ? undefined : setTimeout(() => state.control.stop(), options.seconds * 1_000);
  try {
    await crew.work();
    show();
    return seconds();
  } finally {
    clearInterval(ticker);
    clearTimeout(limit);
    worked.abort();
    await killer;
    await crew.close();
    screen.endProgress();
  }
}

async function report({ options, manager, state, screen, deaths }: Run, seconds: number): Promise<void> {
  // The statistics come first: reading the tables takes their locks too.
  const locks = lockTable(manager.getStatistics());
  const agents = await Promise.all(Array.from({ length: options.agents }, (_, agent) => state.totals.ofAgent(agent)));
  const work = agentTable(agents, await state.totals.read(), seconds);
  const terms = termTable(await topTerms(state.terms, TOP_TERMS));
  for (const lines of [work, locks, terms]) screen.line(`\n${lines.join('\n')}`);
  if (options.mode === 'kill') screen.line(`\n${deaths.summary}`);
}

/** Whether one thread comes to the same result; not even tried after an interruption. */
async function check({ memory, state, screen, interruption }: Run, seconds: number): Promise<boolean> {
  screen.line();
  const finished = (await state.claims.finished()).map((file) => memory.files[file]!);
  const startMs = performance.now();
  const secondsAlone = (): number => (performance.now() - startMs) / 1_000;
  const show = (done: number): void => screen.progress('checking', done, finished.length, secondsAlone());
  const reference = await countAlone(finished, interruption.signal, show);
  screen.endProgress();
  if (reference === undefined) {
    screen.line('check: not made, because of the interruption');
    return false;
  }
  const alone = secondsAlone().toFixed(1);
  screen.line(`one thread needed ${alone} s for the same files, the agents ${seconds.toFixed(1)} s, their start included`);
  const { passed, lines } = verdict(await state.totals.read(), reference, await compare(state.terms, reference), memory.locks);
  const [first, ...others] = lines;
  const style = passed ? 'green' : memory.locks === 'all' ? 'red' : 'yellow';
  screen.line([screen.paint(style, first!), ...others].join('\n'));
  return passed;
}
