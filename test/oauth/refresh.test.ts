import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endSession } from '../../src/sessions/end-session.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient, type TokenAnswer } from './sally-client.ts';

let running: RunningServer;
let landing: LandingPlace;
beforeAll(async () => {
  running = await startRunningServer();
  landing = await openLandingPlace();
});
afterAll(async () => {
  await landing.close();
  await running.close();
  expect(running.serverErrors).toEqual([]);
});

async function loggedIn() {
  const client = new SallyClient(running, await newProofKey(), landing.port);
  const tokens = await client.tokensOf(running.people.carol);
  return { client, first: tokens.refresh_token, sessionId: String(decodeJwt(tokens.access_token)['sid']) };
}
const tokenOf = ({ body }: TokenAnswer) => String(body['refresh_token']);
const invalidGrant = { status: 400, body: { error: 'invalid_grant' } };
async function endOf(sessionId: string): Promise<string | null> {
  const { ended_reason } = await running.database.db
    .selectFrom('login_sessions')
    .select('ended_reason')
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  return ended_reason;
}

test('every refresh gives another refresh token, and a new access token of the same session', async () => {
  const { client, first, sessionId } = await loggedIn();
  const seen = new Set([first]);
  let token = first;
  for (let round = 0; round < 4; round += 1) {
    const answer = await client.refresh(token);
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    expect(decodeJwt(String(answer.body['access_token']))['sid']).toBe(sessionId);
    token = tokenOf(answer);
    seen.add(token);
  }
  expect(seen.size).toBe(5);
});

test('after a lost reply the same token gives another successor, and the lost one is dead', async () => {
  const { client, first, sessionId } = await loggedIn();
  const lost = tokenOf(await client.refresh(first));
  const again = await client.refresh(first);
  expect(again.status).toBe(200);
  expect(await client.refresh(lost)).toMatchObject(invalidGrant);
  expect((await client.refresh(tokenOf(again))).status).toBe(200);
  expect(await endOf(sessionId)).toBeNull();
});

test('[abuse 85] a token used again after its successor was used ends the session', async () => {
  const { client, first, sessionId } = await loggedIn();
  const second = tokenOf(await client.refresh(first));
  const third = tokenOf(await client.refresh(second));
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
  expect(await endOf(sessionId)).toBe('refresh_reused');
  expect(await client.refresh(third)).toMatchObject(invalidGrant);
  const events = await running.database.db
    .selectFrom('audit_events')
    .select('event')
    .where('session_id', '=', sessionId)
    .where('event', '=', 'refresh.reused')
    .execute();
  expect(events).toHaveLength(1);
});

test('a token used again after half a minute ends the session', async () => {
  const { client, first, sessionId } = await loggedIn();
  const second = tokenOf(await client.refresh(first));
  running.advance(31);
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
  expect(await endOf(sessionId)).toBe('refresh_reused');
  expect(await client.refresh(second)).toMatchObject(invalidGrant);
});

test('the half minute counts from the first use, however often the token is used within it', async () => {
  const { client, first, sessionId } = await loggedIn();
  await client.refresh(first);
  running.advance(20);
  expect((await client.refresh(first)).status).toBe(200);
  running.advance(20);
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
  expect(await endOf(sessionId)).toBe('refresh_reused');
});

test('[abuse 86] another DPoP key can neither refresh nor end the session by trying', async () => {
  const { client, first, sessionId } = await loggedIn();
  const second = tokenOf(await client.refresh(first));
  const thief = await newProofKey();
  expect(await client.refresh(second, thief)).toMatchObject(invalidGrant);
  expect(await client.refresh(first, thief)).toMatchObject(invalidGrant);
  expect(await endOf(sessionId)).toBeNull();
  expect((await client.refresh(second)).status).toBe(200);
});

test('without a proof nothing is refreshed', async () => {
  const { client, first } = await loggedIn();
  expect(await client.token({ grant_type: 'refresh_token', refresh_token: first }, null)).toMatchObject(
    invalidGrant,
  );
});

test('[abuse 88] a token that is cut short or made longer is unknown', async () => {
  const { client, first } = await loggedIn();
  for (const changed of [first.slice(0, -1), `${first}A`, first.toUpperCase(), '']) {
    expect((await client.refresh(changed)).status).toBe(400);
  }
});

test('the refresh of an ended session is refused', async () => {
  const { client, first, sessionId } = await loggedIn();
  await running.database.db
    .transaction()
    .execute((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'alice@acme.test' }, running.now()));
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
});

test('the refresh of an expired session is refused', async () => {
  const { client, first, sessionId } = await loggedIn();
  await running.database.db
    .updateTable('login_sessions')
    .set({ expires_at: running.now() })
    .where('id', '=', sessionId)
    .execute();
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
});

test('the refresh of a disabled account is refused', async () => {
  const { client, first } = await loggedIn();
  await running.database.db.updateTable('accounts').set({ disabled_at: new Date() }).execute();
  expect(await client.refresh(first)).toMatchObject(invalidGrant);
  await running.database.db.updateTable('accounts').set({ disabled_at: null }).execute();
  expect((await client.refresh(first)).status).toBe(200);
});

test('a refresh is a use of the session', async () => {
  const { client, first, sessionId } = await loggedIn();
  const earlier = new Date(running.now().getTime() - 3_600_000);
  await running.database.db
    .updateTable('login_sessions')
    .set({ last_used_at: earlier })
    .where('id', '=', sessionId)
    .execute();
  await client.refresh(first);
  const { last_used_at } = await running.database.db
    .selectFrom('login_sessions')
    .select('last_used_at')
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  expect(last_used_at.getTime()).toBeGreaterThan(earlier.getTime());
});
