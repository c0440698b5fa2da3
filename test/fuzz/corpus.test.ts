import { expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import { examine } from './examine.ts';
import { parsers } from './parsers.ts';

test.each(Object.entries(parsers))('%s takes every kept input as it should', async (name, parser) => {
  const corpus = readCorpus(name);
  expect(corpus.length).toBeGreaterThan(0);
  const findings: string[] = [];
  for (const { name: file, input } of corpus) {
    await examine(parser, input).catch((error: Error) => findings.push(`${file}: ${error.message}`));
  }
  expect(findings).toEqual([]);
});

test('the corpus is small, and seeds of every parser are read and not only refused', async () => {
  const files = Object.keys(parsers).flatMap((name) => readCorpus(name));
  expect(files.length).toBeLessThan(300);
  expect(files.reduce((sum, { input }) => sum + input.length, 0)).toBeLessThan(2 ** 20);
  for (const [name, parser] of Object.entries(parsers)) {
    const outcomes = await Promise.all(readCorpus(name).map(({ input }) => examine(parser, input)));
    expect([name, outcomes.some((outcome) => outcome.startsWith('read: '))]).toEqual([name, true]);
  }
});
