import { expect, test } from 'vitest';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { codeOf } from './refusal.ts';
import { ca } from './sample-certificate.ts';

const key = { type: 'ssh-ed25519', blob: ca.blob };

test('the line names the patterns, the key and the comment', () => {
  const line = certAuthorityLine(['*.sallyport', '[127.0.0.1]:2222'], key, 'Sallyport host CA');
  const base64 = ca.blob.toString('base64');
  expect(line).toBe(`@cert-authority *.sallyport,[127.0.0.1]:2222 ssh-ed25519 ${base64} Sallyport host CA`);
});

test.each([
  ['none', []],
  ['an empty one', ['']],
  ['every host', ['*']],
  ['every host on a port', ['[*]:22']],
  ['a top level of all', ['*.']],
  ['a negated one', ['!web.sallyport']],
  ['two in one', ['a.sallyport,*']],
  ['a space', ['a b']],
  ['a line end', ['a\n*']],
  ['upper case', ['Web.sallyport']],
  ['a star inside', ['a*.sallyport']],
  ['port 0', ['[a]:0']],
  ['port 65,536', ['[a]:65536']],
])('a pattern of %s is refused', (_, patterns) => {
  expect(codeOf(() => certAuthorityLine(patterns, key, ''))).toBe('name_refused');
});

test('a comment that starts another line is refused', () => {
  expect(codeOf(() => certAuthorityLine(['*.sallyport'], key, 'x\n@cert-authority *'))).toBe('key_malformed');
});
