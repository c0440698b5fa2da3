import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { createIdentityProvider } from '../../src/login/create-identity-provider.ts';
import type { IdentityProvider } from '../../src/login/identity-provider.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { withCode } from './forging-world.ts';
import { type LandingPlace, openLandingPlace } from './landing-place.ts';
import { startTestProvider, type TestProvider } from './test-provider.ts';

let database: FreshDatabase;
let landing: LandingPlace;
let idp: TestProvider;
let provider: IdentityProvider;
beforeAll(async () => {
  database = await freshDatabase();
  landing = await openLandingPlace();
  idp = await startTestProvider({
    people: [{ username: 'dora', groups: ['g1'] }, { username: 'emil' }],
    publicUrl: new URL(`http://127.0.0.1:${landing.port}`),
  });
});
afterAll(async () => {
  await idp.close();
  await landing.close();
  await database.close();
});

const browserSecret = 'login_of-this-browser';
function providerWith(change: Partial<ProviderSettings> = {}): IdentityProvider {
  return createIdentityProvider({
    ...idp.configured(change),
    redirectUri: new URL(`http://127.0.0.1:${landing.port}/login/callback`),
    allowInsecureLoopback: true,
    clock: () => new Date(),
    database,
  });
}
beforeEach(() => {
  idp.start();
  idp.enable('dora');
  Object.assign(idp.behaviour, { claims: null, refreshTokens: true, groupsOverage: false, metadata: {} });
  idp.behaviour.brokenPaths.clear();
  idp.requests.length = 0;
  provider = providerWith();
});

async function logIn(username = 'dora', at = provider) {
  const url = await at.startLogin({ purpose: { kind: 'helper' }, browserSecret });
  const landed = await idp.logIn(new Browser(), url, username);
  return { url, result: await at.finishLogin(landed.url, browserSecret) };
}
const tokenOf = async () => (await logIn()).result.refreshToken ?? '';
let kept: string | undefined;
const keep = async (successor: string) => {
  kept = successor;
};
const expected = { subject: 'dora', keep };
const outage = withCode('login_provider_error');

