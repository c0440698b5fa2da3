import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createApiToken } from '../../src/credentials/create-api-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { targetByName } from '../../src/inventory/target.ts';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

const stdinOf = (text: string) =>
  (async function* () {
    yield Buffer.from(text);
  })();

const example = `
organization: { slug: acme }
projects:
  - slug: shop
    environments:
      - slug: production
        kind: production
        people_only: true
        apps:
          - slug: api
            instances:
              - { address: 10.0.0.4, login: api }
`;

describe('a job with an API token at the real server', () => {
  let site: WholeSite;
  let job: Person;
  let token: string;
  beforeAll(async () => {
    site = await startWholeSite();
    job = new Person();
    const { account, accountId } = await site.guest('robot');
    token = await inTransaction(site.database.db, async (tx) => {
      const { organizationId } = site.shop;
      await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'admin' });
      const { text } = await createApiToken(
        tx,
        {
          creator: { accountId, account, organizationId, role: 'admin' },
          name: 'inventory',
          roleLimit: 'admin',
          sourceRanges: [],
          expiresAt: new Date(site.clock.now.getTime() + 3_600_000),
        },
        site.clock.now,
      );
      return text;
    });
  });
  afterAll(async () => {
    job?.remove();
    await site?.close();
  });

  const sally = (argv: string[], stdin?: string) =>
    job.sally(argv, {
      environment: { server: site.publicUrl.origin, machine: { apiToken: token } },
      ...(stdin === undefined ? {} : { stdin: stdinOf(stdin) }),
    });
  const target = (name: string) => targetByName(site.database.db, name);

  test('exports the inventory, changes the file, sees the plan, applies it, and is done', async () => {
    const file = join(job.home, 'inventory.yaml');
    expect(await sally(['admin', 'export', '-o', file])).toMatchObject({ code: 0, stdout: '' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const exported = readFileSync(file, 'utf8');
    expect(exported.split('\n')[0]).toBe('# yaml-language-server: $schema=inventory.schema.json');
    expect(exported).toMatch(/^organization:\n {2}slug: [a-z-]+\n/m);
    expect(exported).toMatch(/^ {6}- slug: production\n {8}kind: /m);
    expect(await sally(['admin', 'apply', '-f', file, '--dry-run', '--prune'])).toMatchObject({
      code: 0,
      stdout: `Nothing to do: all is as ${file} says.\n`,
    });

    writeFileSync(
      file,
      exported.replace('people_only: false', 'people_only: true').replace('- slug: web', '- slug: api'),
    );
    const planned = await sally(['admin', 'apply', '-f', file, '--dry-run']);
    expect(planned.code).toBe(7);
    expect(planned.stdout).toBe(
      [
        '~ environment shop.production',
        '    people_only: false -> true',
        '+ app shop.production.api',
        '    ssh_enabled: true',
        '    ssh_role: contributor',
        '    local_forwarding: true',
        '    remote_forwarding: false',
        '    agent_forwarding: false',
        '+ instance shop-production--api',
        '    address: 10.1.2.3',
        '    port: 22',
        '    login: deploy',
        '    state: running',
        '    kind: instance',
        '',
        'Not in the file, and left as they are (--prune removes them):',
        '    app shop.production.web',
        '    instance shop-production--web',
        '',
        'Plan: 2 to create, 1 to change, 0 to remove.',
        '',
      ].join('\n'),
    );
    expect(await target('shop-production--api')).toBeUndefined();

    // Nobody to ask, and nothing done.
    expect(await sally(['admin', 'apply', '-f', file])).toMatchObject({ code: 2 });
    expect(await target('shop-production--api')).toBeUndefined();
    const applied = await sally(['admin', 'apply', '-f', file, '--prune', '--yes']);
    expect([applied.code, applied.stdout]).toEqual([
      0,
      expect.stringContaining('- instance shop-production--web\n- app shop.production.web\n'),
    ]);
    expect(applied.stdout).toMatch(/Applied: 2 created, 1 changed, 2 removed\.\n$/);
    expect(await target('shop-production--api')).toMatchObject({ peopleOnly: true });
    expect(await target('shop-production--web')).toBeUndefined();
    expect((await sally(['admin', 'apply', '-f', file, '--prune', '--yes'])).stdout).toContain(
      'Nothing to do',
    );
  });

  test('reads the file from a pipe, prints plans for programs, and lists what there is', async () => {
    const { code, stdout } = await sally(['admin', 'apply', '-f', '-', '--dry-run', '--json'], example);
    const plan = JSON.parse(stdout);
    expect([code, plan.changes.length > 0]).toEqual([
      plan.changes.length > 0 ? 7 : 0,
      plan.changes.length > 0,
    ]);
    expect(plan.digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await sally(['admin', 'apply', '-f', '-', '--yes', '--json'], example)).code).toBe(0);
    const listed = await sally(['admin', 'inventory', 'list', 'instances', '--app', 'shop/production/api']);
    expect(listed.stdout).toMatch(/^NAME +STATE .*\nshop-production--api +running .* 10\.0\.0\.4 /);
    for (const kind of [
      'projects',
      'environments',
      'services',
      'apps',
      'gateways',
      'hosts',
      'access-rules',
    ]) {
      expect([kind, (await sally(['admin', 'inventory', 'list', kind, '--json'])).code]).toEqual([kind, 0]);
    }
    const rules = await sally(['admin', 'inventory', 'list', 'access-rules']);
    expect(rules.stdout).toContain('contributor  contributors');
    expect(await sally(['admin', 'inventory', 'list', 'dragons'])).toMatchObject({ code: 2 });
  });

  test('closes and opens each level', async () => {
    const levels = { project: 'shop', environment: 'shop/production', app: 'shop.production.api' };
    for (const [level, place] of Object.entries(levels)) {
      expect((await sally(['admin', 'switch', 'off', place, '--yes'])).stdout).toBe(
        `SSH to ${place} is off.\n`,
      );
      expect(await target('shop-production--api')).toMatchObject({ sshEnabled: { [level]: false } });
      expect((await sally(['admin', 'switch', 'on', place])).code).toBe(0);
      expect(await target('shop-production--api')).toMatchObject({ sshEnabled: { [level]: true } });
    }
    expect((await sally(['admin', 'switch', 'off', '--organization', '--yes'])).code).toBe(0);
    expect(await target('shop-production--api')).toMatchObject({ sshEnabled: { organization: false } });
    await sally(['admin', 'switch', 'on', '--organization']);
    expect(await sally(['admin', 'switch', 'off', 'nowhere', '--yes'])).toMatchObject({ code: 1 });
  });

  test('says what the server has against the file', async () => {
    const { code, stderr } = await sally(
      ['admin', 'apply', '-f', '-', '--yes'],
      `${example}      - { slug: other, kind: staging, gateways: [none] }\n`,
    );
    expect([code, stderr]).toEqual([
      1,
      'sally: The environment "shop.other" names the gateway "none", which there is not, or which would be removed.\n',
    ]);
  });
});

