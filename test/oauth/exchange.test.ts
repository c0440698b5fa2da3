import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { createApiToken } from '../../src/credentials/create-api-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

let running: RunningServer;
let token: string;
beforeAll(async () => {
  running = await startRunningServer();
  token = await apiToken('deploy');
});
afterAll(async () => {
  await running.close();
  expect(running.serverErrors).toEqual([]);
});

async function apiToken(name: string, lifeSeconds = 120): Promise<string> {
  const now = running.now();
  return await inTransaction(running.database.db, async (tx) => {
    const { id: organizationId } = await tx
      .selectFrom('organizations')
      .select('id')
      .executeTakeFirstOrThrow();
    const account = `${name}@acme.test`;
    const machine = { organizationId, name: account, displayName: name, by: 'alice@acme.test' };
    const accountId = await createMachineAccount(tx, machine, now);
    const { text } = await createApiToken(
      tx,
      {
        creator: { accountId, account, organizationId, role: null },
        name,
        roleLimit: 'viewer',
        sourceRanges: [],
        expiresAt: new Date(now.getTime() + lifeSeconds * 1000),
      },
      now,
    );
    return text;
  });
}
const sally = async () => new SallyClient(running, await newProofKey(), 4000);
const invalid = (error: string) => ({ status: 400, body: { error } });

test('an API token gives an access token of a session of its own, bound to the key, and nothing that renews it', async () => {
  const client = await sally();
  const { status, body } = await client.exchange(token);
  expect([status, Object.keys(body).sort()]).toEqual([
    200,
    ['access_token', 'expires_in', 'issued_token_type', 'token_type'],
  ]);
  expect(body).toMatchObject({
    token_type: 'DPoP',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  });
  const accessToken = String(body['access_token']);
  expect(decodeProtectedHeader(accessToken)).toMatchObject({ typ: 'at+jwt' });
  const session = await running.server.authenticate(await client.presented(accessToken));
  const row = await running.database.db
    .selectFrom('login_sessions')
    .selectAll()
    .where('id', '=', session.sessionId)
    .executeTakeFirstOrThrow();
  expect(row).toMatchObject({ kind: 'token', role_limit: 'viewer', mfa: false, client_name: 'runner-1' });
});

test('an access token does not outlive the API token', async () => {
  const { body } = await (await sally()).exchange(token);
  expect(Number(body['expires_in'])).toBeLessThanOrEqual(120);
  const { exp = 0, iat = 0 } = decodeJwt(String(body['access_token']));
  expect(exp - iat).toBe(body['expires_in']);
});

test('an access token lasts as long as its session, since nothing renews it', async () => {
  const { body } = await (await sally()).exchange(await apiToken('lasting', 7_200));
  expect(body['expires_in']).toBe(3_600);
});

test('an access token of an exchange is out when its session ends', async () => {
  const client = await sally();
  const { body } = await client.exchange(token);
  const sessionId = String(decodeJwt(String(body['access_token']))['sid']);
  await inTransaction(running.database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'alice@acme.test' }, running.now()),
  );
  await expect(
    running.server.authenticate(await client.presented(String(body['access_token']))),
  ).rejects.toMatchObject({ code: 'session_ended' });
});

test('[abuse 88] an API token that is cut short, made longer or written otherwise is unknown', async () => {
  const client = await sally();
  for (const changed of [token.slice(0, -1), `${token}A`, token.toUpperCase(), ` ${token}`, `${token}\n`]) {
    expect(await client.exchange(changed)).toMatchObject(invalid('invalid_grant'));
  }
});

test.each([
  ['without a token', { subject_token: '' }, 'invalid_request'],
  ['of another type', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
  ['of no type', { subject_token_type: '' }, 'invalid_request'],
  [
    'for a refresh token',
    { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
    'invalid_request',
  ],
  ['in somebody’s name', { actor_token: 'x', actor_token_type: 'y' }, 'invalid_request'],
  ['for another resource', { resource: 'https://evil.test/' }, 'invalid_target'],
  ['by another client', { client_id: 'harry' }, 'invalid_client'],
  ['as a CI token', { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }, 'invalid_grant'],
])('an exchange %s is refused', async (_what, change, error) => {
  const answer = await (await sally()).exchange(token, change);
  expect([answer.status, answer.body['error']]).toEqual([error === 'invalid_client' ? 401 : 400, error]);
});

test('[abuse 87] an exchange needs a proof with a nonce, once', async () => {
  const client = await sally();
  expect(await client.exchange(token, {}, { key: null })).toMatchObject(invalid('invalid_dpop_proof'));
  expect(await client.exchange(token, {}, { nonce: 'x'.repeat(43) })).toMatchObject(
    invalid('use_dpop_nonce'),
  );
  const same = { change: { jti: 'one', iat: Math.floor(Date.now() / 1000) } };
  expect((await client.exchange(token, {}, same)).status).toBe(200);
  expect(await client.exchange(token, {}, same)).toMatchObject(invalid('invalid_request'));
});

test('an organization without machines refuses them', async () => {
  await running.database.db.updateTable('organizations').set({ machine_access: false }).execute();
  const answer = await (await sally()).exchange(token);
  await running.database.db.updateTable('organizations').set({ machine_access: true }).execute();
  expect(answer).toMatchObject(invalid('access_denied'));
});
