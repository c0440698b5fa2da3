import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { rulesOfOrganization } from '../../src/inventory/access-rules.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { targetsOfCompanion } from '../../src/inventory/target.ts';
import { applySetup } from '../../src/operator/apply-setup.ts';
import { setupDocument } from '../../src/operator/setup-document.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

type Document = z.input<typeof setupDocument>;

const document = {
  organization: { slug: 'acme', name: 'Acme', domains: ['example.com'] },
  access_rules: [
    { group: 'admins', role: 'admin' },
    { group: 'developers', role: 'contributor', project: 'shop', environment: 'production' },
  ],
  gateways: [
    { name: 'east', address: 'east.example.com' },
    { name: 'west', address: 'west.example.com' },
  ],
  hosts: [{ name: 'web-1', address: '10.0.0.5' }],
  projects: [
    {
      slug: 'shop',
      environments: [
        {
          slug: 'production',
          kind: 'production',
          mfa_required: true,
          gateways: ['east'],
          apps: [
            {
              slug: 'web',
              instances: [
                { address: '10.0.0.5', login: 'web', host: 'web-1' },
                { slug: 'b', address: '10.0.0.6', login: 'web' },
              ],
            },
          ],
        },
      ],
    },
  ],
} satisfies Document;

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.close());

const apply = async (given: Document) =>
  await database.db.transaction().execute((tx) => applySetup(tx, setupDocument.parse(given)));
const version = async () => (await readStateVersion(database.db)).version;
const servedBy = async (id: string | undefined) =>
  (await targetsOfCompanion(database.db, id ?? '')).map(({ targetName }) => targetName).sort();

async function rules(): Promise<string[]> {
  const { id } = await database.db.selectFrom('organizations').select('id').executeTakeFirstOrThrow();
  const found = await rulesOfOrganization(database.db, id);
  return found
    .map(({ role, subject, project, environment }) => {
      const who = 'group' in subject ? subject.group : subject.account;
      return `${role} for ${who} in ${project}/${environment}`;
    })
    .sort();
}

/** The document with its one environment changed. */
function production(change: object): Document {
  const [shop] = document.projects;
  const [environment] = shop?.environments ?? [];
  return {
    ...document,
    projects: [{ slug: 'shop', environments: [{ ...environment, ...change }] }],
  } as Document;
}

test('a document becomes an organization with targets, rules and machines', async () => {
  const ids = await apply(document);
  expect([...ids.keys()].sort()).toEqual(['east', 'web-1', 'west']);
  expect(await servedBy(ids.get('east'))).toEqual(['shop-production--web', 'shop-production--web--b']);
  expect(await servedBy(ids.get('west'))).toEqual([]);
  expect(await servedBy(ids.get('web-1'))).toEqual(['shop-production--web']);
  expect(await rules()).toEqual(
    ['contributor for developers in shop/production', 'admin for admins in null/null'].sort(),
  );
});

test('the same document again changes nothing: no row, no event, no new state for companions', async () => {
  const first = await apply(document);
  const before = await version();
  const events = await database.db.selectFrom('audit_events').selectAll().execute();
  expect(await apply(document)).toEqual(first);
  expect(await version()).toBe(before);
  expect(await database.db.selectFrom('audit_events').selectAll().execute()).toHaveLength(events.length);
});

