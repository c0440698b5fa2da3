import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { type LandingPlace, openLandingPlace } from './landing-place.ts';
import { startTestProvider, type TestProvider } from './test-provider.ts';

let landing: LandingPlace;
let idp: TestProvider;
let publicUrl: URL;
beforeAll(async () => {
  landing = await openLandingPlace();
  publicUrl = new URL(`http://127.0.0.1:${landing.port}`);
  idp = await startTestProvider({ people: [{ username: 'dora', groups: ['g1'] }], publicUrl });
});
afterAll(async () => {
  await idp.close();
  await landing.close();
});

async function logIn(parameters: Record<string, string> = {}, browser = new Browser()) {
  const config = await client.discovery(
    new URL(idp.issuer),
    idp.clientId,
    undefined,
    client.ClientSecretBasic(idp.clientSecret),
    { execute: [client.allowInsecureRequests] },
  );
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const start = client.buildAuthorizationUrl(config, {
    redirect_uri: new URL('/login/callback', publicUrl).href,
    scope: 'openid email groups',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...parameters,
  });
  const { url, text } = await idp.logIn(browser, start, 'dora');
  expect(text).toBe('landed');
  const tokens = await client.authorizationCodeGrant(config, url, { pkceCodeVerifier });
  const claims = decodeJwt(tokens.id_token ?? '');
  return { config, tokens, claims, browser };
}

test('a login, remembered in the browser, with what the provider was told to say', async () => {
  const { claims, browser } = await logIn();
  expect(claims).toMatchObject({ sub: 'dora', email: 'dora@acme.test', groups: ['g1'], amr: ['pwd'] });
  expect(claims['sid']).toEqual(expect.any(String));
  expect((await logIn({}, browser)).claims['auth_time']).toBe(claims['auth_time']);
});

test('a step-up shows the login form again', async () => {
  idp.behaviour.requireStepUpAcr = 'urn:two';
  const { browser } = await logIn();
  const shown = idp.requests.filter(({ path }) => path.startsWith('/auth/')).length;
  const { claims } = await logIn({ acr_values: 'urn:two' }, browser);
  expect(claims).toMatchObject({ acr: 'urn:two', amr: ['mfa', 'otp'] });
  expect(idp.requests.filter(({ path }) => path.startsWith('/auth/')).length).toBeGreaterThan(shown);
  idp.behaviour.requireStepUpAcr = null;
});

test('refresh tokens rotate, and a disabled person has none', async () => {
  idp.behaviour.refreshTokens = true;
  const { config, tokens } = await logIn();
  const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
  expect(next.refresh_token).not.toBe(tokens.refresh_token);
  idp.disable('dora');
  await expect(client.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  idp.enable('dora');
});

test('a logout token comes to where it was registered, signed with the current key', async () => {
  const received: string[] = [];
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk);
    received.push(new URLSearchParams(Buffer.concat(body).toString()).get('logout_token') ?? '');
    response.writeHead(request.url === '/login/back-channel-logout/default' ? 200 : 400).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await idp.registerAt(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  await idp.rotateKeys();
  expect(await idp.endSession({ sid: 'a-session' })).toBe(200);
  const keys = createRemoteJWKSet(new URL(`${idp.issuer}/jwks`));
  const { payload, protectedHeader } = await jwtVerify(received[0] ?? '', keys);
  expect(protectedHeader.typ).toBe('logout+jwt');
  expect(payload).toMatchObject({ iss: idp.issuer, aud: 'sallyport', sid: 'a-session' });
  expect(payload.sub).toBeUndefined();
  server.close();
  await idp.registerAt(publicUrl);
});

test('away and back again at the same address', async () => {
  idp.stop();
  await expect(fetch(`${idp.issuer}/jwks`)).rejects.toThrow();
  idp.start();
  expect((await fetch(`${idp.issuer}/jwks`)).status).toBe(200);
});