describe('asking anew who somebody is', () => {
  test('says name and groups of now, and gives the successor of the refresh token', async () => {
    const token = await tokenOf();
    idp.behaviour.claims = () => ({ name: 'Dora Doe', groups: ['g2', 'g3'] });
    const profile = await provider.refresh(token, expected);
    expect(profile).toEqual({
      accountName: 'dora@acme.test',
      displayName: 'Dora Doe',
      groups: ['g2', 'g3'],
    });
    expect(kept).toEqual(expect.any(String));
    expect(kept).not.toBe(token);
  });

  test('is a refusal only where the provider says invalid_grant', async () => {
    const token = await tokenOf();
    idp.disable('dora');
    await expect(provider.refresh(token, expected)).rejects.toEqual(withCode('grant_invalid'));
    await expect(provider.refresh('no such token', expected)).rejects.toEqual(withCode('grant_invalid'));
  });

  test('is an outage where it is away, at whichever step', async () => {
    const token = await tokenOf();
    idp.stop();
    await expect(provider.refresh(token, expected)).rejects.toEqual(outage);
    idp.start();
    idp.behaviour.brokenPaths.add('/token');
    await expect(provider.refresh(token, expected)).rejects.toEqual(outage);
    idp.behaviour.brokenPaths.clear();
    expect((await provider.refresh(token, expected)).groups).toEqual(['g1']);
  });

  test.each([
    ['another error', 400, '{"error":"invalid_request"}'],
    ['our own secret refused', 401, '{"error":"invalid_client"}'],
    ['too many requests', 429, '{"error":"slow_down"}'],
    ['an error page', 503, '<html>sorry</html>'],
    ['no JSON', 200, 'hello'],
    ['no token', 200, '{}'],
    ['a token that is no ID token', 200, '{"access_token":"a","token_type":"bearer","id_token":"x.y.z"}'],
  ])('is an outage where it answers with %s', async (_what, status, body) => {
    const token = await tokenOf();
    const other = createServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address() as { port: number };
    idp.behaviour.metadata = { token_endpoint: `http://127.0.0.1:${address.port}/token` };
    await expect(providerWith().refresh(token, expected)).rejects.toEqual(outage);
    other.close();
  });

  test('is an outage where it says nothing of the person at all', async () => {
    const token = await tokenOf();
    const other = createServer((_request, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"access_token":"a","token_type":"bearer"}'),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const token_endpoint = `http://127.0.0.1:${(other.address() as { port: number }).port}/token`;
    idp.behaviour.metadata = { token_endpoint, userinfo_endpoint: undefined };
    await expect(providerWith().refresh(token, expected)).rejects.toEqual(outage);
    other.close();
  });

  test('is a refusal for somebody else’s token, and for claims that no longer pass', async () => {
    const token = await tokenOf();
    await expect(provider.refresh(token, { subject: 'emil', keep })).rejects.toEqual(
      withCode('login_rejected'),
    );
    idp.behaviour.claims = () => ({ department: 'sales' });
    const strict = providerWith({ requiredClaims: { department: ['it'] } });
    await expect(strict.refresh(await tokenOf(), expected)).rejects.toEqual(withCode('login_rejected'));
    idp.behaviour.claims = () => ({ email: 'no address' });
    await expect(provider.refresh(await freshToken(), expected)).rejects.toEqual(withCode('name_refused'));
  });

  /** Of a login whose claims were fine. */
  async function freshToken(): Promise<string> {
    const { claims } = idp.behaviour;
    idp.behaviour.claims = null;
    const token = await tokenOf();
    idp.behaviour.claims = claims;
    return token;
  }
});

describe('a refresh token', () => {
  test('is kept where one comes, and none is asked for beyond the settings’ scopes', async () => {
    const { url, result } = await logIn();
    expect(url.searchParams.get('scope')).toBe('openid email profile groups');
    expect(result.refreshToken).toEqual(expect.any(String));
  });

  test('is not kept where the settings want none', async () => {
    expect(
      (await logIn('dora', providerWith({ upstream: { refresh: 'off' } }))).result.refreshToken,
    ).toBeNull();
  });

  test('is asked for where it is required, and without one nobody logs in', async () => {
    const strict = providerWith({ upstream: { refresh: 'required' } });
    const { url, result } = await logIn('dora', strict);
    expect(url.searchParams.get('scope')).toContain('offline_access');
    expect(result.refreshToken).toEqual(expect.any(String));
    idp.behaviour.refreshTokens = false;
    await expect(logIn('dora', strict)).rejects.toEqual(withCode('login_rejected'));
  });
});

describe('[abuse 71] groups that the provider does not send', () => {
  test.each([
    ['_claim_names', { groups: undefined, _claim_names: { groups: 'src1' }, _claim_sources: {} }],
    ['_claim_names beside a part of them', { groups: ['g1'], _claim_names: { groups: 'src1' } }],
    ['hasgroups', { groups: undefined, hasgroups: true }],
    ['hasgroups as text', { groups: undefined, hasgroups: 'true' }],
    ['more than can be', { groups: Array.from({ length: 1001 }, (_, at) => `g${at}`) }],
  ])('and says so with %s, are not known: refused, or fetched', async (_what, claims) => {
    const token = await tokenOf();
    idp.behaviour.claims = () => claims;
    await expect(logIn()).rejects.toEqual(withCode('login_rejected'));
    await expect(provider.refresh(token, expected)).rejects.toEqual(withCode('login_rejected'));
    const fetching = providerWith({ groups: { prefix: '', overage: { fetch: `${idp.issuer}/groups` } } });
    expect((await logIn('dora', fetching)).result.groups).toEqual(['g1']);
  });

  test('are fetched from the address of the settings, or the login is refused; never are they none', async () => {
    idp.behaviour.groupsOverage = true;
    await expect(logIn()).rejects.toEqual(withCode('login_rejected'));
    const fetching = providerWith({
      groups: { prefix: 'idp::', overage: { fetch: `${idp.issuer}/groups` } },
    });
    expect((await logIn('dora', fetching)).result.groups).toEqual(['idp::g1']);
    idp.behaviour.brokenPaths.add('/groups');
    await expect(logIn('dora', fetching)).rejects.toEqual(outage);
  });

  test('are not asked for at the address that the token names', async () => {
    idp.behaviour.groupsOverage = true;
    const fetching = providerWith({ groups: { prefix: '', overage: { fetch: `${idp.issuer}/elsewhere` } } });
    await expect(logIn('dora', fetching)).rejects.toEqual(outage);
    expect(idp.requests.map(({ path }) => path)).not.toContain('/groups');
  });
});
