import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { startTestProvider, type TestProvider } from '../login/test-provider.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { type Change, newProofKey, type ProofKey, SallyClient, type Tokens } from './sally-client.ts';

let provider: TestProvider;
let running: RunningServer;
let landing: LandingPlace;
beforeAll(async () => {
  const people = ['dora', 'emil'].map((username) => ({ username, email: `${username}@acme.test` }));
  provider = await startTestProvider({ slug: 'corp', amr: ['pwd', 'otp', 'mfa'], people });
  running = await startRunningServer({ providers: [provider] });
  landing = await openLandingPlace();
});
afterAll(async () => {
  await landing.close();
  await running.close();
  await provider.close();
  expect(running.serverErrors).toEqual([]);
});

const sessionOf = ({ access_token }: Tokens) => String(decodeJwt(access_token)['sid']);
async function loggedIn(username = 'dora', change: Change = {}, key?: ProofKey) {
  const client = new SallyClient(running, key ?? (await newProofKey()), landing.port);
  const start = await client.authorizationUrl({ provider: 'corp', ...change });
  const { url } = await provider.logIn(client.browser, start, username);
  const { body } = await client.redeem(url.searchParams.get('code') ?? '');
  const tokens = body as unknown as Tokens;
  return { client, tokens, sessionId: sessionOf(tokens) };
}
const row = (id: string) =>
  running.database.db.selectFrom('login_sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

test('[abuse 84] a step-up renews the session: other tokens, and those from before are dead', async () => {
  const first = await loggedIn();
  const before = await row(first.sessionId);
  const authenticated = async ({ client, tokens }: typeof first) =>
    await running.server.authenticate(await client.presented(tokens.access_token));
  await expect(authenticated(first)).resolves.toMatchObject({ sessionId: first.sessionId });
  const again = await loggedIn(
    'dora',
    { session_id: first.sessionId, acr_values: 'mfa', max_age: '900' },
    first.client.key,
  );
  expect(again.sessionId).toBe(first.sessionId);
  const after = await row(first.sessionId);
  expect(after.grant_id).not.toBe(before.grant_id);
  expect(after.mfa_time?.getTime()).toBeGreaterThanOrEqual(before.mfa_time?.getTime() ?? Number.NaN);
  expect(await first.client.refresh(first.tokens.refresh_token)).toMatchObject({ status: 400 });
  await expect(authenticated(first)).rejects.toMatchObject({ code: 'token_invalid' });
  await expect(authenticated(again)).resolves.toMatchObject({ sessionId: first.sessionId });
  expect((await again.client.refresh(again.tokens.refresh_token)).status).toBe(200);
  expect((await row(first.sessionId)).ended_at).toBeNull();
});

test('[abuse 84] a login with another key gets a session of its own, whatever it asks for', async () => {
  const first = await loggedIn();
  const thief = await loggedIn('dora', { session_id: first.sessionId });
  expect(thief.sessionId).not.toBe(first.sessionId);
  expect((await first.client.refresh(first.tokens.refresh_token)).status).toBe(200);
});

test('[abuse 84] a login of another person gets a session of its own', async () => {
  const first = await loggedIn();
  const { key } = first.client;
  const other = await loggedIn('emil', { session_id: first.sessionId }, key);
  expect(other.sessionId).not.toBe(first.sessionId);
  expect((await row(first.sessionId)).account_id).not.toBe((await row(other.sessionId)).account_id);
});

test('[abuse 84] a login of sally does not renew a session of the console', async () => {
  const first = await loggedIn();
  await running.database.db
    .updateTable('login_sessions')
    .set({ kind: 'browser', mfa_by: null })
    .where('id', '=', first.sessionId)
    .execute();
  const again = await loggedIn('dora', { session_id: first.sessionId, acr_values: 'mfa' });
  expect(again.sessionId).not.toBe(first.sessionId);
  expect(await row(first.sessionId)).toMatchObject({ mfa_by: null });
});

test('a session that is over is not renewed', async () => {
  const first = await loggedIn();
  await running.database.db
    .updateTable('login_sessions')
    .set({ expires_at: running.now() })
    .where('id', '=', first.sessionId)
    .execute();
  const again = await loggedIn('dora', { session_id: first.sessionId }, first.client.key);
  expect(again.sessionId).not.toBe(first.sessionId);
});

test('every login gets another session than the one before in the same browser', async () => {
  const { client, sessionId } = await loggedIn();
  const again = new SallyClient(running, client.key, landing.port);
  const { url } = await provider.logIn(
    client.browser,
    await again.authorizationUrl({ provider: 'corp' }),
    'dora',
  );
  const { body } = await again.redeem(url.searchParams.get('code') ?? '');
  expect(sessionOf(body as unknown as Tokens)).not.toBe(sessionId);
});
