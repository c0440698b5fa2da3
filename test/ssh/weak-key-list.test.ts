import { expect, test } from 'vitest';
import { md5Fingerprint } from '../../src/ssh/key-listing.ts';
import { parseWeakKeyList, refuseListedKey } from '../../src/ssh/weak-key-list.ts';
import { codeOf, refusalOf } from './refusal.ts';
import { ca, subject } from './sample-certificate.ts';

const listed = md5Fingerprint(subject.blob).replace('MD5:', '').replaceAll(':', '').slice(12);

test('[abuse 40] a key on a list of Debian’s form is refused, its neighbour is not', () => {
  const list = parseWeakKeyList(`# Debian's broken generator\n00000000000000000000\n${listed}\n`);
  expect(codeOf(() => refuseListedKey(list, subject.blob))).toBe('key_weak');
  refuseListedKey(list, ca.blob);
});

test.each([
  ['a whole fingerprint', `00${listed}`],
  ['upper case', 'A'.repeat(20)],
  ['a word', 'password'],
])('a list with %s in a line is refused whole, and the line is named', (_, line) => {
  const refusal = refusalOf(() => parseWeakKeyList(`${listed}\n${line}\n`));
  expect([refusal.code, refusal.message]).toEqual(['settings_invalid', expect.stringContaining('line 2')]);
});

test('a list without keys is refused: it would protect nobody', () => {
  expect(codeOf(() => parseWeakKeyList('# nothing yet\n\n'))).toBe('settings_invalid');
});
