/**
 * Whole logins through the server as it is served, with everything that goes over the wire noted on the way: no secret of
 * it may be in the log, in the database, or in an address.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { everythingStored } from '../database/everything-stored.ts';
import { root, start } from '../dev/started-program.ts';
import { startWholeSite, type WholeSite } from './whole-site.ts';

let wire: Awaited<ReturnType<typeof openWire>>;
let site: WholeSite;
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
  wire = await openWire();
  site = await startWholeSite({ publicPort: wire.port, parts: { clock: () => new Date() } });
  wire.leadTo(site.port);
  for (const { behaviour } of site.providers) behaviour.refreshTokens = true;
});
afterAll(async () => {
  await site?.close();
  await wire?.close();
  await rm(home, { recursive: true, force: true });
});

/** A proxy that notes addresses, and everything that looks like a secret in headers and bodies. */
async function openWire() {
  let to = 0;
  const addresses: string[] = [];
  const secrets = new Map<string, string>();
  const note = (what: string, value: string | undefined) => {
    if (value !== undefined && value.length >= 12 && !secrets.has(value)) secrets.set(value, what);
  };
  const noteHeaders = ({ headers, rawHeaders }: IncomingMessage) => {
    for (const [name, value = ''] of Object.entries(headers)) {
      if (name === 'authorization') note(name, String(value).split(' ')[1]);
      if (name === 'dpop') note(name, String(value));
    }
    for (const [index, name] of rawHeaders.entries()) {
      if (index % 2 === 1 || !/^(set-)?cookie$/i.test(name)) continue;
      const pairs = (rawHeaders[index + 1] ?? '').split(/; ?/);
      // Of Set-Cookie only the first pair is one.
      for (const pair of /^set/i.test(name) ? pairs.slice(0, 1) : pairs) {
        note(`cookie ${pair.split('=')[0]}`, pair.slice(pair.indexOf('=') + 1));
      }
    }
  };
  const named =
    /"(access_token|refresh_token|id_token|device_code|user_code|token|credential)"\s*:\s*"([^"]+)"/g;
  const fields =
    /^(code|code_verifier|refresh_token|access_token|id_token|client_secret|device_code|subject_token|csrf_token|logout_token|user_code|token)$/;
  const noteBody = (body: string, type = '') => {
    for (const [, what = '', value] of body.matchAll(named)) note(what, value);
    for (const [, value] of body.matchAll(/name="csrf_token" value="([^"]*)"/g)) note('csrf_token', value);
    if (!type.includes('urlencoded')) return;
    for (const [name, value] of new URLSearchParams(body)) if (fields.test(name)) note(name, value);
  };
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { method, url: path = '/', headers } = incoming;
      const body = await buffer(incoming);
      addresses.push(path);
      for (const [name, value] of new URL(path, 'http://x').searchParams) {
        if (name === 'code' || name === 'state' || name === 'handle') note(name, value);
      }
      noteHeaders(incoming);
      noteBody(body.toString(), headers['content-type']);
      const onward = send({ host: '127.0.0.1', port: to, method, path, headers });
      onward.on('response', (answer) => {
        void (async () => {
          const answered = await buffer(answer);
          noteHeaders(answer);
          noteBody(answered.toString(), answer.headers['content-type']);
          const { location } = answer.headers;
          if (location) {
            addresses.push(location);
            noteBody(new URL(location, 'http://x').search.slice(1), 'urlencoded');
          }
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(answered);
        })();
      });
      onward.on('error', () => outgoing.destroy());
      onward.end(body);
    })();
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    addresses,
    secrets,
    leadTo: (port: number) => {
      to = port;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function sally(...args: readonly string[]) {
  return start(process.execPath, [join(root, 'src', 'sally.ts'), ...args], {
    HOME: home,
    XDG_CONFIG_HOME: '',
    XDG_STATE_HOME: '',
    NO_COLOR: '1',
  });
}

async function wholeStory(): Promise<void> {
  const [provider] = site.providers;
  if (!provider) throw new Error('no provider');
  const { publicUrl } = site;
  const browser = new Browser();
  const page = await provider.logIn(browser, new URL('/console/sessions', publicUrl), 'alice');
  expect(page.text).toContain('alice@acme.test');

  const login = sally('login', '--no-browser', '--server', publicUrl.origin);
  await login.says(/https?:\/\/\S+\s/);
  const [address = ''] = /https?:\/\/\S+/.exec(login.output()) ?? [];
  await provider.logIn(browser, new URL(address), 'alice');
  expect([await login.ended, login.output()]).toEqual([0, expect.stringContaining('alice@acme.test')]);
  for (const command of [['cert', 'ensure', '--force'], ['status'], ['logout']]) {
    const run = sally(...command);
    expect([command, await run.ended, run.output()]).toEqual([command, 0, expect.anything()]);
  }

  const token = /name="csrf_token" value="([^"]*)"/.exec(page.text)?.[1] ?? '';
  const body = new URLSearchParams({ csrf_token: token });
  await browser.open(new URL('/console/sign-out', publicUrl), { method: 'POST', body, from: page.url });
}

