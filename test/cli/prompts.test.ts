/**
 * [seeds 68]: every question that sally asks has a flag that answers it; without a terminal sally names that flag, ends
 * with 2 and has changed nothing. A new question fails here until it is in the list.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble } from './server-double.ts';

const source = join(import.meta.dirname, '..', '..', 'src', 'cli');
const bob = 'bob@demo.example';
const inventory = JSON.stringify({ organization: { slug: 'demo' } });

interface Question {
  readonly argv: readonly string[];
  /** What it is to do, once it may. */
  readonly does: string | RegExp;
  readonly flag?: string;
  readonly stdin?: string;
}

/** By the file that asks. */
const questions: Readonly<Record<string, readonly Question[]>> = {
  'commands/admin-accounts.ts': [
    {
      argv: ['admin', 'accounts', 'disable', bob],
      does: `POST /v1/accounts/${encodeURIComponent(bob)}/disable`,
    },
  ],
  'commands/admin-hardware-keys.ts': [
    { argv: ['admin', 'hardware-keys', 'set', 'required'], does: 'POST /v1/organization/login-policy' },
  ],
  'commands/admin-sessions.ts': [
    { argv: ['admin', 'sessions', 'revoke', account], does: /^POST \/v1\/sessions\/[^/]+\/revoke$/ },
    {
      argv: ['admin', 'sessions', 'revoke', '--account', bob],
      does: /^POST \/v1\/accounts\/.*\/sessions\/revoke$/,
    },
    { argv: ['admin', 'sessions', 'revoke', '--before', 'now'], does: 'POST /v1/sessions/revoke-before' },
  ],
  'commands/admin-switch.ts': [
    { argv: ['admin', 'switch', 'off', 'shop'], does: 'POST /v1/inventory/projects/shop' },
    {
      argv: ['ssh-access', 'disable', 'shop/production'],
      does: 'POST /v1/inventory/environments/shop.production',
    },
    { argv: ['ssh-access', 'disable', '--organization'], does: 'POST /v1/inventory/organization' },
  ],
  'commands/admin-inventory.ts': [
    { argv: ['admin', 'apply', '--file', '-'], stdin: inventory, does: 'POST /v1/inventory/apply' },
  ],
  'commands/ssh-keys.ts': [{ argv: ['ssh-keys', 'remove-all'], does: 'POST /v1/ssh-keys/remove-all' }],
};

/** Questions whose flags other tests prove. */
const elsewhere: Readonly<Record<string, string>> = {
  'commands/profile.ts': 'profiles',
  'commands/tunnel-open.ts': 'tunnels',
  'reach/find-target.ts': 'below',
  'log-in-browser.ts': 'below',
  'ssh-config-policy.ts': 'below',
  'agent/confirm-use.ts': 'agent: nobody there means no',
};

let server: ServerDouble;
let alice: Person;
beforeAll(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
  server.answers['POST /v1/inventory/plan'] = {
    digest: 'x'.repeat(43),
    not_in_file: [],
    ends_connections: 0,
    changes: [
      { action: 'create', kind: 'project', name: 'shop', before: null, after: { ssh_enabled: true } },
    ],
  };
});
afterAll(async () => {
  await server.stop();
  alice.remove();
});
afterEach(() => {
  server.failures.length = 0;
});

const changes = () =>
  server.seen
    .map(({ method, path }) => `${method} ${path}`)
    .filter((request) => /^POST \/v1\//.test(request) && !request.endsWith('/plan'));

async function* bytes(text: string) {
  yield Buffer.from(text);
}

describe('[seeds 68] a question', () => {
  test('is in the list of this file, wherever sally asks one', () => {
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const asking = files.filter((name) => {
      const text = readFileSync(join(source, name), 'utf8');
      return /await confirmed\(|\bawait ask\([`']/.test(text) && !/\bconst ask = |function ask\(/.test(text);
    });
    expect(asking.sort()).toEqual(
      ['confirmed.ts', ...Object.keys(questions), ...Object.keys(elsewhere)].sort(),
    );
  });

  const all = Object.values(questions)
    .flat()
    .map((question) => [question.argv.join(' '), question] as const);

  test.each(all)('%s', async (_words, { argv, does, flag = '--yes', stdin }) => {
    const input = () => (stdin === undefined ? {} : { stdin: bytes(stdin) });
    server.seen.length = 0;
    const unasked = await alice.sally(argv, input());
    expect(unasked.code).toBe(2);
    expect(unasked.stderr).toMatch(new RegExp(`^sally: There is no terminal to ask on\\..*${flag}\\n$`));
    expect(changes()).toEqual([]);
    // A person who says no, or nothing, has changed nothing either.
    for (const answer of ['', 'n', 'yess']) {
      expect((await alice.sally(argv, { ...input(), ask: async () => answer })).code).toBe(2);
    }
    expect(changes()).toEqual([]);
    // With the flag nobody is asked.
    const ask = () => Promise.reject(new Error('was asked'));
    await alice.sally([...argv, flag], { ...input(), ask });
    expect(changes()).toEqual([typeof does === 'string' ? does : expect.stringMatching(does)]);
  });

  test('[seeds 68] of which target: --instance and --any are named, with all that fit', async () => {
    server.answers['GET /v1/targets'] = {
      account,
      targets: ['one', 'two'].map((instance) => sampleTarget(`shop-production--web--${instance}`)),
      gateways: [],
      empty_apps: [],
      next: null,
    };
    const { code, stderr } = await alice.sally(['ssh', '--app', 'web', '--pipe']);
    expect(code).toBe(2);
    for (const word of ['--instance', '--any', 'web--one', 'web--two']) expect(stderr).toContain(word);
    const any = await alice.sally(['ssh', '--app', 'web', '--pipe', '--any']);
    expect(any).toMatchObject({ code: 0, stdout: expect.stringContaining('web--one') });
    const named = await alice.sally(['ssh', '--app', 'web', '--instance', 'two', '--pipe']);
    expect(named).toMatchObject({ code: 0, stdout: expect.stringContaining('web--two') });
  });

  test('[seeds 68] of the ssh config, where a login is to ask: the command that answers is named', async () => {
    const bobs = new Person();
    try {
      await bobs.sally(['ssh-config', 'policy', 'ask']);
      const said = await bobs.sally(['login', '--server', server.url]);
      expect(said.stderr).toContain('To add its line: sally ssh-config install');
      expect(bobs.has(bobs.paths.userConfig)).toBe(false);
      await bobs.sally(['ssh-config', 'install']);
      expect(bobs.config().toString()).toContain('Include');
    } finally {
      bobs.remove();
    }
  });

  test('[seeds 68] of a login: without a terminal nobody is asked to paste, a code is confirmed elsewhere', async () => {
    const bobs = new Person();
    try {
      const argv = ['login', '--server', server.url];
      const said = await bobs.sally(argv, { environment: { headless: true } });
      expect(said.code).toBe(0);
      expect(said.stderr).toContain('On any machine with a browser, open this address and type the code');
      expect(said.stderr).not.toContain('paste');
      const device = await bobs.sally([...argv, '--device']);
      expect(device.code).toBe(0);
    } finally {
      bobs.remove();
    }
  });
});
