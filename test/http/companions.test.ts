import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { companionState, enrolmentMessage, enrolmentReply } from '../../src/api/companions.ts';
import { revocationReply } from '../../src/api/sessions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { readEvents } from '../../src/gateway/event-stream.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { enrolmentBody, startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
let origin: string;
const domain = 'localhost';

beforeAll(async () => {
  server = await startTestServer({ publicUrl: 'http://localhost:8420' });
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  origin = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

async function newToken(): Promise<string> {
  const { gatewayId } = server.shop;
  return await inTransaction(server.database.db, (tx) =>
    createEnrolmentToken(tx, gatewayId, { now: server.clock.now, lifetimeSeconds: 600 }),
  );
}

async function refusals() {
  return await server.database.db
    .selectFrom('audit_events')
    .select(['organization_id', 'facts'])
    .where('event', '=', 'companion.refused')
    .orderBy('id')
    .execute();
}

/** fetch() does not let Host be set, so streams are read over node:http. */
async function openFeed(credential: string) {
  const call = request(`${origin}/v1/companions/feed`, {
    headers: { host: server.publicUrl.host, authorization: `Bearer ${credential}` },
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.on('response', resolve).on('error', reject).end();
  });
  const events = readEvents(response);
  return {
    response,
    next: async () => {
      const { value, done } = await events.next();
      return done ? null : companionState.parse(JSON.parse(value.data));
    },
    close: () => call.destroy(),
  };
}

test('a machine enrols with its token and its host key, once', async () => {
  const token = await newToken();
  const body = await enrolmentBody(token, domain);
  const reply = await server.call('POST', '/v1/companions/enrol', { body });
  const enrolled = enrolmentReply.parse(reply.json());
  expect(enrolled).toMatchObject({
    companion_id: server.shop.gatewayId,
    name: 'gate',
    kind: 'gateway',
    domain,
  });
  expect(
    (await server.call('GET', '/v1/companions/state', { credential: enrolled.credential })).statusCode,
  ).toBe(200);
  const again = await server.call('POST', '/v1/companions/enrol', { body });
  expect([again.statusCode, again.json().code]).toEqual([403, 'enrolment_refused']);
});

test('a wrong proof is refused and does not spend the token', async () => {
  const token = await newToken();
  const good = await enrolmentBody(token, domain);
  const otherKey = await enrolmentBody(token, domain);
  const wrong = [
    { ...good, signature: otherKey.signature },
    await enrolmentBody(token, 'other.example'),
    { ...(await enrolmentBody('enrol_of-another-token-entirely', domain)), token },
  ];
  for (const body of wrong) {
    const reply = await server.call('POST', '/v1/companions/enrol', { body });
    expect([reply.statusCode, reply.json().code]).toEqual([422, 'signature_invalid']);
  }
  expect((await server.call('POST', '/v1/companions/enrol', { body: good })).statusCode).toBe(200);
  const events = await refusals();
  expect(events.length).toBeGreaterThanOrEqual(3);
  expect(events.at(-1)).toMatchObject({ organization_id: server.shop.organizationId });
  expect(events.at(-1)?.facts).toMatchObject({ companion: 'gate', code: 'signature_invalid' });
  expect(JSON.stringify(events)).not.toContain(token);
});

test('a token that was never given out leaves nothing in the audit log', async () => {
  const before = await refusals();
  const made = { invented: 'enrol_of-no-token-at-all-really', proved: 'enrol_of-another-token-entirely' };
  const wrong = [
    await enrolmentBody(made.invented, domain),
    { ...(await enrolmentBody(made.proved, domain)), token: made.invented },
  ];
  for (const body of wrong) {
    expect((await server.call('POST', '/v1/companions/enrol', { body })).statusCode).toBeGreaterThan(400);
  }
  expect(await refusals()).toEqual(before);
});

test('a proof made by ssh-keygen is accepted', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'enrol-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const run = promisify(execFile);
  const key = join(folder, 'key');
  const made = await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]).catch((error) => error);
  context.skip(made.code === 'ENOENT', 'ssh-keygen is not installed');
  const token = await newToken();
  await writeFile(join(folder, 'message'), enrolmentMessage(token));
  await run('ssh-keygen', ['-q', '-Y', 'sign', '-f', key, '-n', `enrol@${domain}`, join(folder, 'message')]);
  const body = {
    token,
    host_public_key: (await readFile(`${key}.pub`, 'utf8')).trimEnd(),
    signature: await readFile(join(folder, 'message.sig'), 'utf8'),
  };
  const reply = await server.call('POST', '/v1/companions/enrol', { body });
  expect(reply.statusCode).toBe(200);
});

