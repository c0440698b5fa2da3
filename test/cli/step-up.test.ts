import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

const refusal = {
  status: 401,
  code: 'insufficient_user_authentication',
  detail: 'This needs a newer second factor. Run: sally login',
  members: { acr_values: 'mfa', max_age: 900, reasons: ['mfa_too_old'], command: 'sally login' },
};
const atTerminal = { environment: { personIsThere: true } };

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
  expect(server.failures).toEqual([]);
});

describe('a login while one is logged in', () => {
  test('renews the session under the same key', async () => {
    const before = JSON.parse(await readFile(alice.paths.session, 'utf8'));
    const { stdout } = await alice.login(server.url);
    expect(server.asked).toHaveLength(2);
    expect(server.asked[0]).not.toHaveProperty('session_id');
    expect(server.asked[1]).toMatchObject({ session_id: sessionId });
    expect(server.asked[1]?.['dpop_jkt']).toBe(server.asked[0]?.['dpop_jkt']);
    const after = JSON.parse(await readFile(alice.paths.session, 'utf8'));
    expect(after.dpop_key).toEqual(before.dpop_key);
    expect(stdout).toContain('It is the session of before; its connections stay.');
    expect(server.ended).toEqual([]);
  });

  test('that gave another session ends the one of before', async () => {
    server.currentSession = '0190b3c4-aaaa-7bbb-8ccc-00000000000b';
    const { stdout } = await alice.login(server.url);
    expect(stdout).not.toContain('session of before');
    expect(server.ended).toHaveLength(1);
    expect(JSON.parse(await readFile(alice.paths.session, 'utf8')).session_id).toBe(server.currentSession);
  });

  test('renews nothing at another server', async () => {
    const other = new ServerDouble();
    await other.start();
    try {
      await alice.login(other.url);
      expect(other.asked[0]).not.toHaveProperty('session_id');
      expect(other.asked[0]?.['dpop_jkt']).not.toBe(server.asked[0]?.['dpop_jkt']);
    } finally {
      await other.stop();
    }
  });

  test('[seeds 9] passes on what the person asks for', async () => {
    const argv = ['login', '--mfa', '--max-age', '60', '--provider', 'okta'];
    expect((await alice.sally(argv)).code).toBe(0);
    expect(server.asked[1]).toMatchObject({ acr_values: 'mfa', max_age: '60', provider: 'okta' });
  });

  test.each([
    ['--max-age', '-1'],
    ['--max-age', '1e3'],
    ['--max-age', 'x'],
    ['--provider', '../x'],
  ])('does not take %s %s', async (...wrong) => {
    expect((await alice.sally(['login', ...wrong])).code).toBe(2);
    expect(server.asked).toHaveLength(1);
  });
});

describe('a command that wants a stronger login', () => {
  test('[seeds 9] gets one, as strong as the server says, and is made again', async () => {
    server.faults.wantsMfa = { '/v1/sessions': refusal };
    const { code, stdout, stderr } = await alice.sally(['admin', 'sessions', 'list'], atTerminal);
    expect(code).toBe(0);
    expect(stdout).toContain(account);
    expect(stderr).toContain('sally: This needs a newer second factor.\n');
    expect(server.asked[1]).toMatchObject({ acr_values: 'mfa', max_age: '900', session_id: sessionId });
    expect(server.count('/v1/sessions')).toBe(2);
  });

  test('is refused with the command to run where nobody is there', async () => {
    server.faults.wantsMfa = { '/v1/sessions': refusal };
    const { code, stderr } = await alice.sally(['admin', 'sessions', 'list']);
    expect(code).toBe(4);
    expect(stderr).toBe('sally: This needs a newer second factor. Run: sally login --mfa --max-age 900\n');
    expect(server.asked).toHaveLength(1);
  });

  test('is refused for good when the login did not help: nobody logs in twice', async () => {
    server.faults.refuse = { '/v1/sessions': refusal };
    const { code } = await alice.sally(['admin', 'sessions', 'list'], atTerminal);
    expect(code).toBe(4);
    expect(server.asked).toHaveLength(2);
  });

  test('is not done in the name of somebody else who logged in', async () => {
    server.faults.wantsMfa = { '/v1/sessions': refusal };
    const bob = { ...server.session(), account: 'bob@demo.example' };
    server.faults.certificateFor = 'bob@demo.example';
    server.session = () => bob;
    const { code, stderr } = await alice.sally(['admin', 'sessions', 'list'], atTerminal);
    expect(code).toBe(4);
    expect(stderr).toContain('The login was one of bob@demo.example');
    expect(server.count('/v1/sessions')).toBe(1);
  });

  test('sally cert ensure --force logs in again too', async () => {
    server.faults.wantsMfa = { '/v1/certificates': refusal };
    expect((await alice.sally(['cert', 'ensure', '--force'], atTerminal)).code).toBe(0);
    expect(server.asked[1]).toMatchObject({ acr_values: 'mfa', max_age: '900' });
  });
});

describe('the renewal that ssh starts', () => {
  test('never logs in, and leaves the reason for the terminal', async () => {
    server.faults.refuse = { '/v1/certificates': refusal };
    alice.forceRenewal();
    let opened = 0;
    const quiet = await alice.sally(['cert', 'ensure', '--quiet'], {
      ...atTerminal,
      openBrowser: async () => void opened++,
    });
    expect(quiet).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(opened).toBe(0);
    expect(await readFile(alice.paths.renewAfter, 'utf8')).toMatch(/^[0-9]+ mfa-900\n[0-9]+\n$/);
  });
});

describe('nonces for proofs (RFC 9449 sections 8 and 9)', () => {
  test('are taken from the server, at every endpoint', async () => {
    server.nonce = 'first-nonce';
    expect((await alice.sally(['login'])).code).toBe(0);
    server.nonce = 'second-nonce';
    expect((await alice.sally(['whoami'])).code).toBe(0);
    server.nonce = 'third-nonce';
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
  });

  test('are remembered beside the session: a renewal needs no extra round trip', async () => {
    server.nonce = 'a-nonce';
    await alice.login(server.url);
    const asked = server.seen.length;
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
    const paths = server.seen.slice(asked).map(({ path }) => path);
    expect(paths).toEqual([
      '/oauth/token',
      '/v1/certificates/challenge',
      '/v1/certificates',
      '/v1/ssh-configuration',
    ]);
  });
});