/** What is refused is not logged either. */
async function madeUpOnes(): Promise<void> {
  const { publicUrl } = site;
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(new URL(path, publicUrl), { method: 'POST', headers, body: new URLSearchParams(fields) });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, publicUrl), { headers, redirect: 'manual' });
  const replies = await Promise.all([
    get('/login/callback?code=made-up-secret-1&state=made-up-secret-2'),
    get('/login/callback/none?code=made-up-secret-3&state=made-up-secret-4'),
    get('/v1/session', { authorization: 'DPoP made-up-secret-5', dpop: 'made-up-secret-6' }),
    get('/v1/session?access_token=made-up-secret-7'),
    get('/console/sessions', { cookie: `sallyport-session=made-up-secret-8${'x'.repeat(32)}` }),
    get('/login/passkey/made-up-secret-9'),
    get('/login/choose/made-up-secret-10'),
    get('/nothing/made-up-secret-11?x=made-up-secret-12'),
    post('/oauth/token', {
      client_id: 'sally',
      grant_type: 'refresh_token',
      refresh_token: 'made-up-secret-13',
      client_secret: 'made-up-secret-14',
    }),
    post('/oauth/token', { grant_type: 'authorization_code', code: 'made-up-secret-15' }),
    post('/oauth/request', { client_id: 'sally', code_challenge: 'made-up-secret-16' }),
    post('/login/back-channel-logout/default', { logout_token: 'made-up-secret-17' }),
    post('/device', { user_code: 'made-up-secret-18', csrf_token: 'made-up-secret-19' }),
    fetch(new URL('/v1/companions/enrol', publicUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer made-up-secret-20' },
      body: JSON.stringify({ token: 'made-up-secret-21', host_public_key: 'x', signature: 'x' }),
    }),
  ]);
  for (const { status, url } of replies) expect([url, status >= 300 && status < 500]).toEqual([url, true]);
}

test('no secret of a login is in the log, in the database or in an address', async () => {
  await wholeStory();
  await madeUpOnes();
  const kinds = new Set([...wire.secrets.values()]);
  for (const kind of [
    'access_token',
    'refresh_token',
    'id_token',
    'code',
    'code_verifier',
    'csrf_token',
    'dpop',
  ]) {
    expect(kinds).toContain(kind);
  }
  const log = site.log.join('');
  expect(log.length).toBeGreaterThan(1000);
  const stored = await everythingStored(site.database);
  expect(log).not.toContain('made-up-secret');
  expect(stored).not.toContain('made-up-secret');
  for (const [secret, what] of wire.secrets) {
    expect([what, log.includes(secret)]).toEqual([what, false]);
    expect([what, stored.includes(secret)]).toEqual([what, false]);
    // What the code flow itself carries in addresses: good once, and only with another secret beside it.
    if (['code', 'state', 'cookie sallyport-interaction', 'cookie sallyport-resume'].includes(what)) continue;
    expect([what, wire.addresses.find((address) => address.includes(secret))]).toEqual([what, undefined]);
  }
});
