import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { browserAddress } from '../../src/cli/browser-address.ts';
import { openLoopbackListener } from '../../src/cli/loopback-listener.ts';
import { parseServerUrl } from '../../src/cli/server-url.ts';
import { Person, visit } from './person.ts';
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

describe('sally login', () => {
  test('[seeds 1] ends with tokens, a certificate and the ssh config, and says what it did and what is next', async () => {
    const { stdout, stderr } = await alice.login(server.url);
    expect(stdout).toContain(`Logged in as ${account} (provider default) until`);
    expect(stdout).toContain('with a second factor (pwd, otp; your identity provider vouches, ');
    expect(stdout).toContain(`Include "${alice.paths.config}"`);
    expect(stdout).toContain('To undo it: sally ssh-config uninstall');
    expect(stdout).toContain('Next: ssh shop-production--web.sallyport');
    expect(stderr).toContain(`${server.url}/oauth/auth?`);
    const session = JSON.parse(await readFile(alice.paths.session, 'utf8'));
    expect(session).toMatchObject({ v: 3, server: server.url, account, session_id: sessionId, mfa: true });
    expect(server.failures).toEqual([]);
    expect(server.issued).toBe(1);
  });

  test('says on the second time nothing of a line that is there already', async () => {
    await alice.login(server.url);
    const { stdout } = await alice.login(server.url);
    expect(stdout).not.toContain('Added one line');
    expect(alice.config().toString()).toBe(`Include "${alice.paths.config}"\n`);
  });

  test('goes to the server of the last login unless told otherwise', async () => {
    await alice.login(server.url);
    expect((await alice.sally(['login'])).code).toBe(0);
  });

  test('opens no browser with --no-browser: the person opens the printed address', async () => {
    let opened = false;
    const { code, stderr } = await alice.sally(['login', '--no-browser', '--server', server.url], {
      openBrowser: async () => {
        opened = true;
      },
      onStderr: (text) => {
        const [address] = /http:.*[/]auth.*/.exec(text) ?? [];
        if (address) void visit(address);
      },
    });
    expect(code).toBe(0);
    expect(opened).toBe(false);
    expect(stderr).toContain('To log in, open:');
  });

  test('tells where HOME is not the home folder that ssh reads', async () => {
    const { stdout } = await alice.sally(['login', '--server', server.url], {
      environment: { passwdHome: '/root' },
    });
    expect(stdout).toContain('ssh reads the config below /root');
    expect(stdout).toContain(`Next: ssh -F ${alice.paths.userConfig} shop-production--web.sallyport`);
  });

  test('refuses a callback of another issuer (RFC 9207) and keeps nothing', async () => {
    server.faults.callbackIss = 'https://evil.example';
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(1);
    expect(stderr).toContain('not to be trusted');
    expect(alice.has(alice.paths.session)).toBe(false);
    expect(server.count('/oauth/token')).toBe(0);
  });

  test('refuses tokens that are not bound to its key', async () => {
    server.faults.tokenType = 'Bearer';
    const { code } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(1);
    expect(alice.has(alice.paths.session)).toBe(false);
  });

  test('says why the server refused the login', async () => {
    server.faults.loginError = { error: 'access_denied', error_description: 'The account is disabled.' };
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(4);
    expect(stderr).toContain(
      'sally: The login was refused: The account is disabled. To try again: sally login\n',
    );
  });

  test('refuses a certificate for somebody else', async () => {
    server.faults.certificateFor = 'mallory@demo.example';
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(1);
    expect(stderr).toContain('a certificate for somebody else');
    expect(alice.has(alice.paths.identity)).toBe(false);
  });

  test('stays logged in, and says why, where the server gives no certificate', async () => {
    const detail = 'The account is disabled.';
    server.faults.refuse = { '/v1/certificates': { status: 403, code: 'access_denied', detail } };
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(4);
    expect(stderr).toContain(`no certificate: ${detail}`);
    expect((await alice.sally(['status'])).code).toBe(0);
    expect(alice.identity()).toContain('IdentityFile none');
  });

  test('[abuse 126] shows escapes and control characters of the server as text', async () => {
    const detail = '\u001b]0;owned\u0007\u001b[2J\u009b31m caf\u00e9 \u202eevil\r\nfake line';
    await alice.login(server.url);
    server.faults.refuse = { '/v1/session': { status: 403, code: 'forbidden', detail } };
    const refused = await alice.sally(['whoami']);
    server.faults = {};
    server.explain = (target) => ({
      account,
      target,
      allowed: false,
      reasons: [{ code: 'x', message: detail }],
      command: null,
      text: `Error: Access denied\nDetail: ${detail}\n`,
    });
    const explained = await alice.sally(['explain', 'shop-production--web']);
    server.sessions = [{ ...server.session(), client_address: detail, ended_reason: detail, amr: [detail] }];
    const listed = await alice.sally(['admin', 'sessions', 'list', '--all']);
    server.session = () => ({ ...server.sessions[0], amr: [detail] });
    const who = await alice.sally(['whoami']);
    const again = await alice.sally(['login', '--server', server.url]);
    server.faults.loginError = { error: 'access_denied', error_description: detail };
    const login = await alice.sally(['login', '--server', server.url], { environment: { debug: true } });
    for (const { stdout, stderr } of [refused, explained, listed, who, again, login]) {
      expect(`${stdout}${stderr}`).toMatch(/^[\n\x20-\x7e]*$/);
    }
    expect(refused.stderr).toContain('\\u{1b}]0;owned\\u{7}');
    expect(listed.stdout).toContain('\\u{202e}evil');
  });

  test('shows no token and no key with SALLY_DEBUG', async () => {
    const debug = { environment: { debug: true } };
    const { stderr } = await alice.sally(['login', '--server', server.url], debug);
    const ensured = await alice.sally(['cert', 'ensure', '--force'], debug);
    const text = stderr.replace(/^ {2}http.*$/m, '') + ensured.stderr;
    const session = JSON.parse(await readFile(alice.paths.session, 'utf8'));
    expect(text).toContain('sally debug: POST');
    expect(text).not.toMatch(/access-|refresh-/);
    expect(text).not.toContain(session.dpop_key.d);
  });
});

