/** The fields of a segment by their addresses: for printing schedules, and for telling the checker what never changes. */
import { agent, cell, header, index, name, nameTail, slot } from '../../native-layout/index.js';
import type { Field, RecordSpec } from '../../native-layout/dsl.js';
import { agentAt, cellAt, type Segment, slotAt } from '../../src/shm/segment.js';

export interface Address {
  /** Such as `agent[2].park`. */
  readonly name: string;
  /** Such as `agent.park`. */
  readonly path: string;
  /** Number of the record in its region; of a cell: of its agent. */
  readonly record: number;
  readonly field: Field;
}

/** Every word and number of a segment. */
export function addressesOf(segment: Segment): Map<number, Address> {
  const found = new Map<number, Address>();
  const add = (spec: RecordSpec, start: number, record: number, label = `${spec.name}[${record}]`): void => {
    for (const [key, field] of Object.entries(spec.fields)) {
      const length = field.type === 'bytes' ? (field.length ?? 0) : 1;
      for (let i = 0; i < length; i += 4) {
        const suffix = field.type === 'bytes' ? `+${i}` : '';
        found.set(start + field.at + i, { name: `${label}.${key}${suffix}`, path: `${spec.name}.${key}`, record, field });
      }
    }
  };
  add(header, segment.header, 0, 'header');
  for (let id = 0; id <= segment.agentLimit; id++) {
    add(agent, agentAt(segment, id), id);
    for (let number = 0; number < segment.slotLimit; number++) add(cell, cellAt(segment, id, number), id, `cell[${id},${number}]`);
  }
  for (let number = 0; number < segment.slotLimit; number++) {
    add(slot, slotAt(segment, number), number);
    add(name, segment.names + number * name.size, number);
    add(nameTail, segment.nameTails + number * nameTail.size, number);
  }
  for (let i = 0; i < segment.indexLimit; i++) add(index, segment.index + i * index.size, i);
  return found;
}

/** A value of a field, its bits by name: `owner 2 waiters`. */
export function describeValue(address: Address | undefined, value: number): string {
  const bits = Object.entries(address?.field.bits ?? {});
  if (bits.length === 0 || value === 0) return String(value);
  const parts: string[] = [];
  for (const [key, { bit, width }] of bits) {
    const part = (value >>> bit) & (width === 32 ? -1 : 2 ** width - 1);
    if (part !== 0) parts.push(width === 1 ? key : `${key} ${part}`);
  }
  return parts.join(' ');
}

/** A test for addresses by the paths of their fields. */
export function isField(addresses: ReadonlyMap<number, Address>, ...paths: readonly string[]): (at: number) => boolean {
  const known = new Set([...addresses.values()].map(({ path }) => path));
  for (const path of paths) if (!known.has(path)) throw new Error(`no field '${path}'`);
  const chosen = new Set([...addresses].filter(([, { path }]) => paths.includes(path)).map(([at]) => at));
  return (at) => chosen.has(at);
}
