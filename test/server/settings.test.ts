import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presets } from '../../src/login/presets.ts';
import { createServerKeys } from '../../src/server/keys-folder.ts';
import { isLoopback } from '../../src/server/setting-kinds.ts';
import { readServeSettings } from '../../src/server/settings.ts';

let folder: string;
let least: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-settings-'));
  await createServerKeys(join(folder, 'keys'));
  await writeFile(join(folder, 'client-secret'), 'the secret\n');
  least = {
    DATABASE_URL: 'postgres://sallyport:pw@db/sallyport',
    SALLYPORT_PUBLIC_URL: 'https://ssh.example.com',
    SALLYPORT_KEYS: join(folder, 'keys'),
    SALLYPORT_ORGANIZATION: 'acme',
    SALLYPORT_OIDC_ISSUER: 'https://login.example.com/realms/acme',
    SALLYPORT_OIDC_CLIENT_ID: 'sallyport',
    SALLYPORT_OIDC_CLIENT_SECRET_FILE: join(folder, 'client-secret'),
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What is meant where nothing but the provider's address and client is given. */
const defaults = {
  ...presets.generic,
  name: 'login.example.com',
  preset: 'generic',
  issuer: 'https://login.example.com/realms/acme',
  clientId: 'sallyport',
  organization: 'acme',
  emailDomains: null,
  requiredClaims: {},
};

const refusal = async (change: Record<string, string>): Promise<string> =>
  await readServeSettings({ ...least, ...change }).then(
    () => 'accepted',
    (error) => {
      expect(error).toMatchObject({ code: 'settings_invalid' });
      return error.message;
    },
  );

test('what must be set is enough; the rest has defaults', async () => {
  const { keys, ...settings } = await readServeSettings(least);
  expect(keys.oauth.cookieKeys).toHaveLength(1);
  expect(settings).toEqual({
    databaseUrl: 'postgres://sallyport:pw@db/sallyport',
    publicUrl: new URL('https://ssh.example.com'),
    listen: { host: '127.0.0.1', port: 8420 },
    organizationSlug: 'acme',
    trustedProxies: [],
    proxyHops: 1,
    operators: [],
    weakKeys: new Set(),
    releaseFile: undefined,
    identityProviders: [{ slug: 'default', settings: defaults, clientSecret: 'the secret' }],
    privateProviderNetworks: [],
  });
});

test('lists are words with spaces or commas between them', async () => {
  const settings = await readServeSettings({
    ...least,
    SALLYPORT_OIDC_MFA_METHODS: 'mfa, otp,hwk',
    SALLYPORT_TRUSTED_PROXIES: '10.0.0.0/8 ::1',
    SALLYPORT_OPERATORS: 'olga@example.com, otto@example.com',
  });
  expect(settings.identityProviders[0]?.settings.assurance.multiFactorAmr).toEqual([
    ['mfa'],
    ['otp'],
    ['hwk'],
  ]);
  expect(settings.trustedProxies).toEqual(['10.0.0.0/8', '::1']);
  expect(settings.operators).toEqual(['olga@example.com', 'otto@example.com']);
});

describe('identity providers', () => {
  const list = async (text: string) => {
    const path = join(folder, 'providers.yaml');
    await writeFile(path, text);
    return path;
  };
  const another = `
- slug: okta
  name: Okta
  issuer: https://acme.okta.example
  client_id: s
  client_secret_file: client-secret
  groups: { prefix: '' }
`;

  test('the preset gives the defaults, and a claim is a template of itself', async () => {
    const { identityProviders } = await readServeSettings({
      ...least,
      SALLYPORT_OIDC_PRESET: 'okta',
      SALLYPORT_OIDC_CLAIM_ACCOUNT: 'preferred_username',
      SALLYPORT_OIDC_TRUST_EMAIL: 'yes',
      SALLYPORT_OIDC_SCOPES: 'groups',
    });
    expect(identityProviders[0]?.settings).toMatchObject({
      preset: 'okta',
      assurance: presets.okta.assurance,
      claims: { account: '{preferred_username}', name: 'name', groups: 'groups' },
      trustEmail: true,
      scopes: ['openid', 'groups'],
    });
  });

  test('those of the file come beside that of the environment, or are all there are', async () => {
    const { SALLYPORT_OIDC_ISSUER: _, SALLYPORT_OIDC_CLIENT_ID: __, ...rest } = least;
    const { SALLYPORT_OIDC_CLIENT_SECRET_FILE: ___, ...none } = rest;
    const file = await list(another);
    const alone = await readServeSettings({ ...none, SALLYPORT_IDENTITY_PROVIDERS: file });
    expect(alone.identityProviders).toMatchObject([
      { slug: 'okta', clientSecret: 'the secret', settings: { organization: 'acme' } },
    ]);
    const message = await refusal({ SALLYPORT_IDENTITY_PROVIDERS: file });
    expect(message).toContain('SALLYPORT_IDENTITY_PROVIDERS: default and okta both serve acme');
  });

  test('the three settings of the environment are needed as soon as one is given, or without a file', async () => {
    const { SALLYPORT_OIDC_ISSUER: _, SALLYPORT_OIDC_CLIENT_ID: __, ...rest } = least;
    const file = await list(another);
    const refused = {
      code: 'settings_invalid',
      message: expect.stringContaining('SALLYPORT_OIDC_CLIENT_ID: '),
    };
    await expect(readServeSettings(rest)).rejects.toMatchObject(refused);
    await expect(readServeSettings({ ...rest, SALLYPORT_IDENTITY_PROVIDERS: file })).rejects.toMatchObject(
      refused,
    );
  });

  test.each([
    ['SALLYPORT_OIDC_PRESET', 'oktta', 'must be one of okta'],
    ['SALLYPORT_OIDC_CLAIM_ACCOUNT', '{email}@{x}', 'must be a template'],
    ['SALLYPORT_OIDC_CLAIM_ACCOUNT', '{email:local}@acme.example', 'exactly one domain'],
    ['SALLYPORT_OIDC_CLAIM_GROUPS', '/a~2', 'must be the name of a claim'],
    ['SALLYPORT_OIDC_TRUST_EMAIL', 'true', 'must be yes or no'],
    ['SALLYPORT_PRIVATE_PROVIDERS', 'idp.example', 'must be addresses or networks'],
    ['SALLYPORT_IDENTITY_PROVIDERS', '/nonexistent', "can't be read (ENOENT)"],
  ])('%s=%s is refused', async (setting, value, words) => {
    const message = await refusal({ [setting]: value });
    expect(message).toContain(`\n  ${setting}: `);
    expect(message).toContain(words);
  });
});

test('a list of weak keys is read from its file', async () => {
  const path = join(folder, 'weak-keys');
  await writeFile(path, '# two\n00112233445566778899\nffeeddccbbaa99887766\n');
  const { weakKeys } = await readServeSettings({ ...least, SALLYPORT_WEAK_KEYS: path });
  expect([...weakKeys]).toEqual(['00112233445566778899', 'ffeeddccbbaa99887766']);
});

test('an empty value counts as not set', async () => {
  expect(await refusal({ SALLYPORT_ORGANIZATION: '' })).toContain('SALLYPORT_ORGANIZATION: the organization');
  const { listen } = await readServeSettings({ ...least, SALLYPORT_LISTEN: '' });
  expect(listen.port).toBe(8420);
});

test('the database may come by file, and DATABASE_URL goes before the file', async () => {
  const file = join(folder, 'database-url');
  await writeFile(file, 'postgres://from/file\n');
  const { DATABASE_URL: _, ...rest } = least;
  expect((await readServeSettings({ ...rest, DATABASE_URL_FILE: file })).databaseUrl).toBe(
    'postgres://from/file',
  );
  expect((await readServeSettings({ ...least, DATABASE_URL_FILE: file })).databaseUrl).toBe(
    least['DATABASE_URL'],
  );
});

test.each([
  ['127.0.0.1:0', '127.0.0.1', 0],
  ['[::1]:8420', '::1', 8420],
  ['0.0.0.0:65535', '0.0.0.0', 65_535],
  ['localhost:80', 'localhost', 80],
])('listens on %s', async (SALLYPORT_LISTEN, host, port) => {
  expect((await readServeSettings({ ...least, SALLYPORT_LISTEN })).listen).toEqual({ host, port });
});

describe('refuses', () => {
  test.each([
    ['SALLYPORT_LISTEN', '8420', 'must be ADDRESS:PORT'],
    ['SALLYPORT_LISTEN', '127.0.0.1:65536', 'must be ADDRESS:PORT'],
    ['SALLYPORT_LISTEN', '::1:8420', 'must be ADDRESS:PORT'],
    ['SALLYPORT_PUBLIC_URL', 'ssh.example.com', 'must be an https:// URL'],
    ['SALLYPORT_PUBLIC_URL', 'http://ssh.example.com', 'must be an https:// URL'],
    ['SALLYPORT_PUBLIC_URL', 'http://localhost.example.com', 'must be an https:// URL'],
    ['SALLYPORT_PUBLIC_URL', 'ftp://localhost', 'must be an https:// URL'],
    ['SALLYPORT_PUBLIC_URL', 'https://ssh.example.com/sallyport', 'without path, query or user'],
    ['SALLYPORT_PUBLIC_URL', 'https://ssh.example.com/?a=b', 'without path, query or user'],
    ['SALLYPORT_PUBLIC_URL', 'https://me@ssh.example.com', 'without path, query or user'],
    ['SALLYPORT_OIDC_ISSUER', 'http://login.example.com', 'must be an https:// URL'],
    ['SALLYPORT_OIDC_SCOPES', ' , ', 'holds no word'],
    ['SALLYPORT_OIDC_MFA_METHODS', ',', 'holds no word'],
    ['SALLYPORT_OPERATORS', 'olga', 'must be account names'],
    ['SALLYPORT_WEAK_KEYS', '/nonexistent', "/nonexistent can't be read (ENOENT)"],
    ['SALLYPORT_WEAK_KEYS', '/etc/passwd', 'line 1 of the list of weak keys'],
    ['SALLYPORT_SALLY_RELEASE', '/nonexistent', "/nonexistent can't be read (ENOENT)"],
    ['SALLYPORT_SALLY_RELEASE', '/etc/passwd', 'is no sally.release'],
    ['SALLYPORT_SALLY_RELEASE', '/dev/zero', 'is no sally.release'],
    ['SALLYPORT_TRUSTED_PROXIES', 'proxy.example.com', 'must be addresses or networks'],
    ['SALLYPORT_TRUSTED_PROXIES', '10.0.0.0/33', 'must be addresses or networks'],
    ['SALLYPORT_TRUSTED_PROXIES', '10.0.0.0/8/8', 'must be addresses or networks'],
    ['DATABASE_URL', 'mysql://db', 'must begin with postgres://'],
    ['SALLYPORT_OIDC_CLIENT_SECRET_FILE', '/nonexistent', "/nonexistent can't be read (ENOENT)"],
    ['SALLYPORT_OIDC_MFA_METHOD', 'otp', 'there is no such setting'],
  ])('%s=%s', async (setting, value, words) => {
    const message = await refusal({ [setting]: value });
    expect(message).toContain(`\n  ${setting}: `);
    expect(message).toContain(words);
    expect(message.split('\n')).toHaveLength(2);
  });

  test('an empty secret file', async () => {
    const file = join(folder, 'empty');
    await writeFile(file, ' \n');
    expect(await refusal({ SALLYPORT_OIDC_CLIENT_SECRET_FILE: file })).toContain(`the file ${file} is empty`);
  });
});

test('names of services that a container platform sets are none of our settings', async () => {
  expect(await refusal({ SALLYPORT_PORT: 'tcp://10.0.0.1:8420', SALLYPORT_SERVICE_HOST: '10.0.0.1' })).toBe(
    'accepted',
  );
});

test.each([
  ['http://localhost:1', true],
  ['http://127.0.0.1', true],
  ['http://127.8.9.1', true],
  ['http://[::1]:1', true],
  ['http://localhost.example.com', false],
  ['http://127.0.0.1.example.com', false],
  ['http://0.0.0.0', false],
  ['http://[::ffff:10.0.0.1]', false],
])('%s is this machine: %s', (url, expected) => {
  expect(isLoopback(new URL(url))).toBe(expected);
});
