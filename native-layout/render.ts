/** LAYOUT.md and the lock file of offsets, from the records. `npm run layout` writes both; a test compares. */
import { type Field, fieldLength, type RecordSpec } from './dsl.js';
import { fingerprint, offsets } from './fingerprint.js';
import { CACHE_LINE, LAYOUT_VERSION, records } from './records.js';

/** All offsets with the fingerprint: a change of the layout shows in review as a change of this file. */
export function renderOffsets(): string {
  return `${JSON.stringify({ version: LAYOUT_VERSION, fingerprint: hex(fingerprint()), records: specs().map(offsets) }, undefined, 1)}\n`;
}

/** The layout as a document. */
export function renderLayout(): string {
  return [
    '# The shared segment',
    '',
    'Rendered from `records.ts`; do not edit.',
    '',
    `Version ${LAYOUT_VERSION}, fingerprint \`${hex(fingerprint())}\`. Neither durable nor a wire format: all threads run the same fingerprint, or attaching fails.`,
    '',
    'Offsets and sizes are in bytes. `i32` words are read and written atomically, always. `f64` and `bytes` are plain data under the protection that the last column names. An all-zero region is valid: unused and unlocked.',
    '',
    'Regions, in address order: header · agents (one more than the limit) · slots · names · name tails · index · cells (per agent, then per slot) · heap (rings).',
    '',
    ...specs().flatMap(renderRecord),
  ].join('\n');
}

function specs(): readonly RecordSpec[] {
  return records;
}

function renderRecord(spec: RecordSpec): string[] {
  const fields = Object.entries(spec.fields);
  return [
    `## ${spec.name}`,
    '',
    `${spec.means} ${spec.size} bytes, aligned to ${spec.align}.`,
    '',
    '```text',
    ...diagram(spec),
    '```',
    '',
    '| At | Word | Type | Means | Written by |',
    '|---:|---|---|---|---|',
    ...fields.filter(([name]) => !isReserved(name)).map(([name, field]) => row(name, field)),
    '',
    ...fields.flatMap(([name, field]) => renderBits(name, field)),
  ];
}

function row(name: string, field: Field): string {
  const type = field.type === 'bytes' ? `bytes[${fieldLength(field)}]` : field.type;
  return `| ${field.at} | \`${name}\` | ${type}${field.waitedOn ? ', waited on' : ''} | ${cell(field.means)} | ${cell(field.writers)} |`;
}

function renderBits(name: string, { bits, states }: Field): string[] {
  if (bits === undefined) return [];
  return [
    `Bits of \`${name}\`:`,
    '',
    '| Bits | Name | Means | May be stale |',
    '|---:|---|---|---|',
    ...Object.entries(bits).map(([bit, { bit: low, width, means, staleness }]) => {
      const range = width === 1 ? `${low}` : `${low}–${low + width - 1}`;
      return `| ${range} | \`${bit}\` | ${cell(means)} | ${cell(staleness)} |`;
    }),
    '',
    ...(states === undefined ? [] : [`Legal states of \`${name}\`:`, '', ...states.map((state, i) => `- #${i + 1} ${state}`), '']),
  ];
}

/** One line of text per cache line, with the words in it. */
function diagram({ size, fields }: RecordSpec): string[] {
  const lines: string[] = [];
  for (let start = 0; start < size; start += CACHE_LINE) {
    const inLine = Object.entries(fields).filter(([, { at }]) => at >= start && at < start + CACHE_LINE);
    const text = inLine.map(([name, field]) => (isReserved(name) ? `(${fieldLength(field)} free)` : `${field.at}:${name}`)).join(' ');
    lines.push(`+${String(start).padStart(3)} | ${text || '(continued)'}`);
  }
  return lines;
}

function isReserved(name: string): boolean {
  return name.startsWith('reserved');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