test('a machine can’t enrol with a key of the certificate authority', async () => {
  const [authority] = await server.authority.userAuthorities();
  const token = await newToken();
  // Whoever held the CA's key could make this signature; nobody else can, so it is made up here.
  for (const line of [authority?.publicKeyLine ?? '', ...(await server.authority.hostAuthorityLines())]) {
    const key = server.caKeys.find(({ publicKeyBlob }) =>
      parsePublicKeyLine(line).blob.equals(publicKeyBlob),
    );
    if (!key) throw new Error('the CA key is not among those of the test');
    const reply = await server.call('POST', '/v1/companions/enrol', {
      body: await enrolmentBody(token, domain, key),
    });
    expect([reply.statusCode, reply.json().code]).toEqual([422, 'key_reserved']);
  }
});

test.each([
  ['none', undefined],
  ['an unknown one', 'companion_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ['a short one', 'x'],
])('with %s for a credential there is no state', async (_what, credential) => {
  const reply = await server.call('GET', '/v1/companions/state', credential ? { credential } : {});
  expect(reply.statusCode).toBe(401);
});

test('a person’s token is no credential, nor the other way round', async () => {
  const credential = await server.enrol();
  const asPerson = await server.call('GET', '/v1/session', { credential });
  const asCompanion = await server.call('GET', '/v1/companions/state', { as: bob });
  expect([asPerson.statusCode, asCompanion.statusCode]).toEqual([401, 401]);
});

test('the feed sends the state at once, and again when a session was ended, and the admin hears of the acknowledgement', async () => {
  const credential = await server.enrol();
  const feed = await openFeed(credential);
  expect(feed.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(feed.response.headers['cache-control']).toBe('no-store');
  const first = await feed.next();
  const revoking = server.call('POST', `/v1/sessions/${bob.sessionId}/revoke`, { as: admin });
  let state = await feed.next();
  while (state && !state.ended_sessions.includes(bob.sessionId)) state = await feed.next();
  expect(BigInt(state?.version ?? 0)).toBeGreaterThan(BigInt(first?.version ?? 0));
  const acknowledged = await server.call('POST', '/v1/companions/acknowledgement', {
    credential,
    body: { version: state?.version, krl_version: state?.krl.version, connections_ended: 2, problem: null },
  });
  expect(acknowledged.statusCode).toBe(204);
  const { companions } = revocationReply.parse((await revoking).json());
  expect(companions).toEqual([{ name: 'gate', kind: 'gateway', acknowledged: true, connections_ended: 2 }]);
  feed.close();
});

test('connections are reported, counted, and those of ended sessions named', async () => {
  const credential = await server.enrol();
  const carol = await server.person('carol', 'contributor');
  const one = {
    key: 'boot-1:100:5',
    account: carol.account,
    session_id: carol.sessionId,
    serial: '12',
    target: 'shop-production--web',
    started_at: 1_700_000_000,
  };
  const report = (connections: unknown[]) =>
    server.call('POST', '/v1/companions/connections', { credential, body: { connections } });
  expect((await report([one])).json()).toEqual({ ended_sessions: [] });
  const { sessions } = (await server.call('GET', '/v1/sessions', { as: admin })).json();
  expect(sessions.find(({ id }: { id: string }) => id === carol.sessionId).connections).toBe(1);
  await server.call('POST', `/v1/sessions/${carol.sessionId}/revoke`, { as: admin });
  expect((await report([one])).json()).toEqual({ ended_sessions: [carol.sessionId] });
  const impossible = [
    { started_at: Number.MAX_SAFE_INTEGER + 1 },
    { started_at: Number.MAX_SAFE_INTEGER },
    { serial: '18446744073709551615' },
    { serial: '18446744073709551616' },
    { serial: 12 },
    { key: 'boot-1:100:5 x' },
  ];
  for (const change of impossible) {
    expect((await report([{ ...one, ...change }])).json().code).toBe('request_malformed');
  }
});

test('a report of thousands of connections is taken', async () => {
  const credential = await server.enrol();
  const dave = await server.person('dave', 'contributor');
  const connections = Array.from({ length: 2_000 }, (_, index) => ({
    key: `boot-1:${index + 1}:7`,
    account: dave.account,
    session_id: dave.sessionId,
    serial: '13',
    target: null,
    started_at: 1_700_000_000,
  }));
  const reply = await server.call('POST', '/v1/companions/connections', {
    credential,
    body: { connections },
  });
  expect(reply.statusCode).toBe(200);
});

test('a revoked machine’s feed ends and does not open again', async () => {
  const credential = await server.enrol();
  const feed = await openFeed(credential);
  await feed.next();
  await inTransaction(server.database.db, (tx) =>
    revokeCompanion(tx, { companionId: server.shop.gatewayId, by: 'test' }, server.clock.now),
  );
  while ((await feed.next()) !== null);
  const reply = await server.call('GET', '/v1/companions/feed', { credential });
  expect([reply.statusCode, reply.json().code]).toEqual([401, 'token_invalid']);
});
