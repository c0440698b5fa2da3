import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createIdentityProvider } from '../../src/login/create-identity-provider.ts';
import { browserSecret, type ForgingWorld, openForgingWorld, withCode } from './forging-world.ts';

let world: ForgingWorld;
/** A machine inside that nobody should be led to. */
let inside: { port: number; asked: string[]; answer: RequestListener; close(): void };
beforeAll(async () => {
  world = await openForgingWorld();
  const server = createServer((request, response) => {
    inside.asked.push(request.url ?? '');
    inside.answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  inside = {
    port,
    asked: [],
    answer: (_request, response) => response.end('{}'),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
});
afterAll(async () => {
  inside.close();
  await world.close();
});
beforeEach(() => {
  world.reset();
  inside.asked.length = 0;
  inside.answer = (_request, response) => response.end('{}');
});

const outage = withCode('login_provider_error');
const isDiscovery = (path: string) => path === '/.well-known/openid-configuration';

describe('[abuse 74] discovery', () => {
  test.each([
    'https://127.0.0.1',
    'https://localhost',
    'https://10.0.0.1',
    'https://192.168.0.1',
    'https://100.64.0.1',
    'https://169.254.169.254',
    'https://[::1]',
    'https://[fe80::1]',
    'https://[fd00:ec2::254]',
    'https://[::ffff:127.0.0.1]',
    'https://[64:ff9b::7f00:1]',
    'https://2130706433',
    'https://0x7f000001',
  ])('of an issuer that an admin typed as %s connects to nothing', async (origin) => {
    const issuer = `${origin}:${inside.port}`;
    const provider = createIdentityProvider(world.parts({ issuer }, { allowInsecureLoopback: false }));
    const error = await provider.discover().catch((caught) => caught);
    expect(error).toEqual(outage);
    expect(error.message).toContain('not a public one');
    expect(inside.asked).toEqual([]);
  });

  test.each(['http://10.0.0.1', 'ftp://login.example.com', 'file:///etc/passwd', 'http://127.0.0.1'])(
    'of the issuer %s is not tried',
    (issuer) => {
      const parts = world.parts({ issuer }, { allowInsecureLoopback: false });
      expect(() => createIdentityProvider(parts)).toThrow(outage as Error);
    },
  );

  test.each([301, 302, 303, 307, 308])('is not led elsewhere by a redirect (%i)', async (status) => {
    world.forging.answer = (path, response) => {
      if (!isDiscovery(path)) return false;
      response.writeHead(status, { location: `http://127.0.0.1:${inside.port}/metadata` }).end();
      return true;
    };
    await expect(world.start()).rejects.toEqual(outage);
    expect(inside.asked).toEqual([]);
  });

  test('takes no endless document', async () => {
    world.forging.answer = (path, response) => {
      if (!isDiscovery(path)) return false;
      const more = (): void => {
        while (response.write('x'.repeat(64 * 1024)));
        response.once('drain', more);
      };
      more();
      return true;
    };
    await expect(world.start()).rejects.toEqual(outage);
  });

  test.each([
    ['jwks_uri', 'https://169.254.169.254/latest/meta-data'],
    ['jwks_uri', 'https://10.0.0.1/jwks'],
    ['jwks_uri', 'http://jwks.example.com/jwks'],
    ['jwks_uri', 'file:///etc/passwd'],
    ['token_endpoint', 'https://[::ffff:10.0.0.1]/token'],
    ['token_endpoint', 'https://169.254.169.254/token'],
    ['userinfo_endpoint', 'https://169.254.169.254/userinfo'],
    ['userinfo_endpoint', 'http://10.0.0.1/userinfo'],
  ])('whose document names the %s %s leads to no login', async (endpoint, url) => {
    world.forging.metadata = { [endpoint]: url };
    await expect(world.logIn({ name: undefined })).rejects.toEqual(outage);
  });

  test('whose document names keys on another host gets them through the same guard', async () => {
    const elsewhere = `http://127.0.0.1:${inside.port}/keys`;
    world.forging.metadata = { jwks_uri: elsewhere };
    inside.answer = (_request, response) => response.end(JSON.stringify({ keys: world.forging.keys }));
    expect((await world.logIn()).subject).toBe('subject-1');
    world.reset();
    world.forging.metadata = { jwks_uri: elsewhere };
    inside.answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    await expect(world.logIn()).rejects.toEqual(outage);
    expect(inside.asked).toEqual(['/keys', '/keys']);
  });
});

describe('what a provider says of itself', () => {
  test('is taken up anew at the next login, its changed endpoints too', async () => {
    await world.logIn();
    world.forging.metadata = { authorization_endpoint: `${world.forging.issuer}/new-login` };
    expect((await world.start()).url.pathname).toBe('/new-login');
  });

  test('is kept for a day for logins and sessions that are under way; new logins are told at once', async () => {
    const { state } = await world.start();
    world.forging.answer = (path, response) => {
      if (isDiscovery(path)) response.destroy();
      return isDiscovery(path);
    };
    expect((await world.provider.finishLogin(world.callback({ state }), browserSecret)).subject).toBe(
      'subject-1',
    );
    world.advance(24 * 3600 - 60);
    const elsewhere = { postLogoutRedirectUri: new URL('https://ssh.example.com/') };
    expect(await world.provider.endSessionUrl(elsewhere)).toBeNull();
    await expect(world.start()).rejects.toEqual(outage);
    world.advance(60);
    await expect(world.provider.endSessionUrl(elsewhere)).rejects.toEqual(outage);
  });
});

describe('the way to sign out there', () => {
  const request = {
    postLogoutRedirectUri: new URL('https://ssh.example.com/console/signed-out'),
    state: 's',
  };

  test('is its own page, with what it needs to come back and nothing of the person', async () => {
    world.forging.metadata = { end_session_endpoint: `${world.forging.issuer}/end` };
    const url = await world.provider.endSessionUrl(request);
    expect(url?.pathname).toBe('/end');
    expect(Object.fromEntries(url?.searchParams ?? [])).toEqual({
      post_logout_redirect_uri: 'https://ssh.example.com/console/signed-out',
      state: 's',
      client_id: 'sallyport',
    });
  });

  test.each(['javascript:alert(1)', 'http://evil.example/end'])('is never %s', async (endpoint) => {
    world.forging.metadata = { end_session_endpoint: endpoint };
    await expect(world.provider.endSessionUrl(request)).rejects.toEqual(outage);
  });

  test('is none where the provider has none', async () => {
    expect(await world.provider.endSessionUrl(request)).toBeNull();
  });
});
