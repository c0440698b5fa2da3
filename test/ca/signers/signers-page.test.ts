import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { signerSchemes } from '../../../src/ca/signers/open-signer.ts';
import { pinSource } from '../../../src/ca/signers/pkcs11-signer.ts';
import { signerSettings } from '../../../src/ca/signers/signer-settings.ts';
import { passphraseSource } from '../../../src/ca/signers/surroundings.ts';
import { tokenSource } from '../../../src/ca/signers/vault-signer.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'signers.md'), 'utf8');
const found = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, name]) => name);

test('docs/signers.md lists every kind of signer that there is, and has a section for each, in the order of the code', () => {
  expect(found(/^\| `([a-z0-9]+):` \|/gm)).toEqual(signerSchemes);
  expect(found(/^## `([a-z0-9]+):/gm)).toEqual(signerSchemes);
});

test('docs/signers.md lists every setting that signers read, in the order of the code, and no other', () => {
  expect(found(/^\| `([A-Z0-9_]+)` \|/gm)).toEqual([...signerSettings]);
});

test.each([passphraseSource, pinSource, tokenSource])(
  'docs/signers.md names the credential $credential beside $setting',
  ({ setting, credential }) => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${setting}\` |`));
    expect(row).toContain(`or the credential \`${credential}\``);
  },
);

test('docs/signers.md says the limits as they are', () => {
  const { deadlineMilliseconds, atATime, failuresInARow, pauseMilliseconds } = signerLimits;
  const text = page.replaceAll('\n', ' ');
  expect(text).toContain(
    `signature has ${deadlineMilliseconds / 1000} seconds, waiting for its turn included; ${atATime} are`,
  );
  expect(text).toContain(`After ${failuresInARow} failures in a row`);
  expect(text).toContain(`left alone for ${pauseMilliseconds / 1000} seconds`);
});

test('every kind of key that a key service may have is on the page', () => {
  for (const name of ['aws-kms', 'google-kms', 'vault']) {
    const source = readFileSync(join(root, 'src', 'ca', 'signers', `${name}-signer.ts`), 'utf8');
    const [, table = ''] = /Readonly<Record<string, \w+Row>> = \{\n([\s\S]*?)\n\};/.exec(source) ?? [];
    const kinds = [...table.matchAll(/^ {2}'?([\w-]+)'?:/gm)].map(([, kind]) => kind);
    expect(kinds.length, name).toBeGreaterThanOrEqual(6);
    for (const kind of kinds) expect(page).toContain(`\`${kind}\``);
  }
});