describe('a person', () => {
  let server: ServerDouble;
  let alice: Person;
  const plan = {
    digest: 'a'.repeat(64),
    changes: [
      { action: 'remove', kind: 'app', name: 'shop.production.web', before: {}, after: null },
      {
        action: 'change',
        kind: 'project',
        name: 'shop',
        before: { ssh_enabled: true },
        after: { ssh_enabled: '\u001b[2Jx' },
      },
    ],
    not_in_file: [],
    ends_connections: 2,
  };
  beforeEach(async () => {
    server = new ServerDouble();
    await server.start();
    alice = new Person();
    await alice.login(server.url);
    server.answers['POST /v1/inventory/plan'] = plan;
    server.answers['POST /v1/inventory/apply'] = plan;
  });
  afterEach(async () => {
    await server.stop();
    alice.remove();
  });
  const apply = (answer: string, environment: Record<string, unknown> = {}) =>
    alice.sally(['admin', 'apply', '-f', '-'], {
      stdin: stdinOf(example),
      environment,
      ask: async (question) => {
        asked.push(question);
        return answer;
      },
    });
  const asked: string[] = [];

  test('is asked after the plan was shown, and nothing is done without a yes', async () => {
    const refused = await apply('n');
    expect(asked).toEqual(['Apply it to acme? [y/N] ']);
    expect([refused.code, refused.stderr]).toEqual([2, 'sally: Nothing was changed.\n']);
    expect(refused.stdout).toContain('- app shop.production.web\n~ project shop\n');
    expect(refused.stdout).toContain('which end: 2.');
    const paths = () => server.seen.map(({ path }) => path);
    expect(paths()).not.toContain('/v1/inventory/apply');
    expect((await apply('yes')).code).toBe(0);
    expect(paths()).toContain('/v1/inventory/apply');
    expect(JSON.parse(server.bodies.at(-1) ?? '')).toMatchObject({ digest: plan.digest, prune: false });
  });

  test('sees colors on a terminal only, and no control characters of others anywhere', async () => {
    const plain = await apply('n');
    expect(plain.stdout).not.toContain('\u001b');
    const colored = await apply('n', { isTerminal: true });
    expect(colored.stdout).toContain('\u001b[31m- app shop.production.web\u001b[39m');
    expect(colored.stdout).not.toContain('\u001b[2J');
  });
});