describe('a document that says something else', () => {
  let ids: ReadonlyMap<string, string>;
  let before: bigint;
  beforeEach(async () => {
    ids = await apply(document);
    before = await version();
  });
  afterEach(async () => {
    expect(await version(), 'companions hear of it').toBeGreaterThan(before);
  });
  const target = async (name: string) =>
    (await targetsOfCompanion(database.db, ids.get('east') ?? '')).find((one) => one.targetName === name);

  test('moves an address, and changes a login', async () => {
    const apps = [
      { slug: 'web', instances: [{ address: '10.9.9.9', port: 2200, login: 'app', host: 'web-1' }] },
    ];
    await apply(production({ apps }));
    expect(await target('shop-production--web')).toMatchObject({
      address: '10.9.9.9',
      port: 2200,
      login: 'app',
    });
    // Not named any more, and not touched.
    expect(await target('shop-production--web--b')).toMatchObject({ address: '10.0.0.6' });
  });

  test('gives an instance to a host, whose companion hears of it', async () => {
    const instances = [{ slug: 'b', address: '10.0.0.6', login: 'web', host: 'web-1' }];
    await apply(production({ apps: [{ slug: 'web', instances }] }));
    expect(await servedBy(ids.get('web-1'))).toEqual(['shop-production--web', 'shop-production--web--b']);
  });

  test('changes the MFA rule and the role that SSH asks for', async () => {
    const apps = [{ slug: 'web', ssh_role: 'admin', instances: [] }];
    await apply(production({ mfa_required: false, mfa_max_age_seconds: 60, access: 'jump', apps }));
    expect(await target('shop-production--web')).toMatchObject({
      mfaRequired: false,
      mfaMaxAgeSeconds: 60,
      accessMode: 'jump',
      sshRole: 'admin',
    });
  });

  test('asks of production for a second factor of the last 15 minutes, unless it says otherwise', async () => {
    const age = async () => (await target('shop-production--web'))?.mfaMaxAgeSeconds;
    await apply(production({ mfa_required: true, mfa_max_age_seconds: null }));
    expect(await age()).toBeNull();
    await apply(production({ mfa_required: true }));
    expect(await age()).toBe(900);
    await apply(production({ mfa_required: false }));
    expect(await age()).toBeNull();
  });

  test('keeps API tokens and CI jobs out of an environment, and lets them in again', async () => {
    const isForPeople = async () => (await target('shop-production--web'))?.peopleOnly;
    await apply(production({}));
    expect(await isForPeople()).toBe(false);
    await apply(production({ people_only: true }));
    expect(await isForPeople()).toBe(true);
    await apply(production({}));
    expect(await isForPeople()).toBe(false);
    // Of a new one too.
    const web = { slug: 'web', instances: [{ address: '10.0.0.9', login: 'web' }] };
    const staging = {
      slug: 'staging',
      kind: 'staging' as const,
      people_only: true,
      gateways: ['east'],
      apps: [web],
    };
    const { projects, ...rest } = document;
    await apply({ ...rest, projects: projects.map((project) => ({ ...project, environments: [staging] })) });
    expect(await target('shop-staging--web')).toMatchObject({ peopleOnly: true });
  });

  test('gives an environment to another gateway', async () => {
    await apply(production({ gateways: ['west'] }));
    expect(await servedBy(ids.get('east'))).toEqual([]);
    expect(await servedBy(ids.get('west'))).toHaveLength(2);
  });

  test('moves a gateway and gives it a login and a source address, and takes them away again', async () => {
    const east = { name: 'east', address: 'new.example.com', port: 2222 };
    const more = { login: 'gate', source_address: '192.0.2.10' };
    const row = async () =>
      await database.db
        .selectFrom('companions')
        .select(['address', 'port', 'gateway_login', 'source_address'])
        .where('name', '=', 'east')
        .executeTakeFirst();
    const moved = { address: 'new.example.com', port: 2222 };
    await apply({ ...document, gateways: [{ ...east, ...more }, ...document.gateways.slice(1)] });
    expect(await row()).toEqual({ ...moved, gateway_login: 'gate', source_address: '192.0.2.10' });
    await apply({ ...document, gateways: [east, ...document.gateways.slice(1)] });
    expect(await row()).toEqual({ ...moved, gateway_login: null, source_address: null });
  });

  test('renames the organization and adds a domain', async () => {
    const organization = { slug: 'acme', name: 'Acme Ltd', domains: ['acme.example'] };
    await apply({ ...document, organization });
    const domains = await database.db.selectFrom('organization_domains').select('domain').execute();
    expect(domains.map(({ domain }) => domain).sort()).toEqual(['acme.example', 'example.com']);
    const { name } = await database.db.selectFrom('organizations').select('name').executeTakeFirstOrThrow();
    expect(name).toBe('Acme Ltd');
  });

  test('adds a rule for an account that has logged in', async () => {
    await database.db.transaction().execute((tx) =>
      accountForIdentity(
        tx,
        {
          issuer: 'https://login.example.com',
          subject: '1',
          accountName: 'alice@example.com',
          displayName: 'Alice',
          groups: [],
          organizationSlug: 'acme',
        },
        new Date(),
      ),
    );
    const access_rules = [{ account: 'alice@example.com', role: 'viewer' as const }];
    await apply({ ...document, access_rules });
    expect(await rules()).toContain('viewer for alice@example.com in null/null');
    expect(await rules()).toHaveLength(3);
  });
});