describe('the server', () => {
  test.each([
    ['http://ssh.example.com', 'https'],
    ['http://127.0.0.1.evil.example', 'https'],
    ['ftp://ssh.example.com', 'address'],
    ['file:///etc/passwd', 'address'],
    ['javascript:alert(1)', 'address'],
    ['https://user:secret@ssh.example.com', 'origin'],
    ['https://ssh.example.com/path', 'origin'],
    ['https://ssh.example.com/?a', 'origin'],
    ['nonsense', 'address'],
  ])('is not %s', (text, why) => {
    expect(() => parseServerUrl(text)).toThrow(why);
  });

  test.each(['https://ssh.example.com', 'http://localhost:8420', 'http://127.0.0.1:1', 'http://[::1]:80'])(
    'may be %s',
    (text) => {
      expect(parseServerUrl(text).origin).toBe(new URL(text).origin);
    },
  );
});

describe('the browser', () => {
  const own = new URL('https://ssh.example.com');

  test.each([
    'https://evil.example/login',
    'https://ssh.example.com.evil.example/',
    'https://ssh.example.com:444/',
    'http://ssh.example.com/',
    'https://user@ssh.example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/html,x',
    'vscode://file/etc/passwd',
    "https://ssh.example.com/'$(id)'",
    'https://ssh.example.com/;id',
    'https://ssh.example.com/?`id`',
  ])('[abuse 127] is not sent to %s', (address) => {
    expect(() => browserAddress(new URL(address), own)).toThrow('not a page of its own');
  });

  test.each([
    'javascript:alert(1)',
    'file:///etc/passwd',
    'https://evil.example/auth',
    '-x',
    '--help',
    '$(id)',
  ])(
    '[abuse 127] is not opened when the server names %s as its login page',
    async (authorization_endpoint) => {
      const opened: string[] = [];
      server.faults.metadata = { authorization_endpoint };
      const { code, stderr } = await alice.sally(['login', '--server', server.url], {
        openBrowser: async (url) => void opened.push(url),
      });
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/^sally: .*\n$/);
      expect(opened).toEqual([]);
    },
  );

  test('is given an address that starts with http and holds nothing a shell would read', async () => {
    const opened: string[] = [];
    await alice.sally(['login', '--server', server.url], {
      openBrowser: async (url) => {
        opened.push(url);
        await visit(url);
      },
    });
    expect(opened).toHaveLength(1);
    expect(opened[0]).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+\/oauth\/auth\?[A-Za-z0-9_.~%&=+-]+$/);
  });
});

