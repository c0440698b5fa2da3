import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const now = Math.floor(Date.now() / 1000);
const apiToken = {
  id: '0190b3c4-aaaa-7bbb-8ccc-0000000000aa',
  name: 'backup',
  account,
  hint: 'sallyport_AbC',
  role_limit: 'viewer',
  source_ranges: [],
  created_by: account,
  created_at: now,
  expires_at: now + 86_400,
  last_used_at: null,
  last_used_address: null,
  revoked_at: null,
  revoked_by: null,
};

describe('sally token', () => {
  test('create prints the token alone on stdout, and what it is on stderr', async () => {
    server.answers['POST /v1/api-tokens'] = { token: 'sallyport_the-token', api_token: apiToken };
    const argv = ['token', 'create', 'backup', '--from', '192.0.2.0/24', '--from', '2001:db8::/32'];
    const { code, stdout, stderr } = await alice.sally([
      ...argv,
      '--expires',
      '30d',
      '--role',
      'contributor',
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'sallyport_the-token\n' });
    expect(stderr).toContain('This token is shown only now.');
    expect(JSON.parse(server.bodies.at(-1) ?? '')).toEqual({
      name: 'backup',
      role_limit: 'contributor',
      expires_in_seconds: 30 * 86_400,
      source_ranges: ['192.0.2.0/24', '2001:db8::/32'],
    });
  });

  test('create shows the token in no debug line', async () => {
    server.answers['POST /v1/api-tokens'] = { token: 'sallyport_the-token', api_token: apiToken };
    const { stderr } = await alice.sally(['token', 'create', 'backup'], { environment: { debug: true } });
    expect(stderr).not.toContain('sallyport_the-token');
  });

  test.each([
    ['token', 'create', '-bad-'],
    ['token', 'create', 'x', '--role', 'god'],
    ['token', 'create', 'x', '--expires', '2y'],
    ['token', 'create', 'x', '--expires', '500d'],
    ['token', 'create', 'x', '--account', 'not an account'],
    ['ssh-code'],
    ['ssh-code', 'shop-production--web', '--uses', '11'],
    ['ssh-code', '--bind', '../x'],
    ['admin', 'accounts', 'disable', '../x', '--yes'],
    ['admin', 'sessions', 'revoke'],
    ['admin', 'sessions', 'revoke', sessionId, '--before', 'now'],
    ['admin', 'sessions', 'revoke', '--before', 'yesterday', '--yes'],
    ['admin', 'ci-rules', 'add', 'x', '--system', 'github', '--account', account, '--claim', 'nonsense'],
    ['logout', '--all', '--other'],
  ])('asks the server nothing that is not well-formed: %s %s %s %s', async (...argv) => {
    const asked = server.seen.length;
    const { code, stderr } = await alice.sally(argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sally: /);
    expect(server.seen.length).toBe(asked);
  });

  test('list and revoke know a token by its name, unless two have it', async () => {
    server.answers['GET /v1/api-tokens'] = { api_tokens: [apiToken] };
    const reply = { id: apiToken.id, sessions_ended: 2, version: '1' };
    server.answers[`POST /v1/api-tokens/${apiToken.id}/revoke`] = reply;
    expect((await alice.sally(['token', 'list'])).stdout).toMatch(
      /^\S+ +backup +alice@demo.example +viewer/m,
    );
    const revoked = await alice.sally(['token', 'revoke', 'backup']);
    expect(revoked.stdout).toBe('Revoked backup; sessions ended with it: 2.\n');
    const twin = { ...apiToken, id: '0190b3c4-aaaa-7bbb-8ccc-0000000000ab' };
    server.answers['GET /v1/api-tokens'] = { api_tokens: [apiToken, twin] };
    expect((await alice.sally(['token', 'revoke', 'backup'])).stderr).toContain('Give the id');
    expect((await alice.sally(['token', 'revoke', 'nothing'])).code).toBe(1);
  });

  test('shows names and hints of others as text', async () => {
    const evil = { ...apiToken, name: 'a\u001b[2J', hint: '\u202e', source_ranges: ['\u0007'] };
    server.answers['GET /v1/api-tokens'] = { api_tokens: [evil] };
    expect((await alice.sally(['token', 'list'])).stdout).toMatch(/^[\n\x20-\x7e]*$/);
  });
});

describe('sally passkeys', () => {
  test('opens the page of the very server, and prints it', async () => {
    const opened: string[] = [];
    const openBrowser = async (url: string) => void opened.push(url);
    const { stdout } = await alice.sally(['passkeys'], { openBrowser });
    expect(opened).toEqual([`${server.url}/console/security`]);
    expect(stdout).toContain(`${server.url}/console/security`);
    await alice.sally(['passkeys', '--no-browser'], { openBrowser });
    await alice.sally(['passkeys'], { openBrowser, environment: { headless: true } });
    expect(opened).toHaveLength(1);
  });
});

describe('sally login', () => {
  const explained = (allowed: string) => (target: string) => ({
    account,
    target,
    allowed: target === allowed,
    reasons: target === allowed ? [] : [{ code: 'mfa_missing', message: 'It wants a second factor.' }],
    command: null,
    text: '',
  });

  test('proposes the first target that lets the person in', async () => {
    const [target] = server.configuration.targets;
    if (target) server.configuration.targets.push({ ...target, name: 'shop-staging--web' });
    server.explain = explained('shop-staging--web');
    const { stdout } = await alice.login(server.url);
    expect(stdout).toContain('Next: ssh shop-staging--web.sallyport');
  });

  test('says why where none does', async () => {
    server.explain = explained('none');
    const { stdout } = await alice.login(server.url);
    expect(stdout).toContain('shop-production--web would not let you in: It wants a second factor.');
    expect(stdout).not.toContain('Next: ssh');
  });

  test.each([
    ['provider', 'with a second factor (pwd, otp; your identity provider vouches'],
    ['passkey', 'with a second factor (passkey'],
  ])('says who vouched for the second factor: %s', async (mfa_by, told) => {
    const session = { ...server.session(), mfa_by, provider: 'okta' };
    server.session = () => session;
    const { stdout } = await alice.login(server.url);
    expect(stdout).toContain(`Logged in as ${account} (provider okta) until`);
    expect(stdout).toContain(told);
    expect((await alice.sally(['status'])).stdout).toContain(told);
    expect((await alice.sally(['whoami'])).stdout).toContain(told);
  });
});
