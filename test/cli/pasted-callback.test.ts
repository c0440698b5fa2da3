import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pastedCallback } from '../../src/cli/pasted-callback.ts';
import { Person } from './person.ts';
import { account, ServerDouble } from './server-double.ts';

const redirectUri = 'http://127.0.0.1:4711/callback';
const state = 'the-state';
const good = `${redirectUri}?code=x&state=${state}&iss=y`;
const paste = (line: string) => pastedCallback(line, { redirectUri, state });

describe('a pasted address', () => {
  test.each([good, `  ${good}\r\n`, `\u001b[200~${good}\u001b[201~`])('is taken: %j', (line) => {
    expect(paste(line)).toEqual(new URL(good));
  });

  test.each([
    'http://127.0.0.1:4712/callback?code=x&state=the-state',
    'http://localhost:4711/callback?code=x&state=the-state',
    'https://127.0.0.1:4711/callback?code=x&state=the-state',
    'http://127.0.0.1:4711/other?code=x&state=the-state',
    'http://127.0.0.1:4711/callback?code=x&state=another',
    'http://127.0.0.1:4711/callback?code=x&state=the-state&state=another',
    'http://127.0.0.1:4711/callback?code=x',
    'http://user@127.0.0.1:4711/callback?code=x&state=the-state',
    'code=x&state=the-state',
    'yes',
    `${good}${'&x'.repeat(4000)}`,
  ])('is not taken: %s', (line) => {
    expect(typeof paste(line)).toBe('string');
  });

  test('may be nothing at all', () => expect(paste(' \n')).toBeUndefined());
});

describe('sally login with a browser on another machine', () => {
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
    expect(server.failures).toEqual([]);
  });

  /** Where that browser ends: at an address of its own machine, where nothing listens. */
  async function farBrowser(address: string): Promise<string> {
    const { headers } = await fetch(address, { redirect: 'manual' });
    return headers.get('location') ?? '';
  }

  function pasting(lines: (address: string) => Promise<string[]>) {
    let told = '';
    let prepared: Promise<string[]> | undefined;
    return {
      onStderr: (text: string) => {
        told += text;
      },
      openBrowser: async () => expect.unreachable('no browser is opened here'),
      ask: async () => {
        const [address = ''] = /http:\S+[/]auth\S*/.exec(told) ?? [];
        prepared ??= lines(address);
        return (await prepared).shift() ?? '';
      },
    };
  }

  test('goes on with the address that the person pastes', async () => {
    const { code, stdout, stderr } = await alice.sally(
      ['login', '--no-browser', '--server', server.url],
      pasting(async (address) => ['', 'yes', await farBrowser(address)]),
    );
    expect(code).toBe(0);
    expect(stdout).toContain(`Logged in as ${account}`);
    expect(stderr).toContain('Copy that whole address, and paste it here.');
    expect(stderr).toContain('sally: That is not an address.');
    // Enter gives a fresh address of the same login, since a server keeps a pushed request for a minute.
    expect(stderr.match(/http:\S+[/]auth\S+/g)).toHaveLength(2);
    expect(server.asked[1]).toEqual(server.asked[0]);
  });

  test('does so by itself in a shell that came over SSH, and names both ways', async () => {
    const { code, stderr } = await alice.sally(['login', '--server', server.url], {
      ...pasting(async (address) => [await farBrowser(address)]),
      environment: { headless: true },
    });
    expect(code).toBe(0);
    expect(stderr).toContain('paste it here');
    expect(stderr).toContain('type the word code');
  });

  test('refuses a pasted answer of another issuer (RFC 9207)', async () => {
    server.faults.callbackIss = 'https://evil.example';
    const { code, stderr } = await alice.sally(
      ['login', '--no-browser', '--server', server.url],
      pasting(async (address) => [await farBrowser(address)]),
    );
    expect(code).toBe(1);
    expect(stderr).toContain('not to be trusted');
    expect(server.count('/oauth/token')).toBe(0);
  });
});
