import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readProviderFile } from '../../src/login/configured-providers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-providers-'));
  await writeFile(join(folder, 'secret'), ' s3cret\n');
  await writeFile(join(folder, 'empty'), '\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(text: string, organization?: string) {
  const path = join(folder, 'providers');
  await writeFile(path, text);
  return await readProviderFile(path, organization);
}

const refusal = (text: string, organization?: string): Promise<string> =>
  read(text, organization).then(
    () => 'accepted',
    (error) => {
      expect(error).toMatchObject({ code: 'settings_invalid' });
      return error.message;
    },
  );

const okta = {
  slug: 'okta',
  name: 'Okta',
  preset: 'okta',
  issuer: 'https://acme.okta.example',
  client_id: 'c',
  organization: 'acme',
  client_secret_file: 'secret',
};

test('reads JSON and YAML, and the secret from beside the list', async () => {
  const [provider] = await read(JSON.stringify([okta]));
  expect(provider).toMatchObject({ slug: 'okta', clientSecret: 's3cret', settings: { name: 'Okta' } });
  const lines = Object.entries(okta).map(([name, value]) => `${name}: ${value}`);
  expect(await read(`- ${lines.join('\n  ')}\n`)).toEqual([provider]);
});

test('an entry without organization is of the one given', async () => {
  const { organization: _, ...entry } = okta;
  const [provider] = await read(JSON.stringify([entry]), 'globex');
  expect(provider?.settings.organization).toBe('globex');
  expect(await refusal(JSON.stringify([entry]))).toContain('okta: organization is missing');
});

test('every problem of every entry is told, by the name of the entry and of the field', async () => {
  const message = await refusal(
    JSON.stringify([
      { ...okta, issuer: 'http://acme.okta.example', claims: { account: 'email' } },
      { ...okta, slug: 'Okta!', client_secret_file: 'empty' },
      { ...okta, slug: 'third', client_secret: 'in the file', client_secret_file: undefined },
      'fourth',
    ]),
  );
  expect(message).toContain('okta: issuer must be an https:// URL');
  expect(message).toContain('okta: claims.account must be a template such as {email}');
  expect(message).toContain('provider 2: slug must be');
  expect(message).toContain(`provider 2: the file ${join(folder, 'empty')} is empty`);
  expect(message).toContain('third: there is no setting client_secret');
  expect(message).toContain('third: client_secret_file is missing');
  expect(message).toContain('provider 4: must be a provider with a slug');
});

test.each([
  ['{"slug": "okta"}', 'must be a list'],
  ['- a: [', 'is neither YAML nor JSON'],
  ['- a: 1\n  a: 2', 'is neither YAML nor JSON'],
  ['- &a {x: 1}\n- *a', 'is neither YAML nor JSON'],
  ['', 'must be a list'],
])('refuses %j as a whole', async (text, words) => {
  expect(await refusal(text)).toContain(words);
});

test('two entries can not share a slug', async () => {
  expect(await refusal(JSON.stringify([okta, { ...okta, organization: 'globex' }]))).toContain(
    'two providers have the slug okta',
  );
});
