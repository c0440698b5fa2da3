import { decodeJwt, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endSession } from '../../src/sessions/end-session.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, type ProofKey, SallyClient } from './sally-client.ts';

let running: RunningServer;
let landing: LandingPlace;
let key: ProofKey;
let client: SallyClient;
let token: string;
beforeAll(async () => {
  running = await startRunningServer();
  landing = await openLandingPlace();
  key = await newProofKey();
  client = new SallyClient(running, key, landing.port);
  token = (await client.tokensOf(running.people.carol)).access_token;
});
afterAll(async () => {
  await landing.close();
  await running.close();
});

const seconds = () => Math.floor(Date.now() / 1000);
const refusedWith = (code: string) => expect.objectContaining({ code });

test('an access token with a proof yields its session and account', async () => {
  const { sid, sub } = decodeJwt(token);
  const session = await running.server.authenticate(await client.presented(token));
  expect(session).toEqual({ sessionId: sid, accountId: sub });
});

test('[abuse 87] a proof is good once', async () => {
  const presented = await client.presented(token);
  await running.server.authenticate(presented);
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('proof_replayed'));
});

test('[abuse 87] of twenty requests with one proof one is served', async () => {
  const presented = await client.presented(token);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => running.server.authenticate(presented)),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test.each([
  ['for another method', { htm: 'POST' }],
  ['for another address', { htu: 'http://localhost/v1/session' }],
  ['for the token endpoint', { htu: 'http://evil.test/oauth/token' }],
  ['without address', { change: { htu: undefined } }],
  ['without method', { change: { htm: undefined } }],
  ['for another token', { change: { ath: 'x' } }],
  ['for no token', { accessToken: '' }],
  ['of an hour ago', { change: { iat: seconds() - 3600 } }],
  ['of tomorrow', { change: { iat: seconds() + 86_400 } }],
  ['without time', { change: { iat: undefined } }],
  ['without identifier', { change: { jti: undefined } }],
  ['with an empty identifier', { change: { jti: '' } }],
  ['of another type', { header: { typ: 'JWT' } }],
])('[abuse 87] a proof %s is refused', async (_what, change) => {
  const presented = await client.presented(token, change);
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('proof_invalid'));
});

test.each([
  ['none', undefined],
  ['one of another server', 'x'.repeat(43)],
])('[abuse 87] a proof with a nonce that is %s is refused, and told which to take', async (_what, nonce) => {
  const presented = await client.presented(token, { change: { nonce } });
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('proof_nonce_required'));
});

test('[abuse 87] a proof made with another key is refused', async () => {
  const presented = await client.presented(token, {}, await newProofKey());
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('proof_invalid'));
});

test('[abuse 87] a proof for no address is refused where the request has none that can be read', async () => {
  const presented = await client.presented(token, { htu: 'anything' });
  const url = `${new URL(presented.url).origin}http://evil.test/v1/session`;
  await expect(running.server.authenticate({ ...presented, url })).rejects.toEqual(
    refusedWith('proof_invalid'),
  );
});

test("[abuse 87] another key's proof under the token's key is refused", async () => {
  const other = await newProofKey();
  const presented = await client.presented(token, {}, { privateKey: other.privateKey, jwk: key.jwk });
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('proof_invalid'));
});

test('a proof is required', async () => {
  const { dpop: _, ...presented } = await client.presented(token);
  await expect(running.server.authenticate({ ...presented, dpop: undefined })).rejects.toEqual(
    refusedWith('proof_invalid'),
  );
});

test('nothing presented is told apart from something wrong', async () => {
  const presented = await client.presented(token);
  await expect(running.server.authenticate({ ...presented, authorization: undefined })).rejects.toEqual(
    refusedWith('token_missing'),
  );
});

test('[abuse 88] a token that is cut, changed, or sent in another scheme is refused', async () => {
  const presented = await client.presented(token);
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const claims = { ...decodeJwt(token), sub: 'somebody-else' };
  const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
  const none = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'none' })).toString('base64url');
  for (const authorization of [
    `Bearer ${token}`,
    token,
    'DPoP ',
    `DPoP ${token}x`,
    `DPoP ${token.slice(0, -3)}`,
    `DPoP ${header}.${forged}.${signature}`,
    `DPoP ${none}.${payload}.`,
    `DPoP ${none}.${payload}.${signature}`,
  ]) {
    await expect(running.server.authenticate({ ...presented, authorization })).rejects.toEqual(
      refusedWith('token_invalid'),
    );
  }
});

test("a token of another server's key is refused", async () => {
  const { privateKey } = await generateKeyPair('ES256');
  const foreign = await new SignJWT(decodeJwt(token))
    .setProtectedHeader({ typ: 'at+jwt', alg: 'ES256' })
    .sign(privateKey);
  const presented = await client.presented(foreign);
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('token_invalid'));
});

test('an ID token is no access token', async () => {
  const { id_token } = await client.tokensOf(running.people.carol);
  const presented = await client.presented(id_token);
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('token_invalid'));
});

test('a token is refused from the moment its session has ended', async () => {
  const other = new SallyClient(running, key, landing.port);
  const { access_token } = await other.tokensOf(running.people.carol);
  await running.server.authenticate(await other.presented(access_token));
  const sessionId = String(decodeJwt(access_token)['sid']);
  await running.database.db
    .transaction()
    .execute((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'alice@acme.test' }, running.now()));
  await expect(running.server.authenticate(await other.presented(access_token))).rejects.toEqual(
    refusedWith('session_ended'),
  );
});

test('an expired token is refused', async () => {
  running.advance(301);
  const presented = await client.presented(token, { change: { iat: seconds() + 301 } });
  await expect(running.server.authenticate(presented)).rejects.toEqual(refusedWith('token_invalid'));
});
