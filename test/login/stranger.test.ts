import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { createIdentityProviders } from '../../src/login/identity-providers.ts';
import { type ProviderSettings, parseProviderSettings } from '../../src/login/provider-settings.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { type LandingPlace, openLandingPlace } from './landing-place.ts';

/**
 * oidc-provider as somebody else would set it up: RS256, an issuer with a path, HTTP POST authentication, names and
 * groups at the userinfo endpoint only, other claim names, its own development login pages and a consent screen.
 */
async function startStranger(redirectUri: string): Promise<{ issuer: string; server: Server }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realms/acme`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const configuration: Configuration = {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig' }] } as NonNullable<Configuration['jwks']>,
    clients: [
      {
        client_id: 'their-name-for-us',
        client_secret: 'their:secret for us/+%',
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    clientAuthMethods: ['client_secret_post'],
    cookies: { keys: ['k'] },
    claims: { openid: ['sub'], people: ['upn', 'display', 'roles'] },
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, upn: 'Dora@acme.test', display: 'Dora', roles: ['admins'] }),
    }),
  };
  const provider = new Provider(issuer, configuration);
  const callback = provider.callback();
  server.on('request', (request, response) => {
    Object.assign(request, { originalUrl: request.url });
    request.url = (request.url ?? '').replace(/^\/realms\/acme/, '') || '/';
    void callback(request, response);
  });
  return { issuer, server };
}

let database: FreshDatabase;
let landing: LandingPlace;
let stranger: Awaited<ReturnType<typeof startStranger>>;
let redirectUri: URL;
beforeAll(async () => {
  database = await freshDatabase();
  landing = await openLandingPlace();
  redirectUri = new URL(`http://127.0.0.1:${landing.port}/login/callback`);
  stranger = await startStranger(redirectUri.href);
});
afterAll(async () => {
  stranger.server.close();
  stranger.server.closeAllConnections();
  await landing.close();
  await database.close();
});

test("a login at a stranger's provider works with nothing but issuer, client and claim names", async () => {
  const { settings } = parseProviderSettings({
    name: 'Strangers',
    issuer: stranger.issuer,
    client_id: 'their-name-for-us',
    organization: 'acme',
    scopes: ['openid', 'people'],
    claims: { account: '{upn}', name: 'display', groups: 'roles' },
  });
  const providers = createIdentityProviders({
    database,
    sealer: createSealer([newSealingKey()]),
    configured: [
      { slug: 'default', settings: settings as ProviderSettings, clientSecret: 'their:secret for us/+%' },
    ],
    publicUrl: redirectUri,
    clock: () => new Date(),
  });
  const provider = await providers.get('default');
  const browser = new Browser();
  const browserSecret = 'login_x';
  const login = await browser.open(
    await provider.startLogin({ purpose: { kind: 'browser' }, browserSecret }),
  );
  const submit = async (page: typeof login, fields: Record<string, string>) => {
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const body = new URLSearchParams(fields);
    return await browser.open(new URL(action, page.url), { method: 'POST', body, from: page.url });
  };
  const consent = await submit(login, { prompt: 'login', login: 'dora-4711', password: 'x' });
  const landed = await submit(consent, { prompt: 'consent' });
  expect(landed.text).toBe('landed');

  expect(await provider.finishLogin(landed.url, browserSecret)).toMatchObject({
    issuer: stranger.issuer,
    subject: 'dora-4711',
    accountName: 'dora@acme.test',
    displayName: 'Dora',
    groups: ['admins'],
    amr: [],
    mfa: false,
    purpose: { kind: 'browser' },
  });
});
