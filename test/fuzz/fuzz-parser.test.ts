import { expect, test } from 'vitest';
import { fuzzParser } from './fuzz-parser.ts';

const limits = { inputSeconds: 1, bytes: 512 * 1024 ** 2 };

function fuzz(parser: string, seconds: number) {
  return fuzzParser({
    module: new URL('broken-parsers.ts', import.meta.url).href,
    parser,
    // One bit away from the byte that is bad.
    seeds: [Buffer.from('c')],
    randomSeed: 1,
    until: Date.now() + seconds * 1000,
    limits,
  });
}

test.each([
  ['throws something else', 'TypeError: undefined is not a function'],
  ['throws a code that is not its own', 'refused with krl_malformed'],
  ['writes something else back', 'wrote back 1 bytes that are not the'],
  ['repeats a key', 'repeats its input'],
  ['says what can not be printed', "says what can't be printed"],
  ['changes its input', 'changed its input'],
  ['never ends', 'took more than 1 s'],
  ['takes all memory', 'of memory'],
  ['fails behind its back', 'nobody waits for this'],
])('fuzzing finds the input on which a parser %s', async (parser, problem) => {
  const { finding } = await fuzz(parser, 60);
  expect(finding?.problem).toContain(problem);
  expect(finding?.input.subarray(0, 1).toString()).toBe('b');
});

test('something is tried even where all the time has gone before it could begin', async () => {
  const { finding } = await fuzz('throws something else', -1);
  expect(finding?.problem).toContain('TypeError');
});
