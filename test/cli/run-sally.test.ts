import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { printable, printableLines } from '../../src/cli/printable.ts';
import { fromNow, momentText, spanText } from '../../src/cli/times.ts';
import { Person, run, sallyEntry } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

describe('sally', () => {
  test('--help shows examples, the environment and every exit code', async () => {
    const { code, stdout } = await alice.sally(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('sally login --server https://ssh.example.com');
    expect(stdout).toContain('SALLY_DEBUG');
    for (const { number, meaning } of Object.values(exitCodes))
      expect(stdout).toContain(`  ${number}  ${meaning}`);
  });

  test('--version says the version', async () => {
    expect(await alice.sally(['--version'], { environment: { version: '1.2.3' } })).toEqual({
      code: 0,
      stdout: '1.2.3\n',
      stderr: '',
    });
  });

  test.each([['frobnicate'], ['login', '--nonsense'], ['explain'], ['cert', 'frobnicate']])(
    'ends with 2 for %s',
    async (...argv) => {
      const { code, stderr } = await alice.sally(argv);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^sally: /);
    },
  );

  test.each([
    ['whoami'],
    ['explain', 'shop-production--web'],
    ['admin', 'sessions', 'list'],
    ['cert', 'ensure'],
  ])('ends with 3 and the next command without a login: %s', async (...argv) => {
    expect(await alice.sally(argv)).toEqual({
      code: 3,
      stdout: '',
      stderr: 'sally: Nobody is logged in here. Run: sally login\n',
    });
  });

  test('uses colors on a terminal only, and never with NO_COLOR', async () => {
    await alice.login(server.url);
    const colored = await alice.sally(['status'], { environment: { isTerminal: true } });
    expect(colored.stdout).toContain('\u001b[1m');
    for (const environment of [{ isTerminal: false }, { isTerminal: true, noColor: true }]) {
      expect((await alice.sally(['status'], { environment })).stdout).not.toContain('\u001b');
    }
  });

  test('as a program reads its environment and ends with the code', () => {
    const status = run(process.execPath, [sallyEntry, 'status'], { HOME: alice.home });
    expect(status.code).toBe(3);
    expect(status.stdout).toContain('Nobody is logged in. Run: sally login');
    expect(status.stderr).toBe('');
    const login = run(process.execPath, [sallyEntry, 'login'], {
      HOME: alice.home,
      SALLY_SERVER: 'http://x.example',
    });
    expect(login.code).toBe(2);
    expect(login.stderr).toContain('must be https');
  });
});

describe('sally status', () => {
  test('asks no server', async () => {
    await alice.login(server.url);
    const asked = server.seen.length;
    const { code, stdout } = await alice.sally(['status']);
    expect(code).toBe(0);
    expect(server.seen.length).toBe(asked);
    expect(stdout).toMatch(/Account +alice@demo.example \(demo, admin\)/);
    expect(stdout).toMatch(/Certificate +until .* \(in .*\), renewed by ssh from/);
  });

  test('--json is for programs', async () => {
    await alice.login(server.url);
    const { stdout } = await alice.sally(['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      account,
      session: { id: sessionId, mfa: true, over_since: null },
      certificate: { key_id: `${account}/${sessionId}`, principals: [account, `mfa:${account}`] },
      ssh_config: { installed: true },
    });
    expect(stdout).not.toMatch(/access-|refresh-/);
  });
});

describe('sally explain', () => {
  test('says how to go on where one may', async () => {
    await alice.login(server.url);
    const { code, stdout } = await alice.sally(['explain', 'shop-production--web.sallyport']);
    expect(code).toBe(0);
    expect(stdout).toContain('Next: ssh shop-production--web.sallyport');
  });

  test('shows the refusal as ssh would, and ends with 4', async () => {
    await alice.login(server.url);
    const text = 'Error: Access denied\nParameters: {"amr":["mfa"]}\nRun: sally login\n';
    const reasons = [{ code: 'mfa_missing', message: 'no' }];
    server.explain = (target) => ({ account, target, allowed: false, reasons, command: 'sally login', text });
    const { code, stdout } = await alice.sally(['explain', 'shop-production--web']);
    expect(code).toBe(4);
    expect(stdout).toBe(text);
    const json = await alice.sally(['explain', 'shop-production--web', '--json']);
    expect(JSON.parse(json.stdout).reasons).toEqual(reasons);
  });

  test('renews a certificate whose CA key is not trusted any more, without a login', async () => {
    await alice.login(server.url);
    const issued = server.issued;
    server.explain = (target) => ({
      account,
      target,
      allowed: true,
      reasons: [],
      command: null,
      text: '',
      renew: true,
    });
    const { code, stdout, stderr } = await alice.sally(['explain', 'shop-production--web']);
    expect([code, server.issued]).toEqual([0, issued + 1]);
    expect(stderr).toContain('You have a new certificate now.');
    expect(stdout).toContain('Next: ssh shop-production--web.sallyport');
  });

  test('asks about somebody, and as if something else were so', async () => {
    await alice.login(server.url);
    const last = () => server.explainQueries.at(-1);
    const web = 'shop-production--web';
    await alice.sally(['explain', 'bob@example.com', web]);
    expect(last()).toEqual({ target: web, account: 'bob@example.com' });
    await alice.sally([
      'explain',
      web,
      '--account',
      'bob@example.com',
      '--mfa-age',
      '10m',
      '--role',
      'viewer',
    ]);
    expect(last()).toEqual({ target: web, account: 'bob@example.com', mfa_age: '600', role: 'viewer' });
    await alice.sally(['explain', web, '--without-mfa', '--as-token', '--at', '2030-05-04T10:00:00+02:00']);
    expect(last()).toEqual({
      target: web,
      without_mfa: 'true',
      as_token: 'true',
      at: '2030-05-04T08:00:00.000Z',
    });
    const before = Date.now();
    await alice.sally(['explain', web, '--at', 'in 2h']);
    const { at: asked = '' } = last() ?? {};
    const at = Date.parse(asked);
    expect(at).toBeGreaterThanOrEqual(before + 7_199_000);
    expect(at).toBeLessThanOrEqual(Date.now() + 7_201_000);
  });

  test('says what the answer goes by, and what comes next only where nothing was supposed', async () => {
    await alice.login(server.url);
    const assumed = ['your login', 'without a second factor'];
    const allowed = { account, allowed: true, reasons: [], command: null, text: '' };
    server.explain = (target) => ({ ...allowed, target, assumed });
    const { stdout } = await alice.sally(['explain', 'shop-production--web', '--without-mfa']);
    expect(stdout).toContain('Assumed: your login, without a second factor\n');
    expect(stdout).not.toContain('Next:');
  });

  test.each([
    ['two accounts', ['a@example.com', 'shop-production--web', '--account', 'b@example.com']],
    ['three names', ['a@example.com', 'b@example.com', 'shop-production--web']],
    ['a time that is none', ['shop-production--web', '--at', 'tomorrow']],
  ])('refuses %s', async (_, args) => {
    await alice.login(server.url);
    expect((await alice.sally(['explain', ...args])).code).toBe(2);
  });

  test('asks nothing about what is no target name', async () => {
    await alice.login(server.url);
    const { code, stderr } = await alice.sally(['explain', '../../v1/session/end']);
    expect(code).toBe(2);
    expect(stderr).toContain('looks like shop-production--web');
  });
});

