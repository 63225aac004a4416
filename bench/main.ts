/**
 * `npm run bench [-- suite…] [--quick] [--nodes 20,22,24,26] [--only pattern] [--out folder]`. Measures, keeps the figures in
 * `bench/results`, renders them there, and prints which targets are met. `--quick` (few short rounds) and `--only` (matched against
 * `suite/case/contender`) are for trying things out: their figures are kept in `bench/dist/trial`.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { readResults, type Results, type SuiteFigures, writeResults } from './harness/figures.js';
import { packageVersions, thisMachine } from './harness/machine.js';
import { nodeProgram } from './harness/nodes.js';
import { peerVersions } from './harness/peers.js';
import { SuiteRun } from './harness/suite-run.js';
import { renderReport, renderTargets } from './report/tables.js';
import { contended } from './suites/contended.js';
import { items } from './suites/items.js';
import { latency } from './suites/latency.js';
import { readers } from './suites/readers.js';
import { registry } from './suites/registry.js';
import { uncontended } from './suites/uncontended.js';

const suites: Readonly<Record<string, (run: SuiteRun) => Promise<void>>> = { uncontended, contended, readers, latency, registry, items };

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    only: { type: 'string', default: '' },
    out: { type: 'string' },
    /** Measures with this Node and renders nothing: what `--nodes` starts. */
    'measure-only': { type: 'boolean', default: false },
  },
});

const chosen = positionals.length > 0 ? positionals : Object.keys(suites);
const unknown = chosen.find((name) => !(name in suites));
if (unknown !== undefined) throw new TypeError(`there is no suite "${unknown}": ${Object.keys(suites).join(', ')}`);

const out = flags.out ?? fileURLToPath(new URL(flags.quick || flags.only !== '' ? './trial/' : '../results/', import.meta.url));

async function measure(): Promise<void> {
  const file = join(out, `node-${process.versions.node.split('.')[0]}.json`);
  const known = readResults(file);
  const here: Omit<Results, 'suites'> = { node: process.version, v8: process.versions.v8, machine: thisMachine() };
  const isSame = known !== undefined && known.node === here.node && isDeepStrictEqual(known.machine, here.machine);
  const measured: Record<string, SuiteFigures> = isSame ? { ...known.suites } : {};
  const versions = { ...packageVersions(), ...peerVersions() };
  for (const name of chosen) {
    const run = new SuiteRun(name, { quick: flags.quick, only: new RegExp(flags.only) });
    await suites[name]!(run);
    measured[name] = run.finish(versions);
    const inOrder = Object.keys(suites).filter((suite) => suite in measured);
    writeResults(file, { ...here, suites: Object.fromEntries(inOrder.map((suite) => [suite, measured[suite]!])) });
  }
}

function measureWith(major: string): void {
  const args = [fileURLToPath(import.meta.url), ...chosen, '--measure-only', '--only', flags.only, '--out', out, ...(flags.quick ? ['--quick'] : [])];
  const { status } = spawnSync(nodeProgram(major), args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`Node ${major} ended with code ${status}`);
}

if (flags.nodes === undefined) await measure();
else for (const major of flags.nodes.split(',')) measureWith(major);

if (!flags['measure-only']) {
  const files = readdirSync(out).filter((file) => /^node-\d+\.json$/.test(file));
  const all = files.sort((a, b) => parseInt(a.slice(5)) - parseInt(b.slice(5))).map((file) => readResults(join(out, file))!);
  writeFileSync(join(out, 'README.md'), renderReport(all));
  console.log(renderTargets(all));
  console.error(join(out, 'README.md'));
}
