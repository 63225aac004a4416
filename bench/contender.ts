/** One contender in a process of its own: `contender.js mode name [threads]`. Answers each line of numbers with a line of JSON. */
import { createInterface } from 'node:readline';
import { type Answer, modes, type Open } from './modes/modes.js';

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const [mode, name, ...rest] = process.argv.slice(2) as [keyof typeof modes, string, ...string[]];
const open: Open = modes[mode];

let answer: Answer | undefined;
try {
  answer = await open(name, ...rest.map(Number));
  say(answer === undefined ? { unavailable: 'not in this version of Node' } : {});
} catch (error) {
  say({ unavailable: String(error) });
}
if (answer === undefined) process.exit();

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await answer(...line.split(' ').map(Number)));
  } catch (error) {
    say({ error: error instanceof Error ? error.stack : String(error) });
  }
}
process.exit();
