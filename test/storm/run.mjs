/** Kills threads for a long time: node test/storm/run.mjs [options]. Exit code 1 if anything was wrong. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { churn } from './churn.mjs';
import { runOnNodes } from './nodes.mjs';
import { Storm } from './storm.mjs';

const usage = `node test/storm/run.mjs [options]
  --kills N      threads to kill (10000; 0: no storm)
  --seconds N    end earlier, after that time
  --workers N    threads at a time (6)
  --churn N      threads that come and go, afterwards (0)
  --stall N      seconds for which a thread may be without progress (15)
  --seed N       of the random choices
  --json FILE    write the results there
  --nodes LIST   run on these versions of Node, e.g. 20,22,24,26, installed from npm`;

const numbers = { kills: '10000', seconds: 'Infinity', workers: '6', churn: '0', stall: '15', seed: String(Math.floor(Math.random() * 2 ** 31)) };

function readArguments() {
  try {
    const options = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }]));
    const { values } = parseArgs({ options: { ...options, json: { type: 'string' }, nodes: { type: 'string' } } });
    const read = Object.fromEntries(Object.keys(numbers).map((name) => [name, Number(values[name])]));
    for (const [name, value] of Object.entries(read)) if (!(value >= 0)) throw new Error(`--${name} must be a number, not ${values[name]}`);
    return { ...read, json: values.json, nodes: values.nodes };
  } catch (error) {
    process.stderr.write(`${error.message}\n${usage}\n`);
    return process.exit(2);
  }
}

const print = (text) => process.stdout.write(`${text}\n`);

async function runHere({ kills, seconds, workers, stall, seed, churn: count }) {
  const result = { node: process.versions.node, seed };
  print(`Node ${result.node}, seed ${seed}`);
  if (kills > 0) result.storm = await new Storm({ kills, seconds, workers, seed, stallMs: stall * 1_000, report: print }).run();
  if (count > 0) result.churn = await churn({ count, workers });
  result.violations = [...(result.storm?.violations ?? []), ...(result.churn?.violations ?? [])];
  return result;
}

function summaryOf({ node, seed, storm, churn: churned, violations }) {
  const lines = [];
  if (storm !== undefined) {
    lines.push(
      `storm on Node ${node}: ${storm.kills} kills in ${storm.seconds} s, ${storm.operations} acquisitions; ${storm.diedInside} died inside, ${storm.diedHolding} with permits, ${storm.diedInCall} in a call; ` +
        `${storm.told} deaths told of ${storm.ownerDeaths}; longest time without progress ${storm.longestStallMs} ms`,
    );
  }
  if (churned !== undefined) lines.push(`churn on Node ${node}: ${churned.threads} threads in ${churned.seconds} s, ${churned.ownerDeaths} died while they held`);
  lines.push(violations.length === 0 ? 'no violation' : `violated, seed ${seed}:`, ...violations.map((text) => `- ${text}`));
  return lines.join('\n');
}

const { json, nodes, ...options } = readArguments();
if (nodes === undefined) {
  const result = await runHere(options);
  print(summaryOf(result));
  print(JSON.stringify(result));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`);
  // A thread that is stuck would keep the process alive.
  process.exit(result.violations.length === 0 ? 0 : 1);
}

const passed = Object.entries(options).flatMap(([name, value]) => (value === Infinity ? [] : [`--${name}`, String(value)]));
const runs = runOnNodes(nodes.split(','), passed);
print('| Node | kills | died inside | died in a call | deaths told | acquisitions | longest stall ms | violations |\n|---|---|---|---|---|---|---|---|');
for (const { version, status, result } of runs) {
  const { storm } = result ?? {};
  const cells = storm ? [storm.kills, storm.diedInside, storm.diedInCall, `${storm.told} of ${storm.ownerDeaths}`, storm.operations, storm.longestStallMs] : Array(6).fill('');
  print(`| ${[result?.node ?? version, ...cells, result ? result.violations.length : `ended with ${status}`].join(' | ')} |`);
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify(runs.map(({ result }) => result), undefined, 2)}\n`);
process.exit(runs.every(({ status }) => status === 0) ? 0 : 1);
