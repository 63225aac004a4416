import { describe, expect, test } from 'vitest';
import { type Field, record, type RecordSpec } from '../native-layout/dsl.js';
import { renderLayout, renderOffsets } from '../native-layout/render.js';
import { agent, CACHE_LINE, cell, records, shared, slot } from '../native-layout/index.js';
import { agentAt, cellAt, placeRegions, type Segment, sharedAt, slotAt } from '../src/shm/segment.js';

const word = { type: 'i32', means: 'a word', writers: 'anybody' } as const;

function specOf(fields: Record<string, Field>, size: number): RecordSpec {
  return { name: 'sample', means: 'a sample', size, align: 4, fields };
}

describe('the layout language refuses', () => {
  test.each([
    ['an overlap', specOf({ a: { at: 0, ...word }, b: { at: 0, ...word } }, 8), /overlaps the field before/],
    ['a hole', specOf({ a: { at: 0, ...word }, b: { at: 8, ...word } }, 12), /hole of 4 bytes/],
    ['a hole at the end', specOf({ a: { at: 0, ...word } }, 8), /fields end at 4/],
    ['a word out of alignment', specOf({ a: { at: 0, type: 'bytes', length: 2, means: '', writers: '' }, b: { at: 2, ...word } }, 8), /not aligned/],
    ['a size out of alignment', { ...specOf({ a: { at: 0, ...word } }, 4), align: 8 }, /no multiple/],
    ['a bit past 32', specOf({ a: { at: 0, ...word, bits: { x: { bit: 31, width: 2, means: '', staleness: '' } } } }, 4), /do not fit 32/],
    [
      'a bit twice',
      specOf({ a: { at: 0, ...word, bits: { x: { bit: 0, width: 2, means: '', staleness: '' }, y: { bit: 1, width: 1, means: '', staleness: '' } } } }, 4),
      /overlaps another/,
    ],
  ])('%s', (_, spec, message) => {
    expect(() => record(spec)).toThrow(message);
  });
});

describe('the layout', () => {
  test('is what LAYOUT.md says: npm run layout writes it anew', async () => {
    await expect(renderLayout()).toMatchFileSnapshot('../native-layout/LAYOUT.md');
  });

  test('has the offsets and the fingerprint of the lock file', async () => {
    await expect(renderOffsets()).toMatchFileSnapshot('../native-layout/offsets.lock.json');
  });

  test('says for each word who writes it, and for each bit how it may be stale', () => {
    for (const { fields } of records as readonly RecordSpec[]) {
      for (const field of Object.values(fields)) {
        expect(field.means).not.toBe('');
        expect(field.writers).not.toBe('');
        for (const bit of Object.values(field.bits ?? {})) expect(bit.staleness).not.toBe('');
      }
    }
  });

  test('keeps words that are waited on off the lines of all others', () => {
    for (const { fields } of records as readonly RecordSpec[]) {
      const used = Object.entries(fields).filter(([name]) => !name.startsWith('reserved'));
      for (const [name, field] of used.filter(([, { waitedOn }]) => waitedOn)) {
        const line = Math.floor(field.at / CACHE_LINE);
        expect(used.filter(([, { at }]) => Math.floor(at / CACHE_LINE) === line).map(([other]) => other)).toEqual([name]);
      }
    }
  });

  test('takes at most 256 bytes a lock and 16 KiB an agent at the default capacity', () => {
    const at = (agentLimit: number, slotLimit: number) => placeRegions(0, { agentLimit, slotLimit }).size;
    const neverTouched = 208 + shared.size;
    const cellsOfLock = cell.size * 129;
    expect((at(128, 2_048) - at(128, 1_024)) / 1_024 - neverTouched - cellsOfLock).toBeLessThanOrEqual(256);
    expect(at(129, 1_024) - at(128, 1_024)).toBeLessThanOrEqual(16 * 1_024);
  });

  test('places regions one after the other, each aligned, with room for the highest agent and slot', () => {
    const limits = { agentLimit: 5, slotLimit: 7 };
    const regions = placeRegions(65_536, { ...limits, heapBytes: 100 });
    const segment = { ...regions, ...limits } as Segment;
    expect(agentAt(segment, 5) + agent.size).toBe(regions.slots);
    expect(slotAt(segment, 6) + slot.size).toBe(regions.names);
    expect(regions.cells % CACHE_LINE).toBe(0);
    expect(cellAt(segment, 5, 6) + cell.size).toBeLessThanOrEqual(regions.shares);
    expect(sharedAt(segment, 6) + shared.size).toBeLessThanOrEqual(regions.heap);
    expect(regions.heap % CACHE_LINE).toBe(0);
    expect(regions.heap + 100).toBeLessThanOrEqual(65_536 + regions.size);
    expect(Math.floor(cellAt(segment, 1, 6) / CACHE_LINE)).toBeLessThan(Math.floor(cellAt(segment, 2, 0) / CACHE_LINE));
  });
});
