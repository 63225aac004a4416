import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as language from './tidy/language.js';
import * as layers from './tidy/layers.js';
import * as names from './tidy/names.js';
import * as prose from './tidy/prose.js';
import * as raw from './tidy/raw.js';
import { type Finding, readTree, type Rule, type Tree } from './tidy/rule.js';
import * as tests from './tidy/tests.js';

const rules: Rule[] = [layers, names, language, prose, raw, tests].flatMap((group) => Object.values(group));

const tree = readTree(fileURLToPath(new URL('..', import.meta.url)));

function report(rule: Rule, files: Tree): string[] {
  return rule.check(files).map(({ path, line, message }: Finding) => `${path}:${line} ${message}`);
}

test('the tree is read', () => {
  expect([...tree.keys()]).toEqual(expect.arrayContaining(['src/index.ts', 'test/tidy.test.ts']));
});

describe.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
  test('holds', () => {
    expect(report(rule, tree)).toEqual([]);
  });

  test.each(rule.refuses.map((sample) => [JSON.stringify(sample), sample] as const))('refuses %s', (_, sample) => {
    expect(report(rule, new Map(Object.entries(sample)))).not.toEqual([]);
  });

  test.each(rule.accepts.map((sample) => [JSON.stringify(sample), sample] as const))('accepts %s', (_, sample) => {
    expect(report(rule, new Map(Object.entries(sample)))).toEqual([]);
  });
});