describe('sally admin sessions', () => {
  beforeEach(() => alice.login(server.url));

  test('list shows who is in', async () => {
    const { code, stdout } = await alice.sally(['admin', 'sessions', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^SESSION .* FROM +MACHINE\n/);
    expect(stdout).toMatch(new RegExp(`^${sessionId}  ${account} +[0-9]+ +yes  in `, 'm'));
    const json = await alice.sally(['admin', 'sessions', 'list', '--json']);
    expect(JSON.parse(json.stdout).sessions[0].id).toBe(sessionId);
  });

  test('revoke asks first, and goes on at yes only', async () => {
    const questions: string[] = [];
    const answering = (answer: string) => ({
      ask: async (question: string) => {
        questions.push(question);
        return answer;
      },
    });
    for (const answer of ['', 'n', 'no', 'yesterday']) {
      const { code } = await alice.sally(['admin', 'sessions', 'revoke', sessionId], answering(answer));
      expect(code).toBe(2);
    }
    expect(server.count(`/v1/sessions/${sessionId}/revoke`)).toBe(0);
    const { code, stdout } = await alice.sally(['admin', 'sessions', 'revoke', account], answering('y'));
    expect(code).toBe(0);
    expect(questions[0]).toBe(`End the session of ${account} (SSH connections: 2)? [y/N] `);
    expect(stdout).toContain('certificates revoked: 3');
    expect(stdout).toContain('gw (gateway): in force, connections ended: 2');
    expect(server.count(`/v1/sessions/${sessionId}/revoke`)).toBe(1);
  });

  test('revoke does not ask without a terminal: it wants --yes', async () => {
    const refused = await alice.sally(['admin', 'sessions', 'revoke', sessionId]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--yes');
    expect((await alice.sally(['admin', 'sessions', 'revoke', sessionId, '--yes'])).code).toBe(0);
  });

  test('revoke knows live sessions only', async () => {
    for (const who of ['bob@demo.example', '../x', '0190b3c4-aaaa-7bbb-8ccc-000000000009']) {
      const { code, stderr } = await alice.sally(['admin', 'sessions', 'revoke', who, '--yes']);
      expect(code).toBe(1);
      expect(stderr).toContain('There is no live session');
    }
  });
});

describe('text', () => {
  test('from elsewhere is printable ASCII', () => {
    expect(printable('plain ~ text')).toBe('plain ~ text');
    expect(printable('a\u001b[31mb\u0007\u009b\u00e9\u{1f600}\n')).toBe(
      'a\\u{1b}[31mb\\u{7}\\u{9b}\\u{e9}\\u{1f600}\\u{a}',
    );
    expect(printableLines('a\nb\r\n')).toEqual(['a', 'b\\u{d}']);
  });

  test('about times is short', () => {
    const now = new Date(2026, 5, 1, 10, 0, 0);
    const seconds = now.getTime() / 1000;
    expect(momentText(seconds + 3600, now)).toBe('11:00');
    expect(momentText(seconds + 86_400, now)).toBe('tomorrow 10:00');
    expect(momentText(seconds + 3 * 86_400, now)).toBe('2026-06-04 10:00');
    expect([59, 60, 3600, 5400, 90_000, 172_800].map(spanText)).toEqual([
      '59 s',
      '1 min',
      '1 h',
      '1 h 30 min',
      '25 h',
      '2 days',
    ]);
    expect([fromNow(seconds, now), fromNow(seconds + 60, now), fromNow(seconds - 60, now)]).toEqual([
      'now',
      'in 1 min',
      '1 min ago',
    ]);
  });
});
