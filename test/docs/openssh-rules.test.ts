import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const rows = readFileSync(new URL('docs/openssh-rules.md', root), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, rule, , tests = ''] = /^\| (\d+) \|(.*)\|([^|]*)\|$/.exec(line) ?? [];
    return rule === undefined ? [] : [{ rule: Number(rule), tests: tests.match(/test\/[^`]+/g) ?? [] }];
  });

test('the page has a row for each of the thirteen rules, with at least one test', () => {
  expect(rows.map(({ rule }) => rule)).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
  expect(rows.filter(({ tests }) => tests.length === 0)).toEqual([]);
});

test('every test that the page names is there', () => {
  const missing = rows.flatMap(({ tests }) => tests).filter((path) => !existsSync(new URL(path, root)));
  expect(missing).toEqual([]);
});