describe('a file that is not as it must be', () => {
  let nobody: Person;
  beforeEach(() => {
    nobody = new Person();
  });
  afterEach(() => nobody.remove());

  const bomb = ['a: &a [x]', ...Array.from({ length: 30 }, (_, n) => `b${n}: [*a, *a]`)].join('\n');

  test.each([
    [
      'a member that there is not',
      'organization: { slug: acme, color: red }',
      ':1:29: organization.color is not known here',
    ],
    ['a value of another type', 'organization:\n  slug: 5', ':2:3: organization.slug: '],
    [
      'a kind that there is not',
      example.replace('kind: production', 'kind: prod'),
      ':7:9: projects[0].environments[0].kind: ',
    ],
    [
      'something that is missing',
      example.replace('address: 10.0.0.4, ', ''),
      ':12:17: projects[0].environments[0].apps[0].instances[0].address is missing',
    ],
    [
      'a name twice',
      'organization: { slug: acme }\norganization: { slug: acme }',
      ':2:1: Map keys must be unique',
    ],
    ['two of one name', `${example}  - slug: shop`, 'projects[1]: is the second one named "shop"'],
    ['aliases', bomb, 'is not read here'],
    ['anchors', 'organization: &x { slug: acme }', ':1:18: has an anchor, which is not read here'],
    ['tags', 'organization: { slug: !!binary YWNtZQ== }', 'tag'],
    ['several documents', 'organization: { slug: acme }\n---\nx: 1', ':2:1: '],
    ['a merge', 'organization:\n  <<: { slug: acme }', ':2:3: organization.<< is not known here'],
    ['keys that are no text', '[1]: 2', 'With stringKeys'],
    ['towers of brackets', '['.repeat(100_000), ''],
    ['nothing', '', ':1:1: is empty'],
    ['no organization', 'projects: []', ':1:1: organization is missing'],
    ['broken YAML', 'organization: {', ':1:16: '],
    ['what is no UTF-8', Buffer.from([0xff, 0xfe]), 'is not UTF-8'],
    [
      'a rule for nobody',
      'organization: { slug: acme }\naccess_rules:\n  - role: admin',
      ':3:5: access_rules[0]: needs either group or account',
    ],
  ])('says so with its line, and asks no server: %s', async (_what, text, message) => {
    const file = join(nobody.home, 'f.yaml');
    writeFileSync(file, text);
    const { code, stderr } = await nobody.sally(['admin', 'apply', '-f', file]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(stderr).not.toContain('unexpected error');
  });

  test('is a file of this machine: one that is not there, a folder, one that is too large', async () => {
    expect((await nobody.sally(['admin', 'apply', '-f', join(nobody.home, 'none')])).code).toBe(6);
    expect((await nobody.sally(['admin', 'apply', '-f', nobody.home])).code).toBe(6);
    const large = join(nobody.home, 'large');
    writeFileSync(large, Buffer.alloc(9 * 1024 * 1024, 0x20));
    const { code, stderr } = await nobody.sally(['admin', 'apply', '-f', large]);
    expect([code, stderr]).toEqual([6, expect.stringContaining('larger than 8 MiB')]);
  });

  test('would be told by the schema, which needs no login', async () => {
    const { code, stdout } = await nobody.sally(['admin', 'inventory', 'schema']);
    expect([code, JSON.parse(stdout).title]).toEqual([0, 'Sallyport inventory']);
  });
});
