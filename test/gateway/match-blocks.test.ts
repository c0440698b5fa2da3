import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exceptionsIn, filesRead } from '../../src/gateway/match-blocks.ts';

const keywords = ['PasswordAuthentication', 'RevokedKeys'];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ['PasswordAuthentication yes\nMatch User backup\n\tX11Forwarding no\n', []],
  ['Match User backup\n  PasswordAuthentication yes\n', ['PasswordAuthentication yes']],
  [
    'match all\nrevokedkeys=none\n PASSWORDAUTHENTICATION "yes" # why\n',
    ['revokedkeys none', 'PASSWORDAUTHENTICATION yes'],
  ],
  ['#Match User backup\nRevokedKeys none\n# Match\n', []],
  ['Match Group a\n#RevokedKeys none\nMatch Group b\nRevokedKeys none\n', ['RevokedKeys none']],
])('%j has %j in Match blocks', (text, expected) => {
  const found = exceptionsIn(text, keywords).map(({ keyword, value }) => `${keyword} ${value}`);
  expect(found).toEqual(expected);
});

test('files are read as sshd includes them, and from within a Match block all of one is an exception', async () => {
  await mkdir(join(folder, 'd'));
  await writeFile(
    join(folder, 'main'),
    'Include d/*.conf\nInclude "none/*"\nMatch User a\n  include d/b.late\n',
  );
  await writeFile(join(folder, 'd/a.conf'), `Include ${folder}/main\nPort 22\n`);
  await writeFile(join(folder, 'd/b.late'), 'RevokedKeys none\n');
  const found = await filesRead(join(folder, 'main'));
  const late = found.find(({ path }) => path.endsWith('b.late'));
  expect(late?.inMatch).toBe(true);
  expect(exceptionsIn(late?.text ?? '', keywords, late?.inMatch)).toHaveLength(1);
  expect(found.find(({ path }) => path.endsWith('a.conf'))?.inMatch).toBe(false);
});