describe('refuses, and changes nothing', () => {
  let before: bigint;
  beforeEach(async () => {
    await apply(document);
    before = await version();
  });
  afterEach(async () => {
    expect(await version()).toBe(before);
  });
  const other = { slug: 'other', name: 'Other', domains: ['other.example'] };

  test.each<[string, Document, string, string]>([
    ['an unknown gateway', production({ gateways: ['north'] }), 'not_found', 'names the gateway "north"'],
    ['a host for a gateway', production({ gateways: ['web-1'] }), 'not_found', 'names the gateway "web-1"'],
    [
      'an unknown host',
      production({ apps: [{ slug: 'web', instances: [{ address: 'a', login: 'a', host: 'east' }] }] }),
      'not_found',
      'names the host "east"',
    ],
    [
      'a rule on an unknown project',
      { ...document, access_rules: [{ group: 'a', role: 'admin', project: 'shpo' }] },
      'not_found',
      'the project "shpo", which there is not',
    ],
    [
      'a rule on an unknown environment',
      { ...document, access_rules: [{ group: 'a', role: 'admin', project: 'shop', environment: 'x' }] },
      'not_found',
      'the environment "x", which is not in the project "shop"',
    ],
    [
      'a rule for somebody who never logged in',
      { ...document, access_rules: [{ account: 'eve@example.com', role: 'admin' }] },
      'not_found',
      'eve@example.com, which has never logged in',
    ],
    [
      "another organization's domain",
      { organization: { ...other, domains: ['example.com'] }, access_rules: [] },
      'name_taken',
      'The domain belongs to an organization already',
    ],
    [
      "another organization's gateway",
      { ...document, organization: other },
      'name_taken',
      'The name of the host "web-1" is taken',
    ],
    [
      'a gateway that is a host',
      { ...document, gateways: [{ name: 'web-1', address: 'a' }], hosts: [], projects: [], access_rules: [] },
      'name_taken',
      'The name of the gateway "web-1" is taken',
    ],
  ])('%s', async (_what, given, code, words) => {
    await expect(apply(given)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });
});

test('a revoked machine does not come back under its name', async () => {
  const ids = await apply(document);
  await database.db
    .transaction()
    .execute((tx) =>
      revokeCompanion(
        tx,
        { companionId: ids.get('west') ?? '', by: 'alice@example.com' } as never,
        new Date(),
      ),
    );
  await expect(apply(document)).rejects.toMatchObject({
    code: 'name_taken',
    message: expect.stringContaining('"west" is taken'),
  });
});

test('the login policy is what the document names of it, and the rest stays', async () => {
  await apply({ ...document, login_policy: { mfa_required: true, session_max_seconds: 43_200 } });
  const read = async () =>
    await database.db
      .selectFrom('organizations')
      .select(['mfa_required', 'session_max_seconds', 'ssh_codes', 'mfa_sources'])
      .executeTakeFirstOrThrow();
  expect(await read()).toEqual({
    mfa_required: true,
    session_max_seconds: 43_200,
    ssh_codes: false,
    mfa_sources: ['provider', 'passkey'],
  });
  await apply({ ...document, login_policy: { ssh_codes: true } });
  await apply(document);
  expect(await read()).toMatchObject({ mfa_required: true, ssh_codes: true });
  const events = await database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'login_policy.changed')
    .execute();
  expect(events.map(({ facts }) => facts)).toEqual([
    {
      before: { mfa_required: false, session_max_seconds: 86_400 },
      after: { mfa_required: true, session_max_seconds: 43_200 },
      by: 'setup',
    },
    { before: { ssh_codes: false }, after: { ssh_codes: true }, by: 'setup' },
  ]);
});