describe('the loopback listener', () => {
  /** Sends a request as it stands and reads the reply. */
  function ask(
    address: string,
    { method = 'GET', host }: { method?: string; host?: string } = {},
  ): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }> {
    const url = new URL(address);
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers: { host: host ?? url.host } }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      });
      sent.on('error', reject).end();
    });
  }

  test('hears the callback with its state, exactly once, and nothing else', async () => {
    const listener = await openLoopbackListener();
    try {
      const { redirectUri } = listener;
      const { port } = new URL(redirectUri);
      expect(redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+\/callback$/);
      const awaited = listener.callback('right', 60_000);
      const status = async (...of: Parameters<typeof ask>) => (await ask(...of)).status;
      expect(await status(`${redirectUri}?state=right`, { host: `evil.example:${port}` })).toBe(421);
      expect(await status(`${redirectUri}?state=right`, { host: `localhost:${port}` })).toBe(421);
      expect(await status(`${redirectUri}?state=right`, { method: 'POST' })).toBe(405);
      expect(await status(`http://127.0.0.1:${port}/favicon.ico`)).toBe(404);
      expect(await status(`http://127.0.0.1:${port}/callback/more?state=right`)).toBe(404);
      expect(await status(`${redirectUri}?state=wrong&code=x`)).toBe(400);
      expect(await status(`${redirectUri}?code=x`)).toBe(400);
      expect(await status(`${redirectUri}?state=right&state=wrong`)).toBe(400);

      const reply = ask(`${redirectUri}?state=right&code=good`);
      expect((await awaited)?.searchParams.get('code')).toBe('good');
      expect(await status(`${redirectUri}?state=right&code=again`)).toBe(400);
      await listener.answer({ status: 200, html: 'done' });
      const { text, headers } = await reply;
      expect(text).toBe('done');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['cache-control']).toBe('no-store');
    } finally {
      await listener.close();
    }
  });

  test('gives up when time is up', async () => {
    const listener = await openLoopbackListener();
    expect(await listener.callback('state', 1)).toBeUndefined();
    await listener.close();
  });

  test('shows the person that they are logged in', async () => {
    let page: Promise<Response> | undefined;
    await alice.sally(['login', '--server', server.url], {
      openBrowser: async (url) => {
        page = fetch(url);
      },
    });
    expect(await (await page)?.text()).toContain('You are logged in');
  });
});

describe('sally logout', () => {
  test('ends the session and leaves no key, certificate or token', async () => {
    await alice.login(server.url);
    const { code, stdout } = await alice.sally(['logout']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Logged out ${account}`);
    expect(server.count('/v1/session/end')).toBe(1);
    expect(alice.has(alice.paths.session)).toBe(false);
    expect(alice.sshOptions('shop-production--web.sallyport').get('identityfile')).toEqual(['none']);
    expect((await alice.sally(['cert', 'show'])).code).toBe(1);
    expect(statSync(alice.paths.pairs).isDirectory()).toBe(true);
    expect(alice.config().toString()).toContain('Include');
  });

  test('works while the server is away, and says that the session lives on there', async () => {
    await alice.login(server.url);
    await server.stop();
    const { code, stderr } = await alice.sally(['logout']);
    await server.start();
    expect(code).toBe(5);
    expect(stderr).toContain('could not be ended at the server');
    expect(alice.has(alice.paths.session)).toBe(false);
  });
});
