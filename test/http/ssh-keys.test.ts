/**
 * Registered keys: registered by a login that proves to hold them, listed, removed, and ended as sessions are.
 *
 * [seeds 13]: here which keys are taken, and that one is of one account; the commands and their notice: test/cli; logging
 * in with one: test/gateway/registered-keys.test.ts and test/netns.
 */
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { possessionMessage } from '../../src/api/certificates.ts';
import { registrationMessage, sshKeyDocument, sshKeyList, sshKeyRemoval } from '../../src/api/ssh-keys.ts';
import { registeredKeysOfOrganization } from '../../src/credentials/registered-keys.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { fingerprint, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { startedSession } from '../sessions/login.ts';
import { keysOfEveryType, type TypedKey } from '../ssh/sample-keys.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let people = 0;
let alice: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  people += 1;
  alice = await server.person(`alice${people}`, 'contributor');
  await set({ registered_keys: true, mfa_required: false, hardware_keys: 'off' });
});

const set = (values: {
  registered_keys?: boolean;
  mfa_required?: boolean;
  hardware_keys?: 'off' | 'required';
}) => server.database.db.updateTable('organizations').set(values).execute();

interface Registering {
  readonly as?: TestPerson;
  readonly key?: Pick<GeneratedKey, 'publicKeyBlob' | 'privateKey'> & Partial<Pick<TypedKey, 'sign'>>;
  readonly line?: string;
  readonly name?: string;
  readonly more?: Record<string, unknown>;
  readonly message?: (sessionId: string, challenge: string) => Buffer;
}

async function register(asked: Registering = {}) {
  const { as = alice, name = 'laptop', more = {} } = asked;
  const key: NonNullable<Registering['key']> = asked.key ?? generateEd25519();
  const { message = registrationMessage, line = publicKeyLine({ blob: key.publicKeyBlob }) } = asked;
  const { challenge, namespace } = (await server.call('POST', '/v1/certificates/challenge', { as })).json();
  const signature = await signSshsig({
    message: message(as.sessionId, challenge),
    namespace,
    publicKeyBlob: key.publicKeyBlob,
    sign: key.sign ?? ((bytes) => signWithKey(key.privateKey, bytes)),
  });
  const body = { public_key: line, name, possession: { challenge, signature }, ...more };
  return await server.call('POST', '/v1/ssh-keys', { as, body });
}
async function registered(asked: Registering = {}) {
  const reply = await register(asked);
  expect([reply.statusCode, reply.body]).toEqual([201, expect.any(String)]);
  return sshKeyDocument.parse(reply.json());
}
const refused = async (asked: Registering) => {
  const { statusCode, json } = await register(asked);
  return [statusCode, json().code];
};
const list = async (as: TestPerson, query = '') => {
  const reply = await server.call('GET', `/v1/ssh-keys${query}`, { as });
  expect([reply.statusCode, reply.body]).toEqual([200, expect.any(String)]);
  return sshKeyList.parse(reply.json()).ssh_keys;
};
const keysForGateways = async () => {
  const { database, shop, clock } = server;
  const keys = await registeredKeysOfOrganization(database.db, shop.organizationId, clock.now);
  return keys.map(({ account }) => account);
};

describe('a registered key', () => {
  test('is listed to its person, and goes to gateways with its login session', async () => {
    const key = generateEd25519();
    const made = await registered({ key, more: { expires_in_seconds: 3_600 } });
    const now = Math.floor(server.clock.now.getTime() / 1000);
    expect(made).toMatchObject({
      account: alice.account,
      name: 'laptop',
      type: 'ssh-ed25519',
      fingerprint: fingerprint(key.publicKeyBlob),
      expires_at: now + 3_600,
      last_used_at: null,
    });
    expect(await list(alice)).toEqual([made]);
    expect(await keysForGateways()).toContain(alice.account);
    const session = await server.database.db
      .selectFrom('login_sessions')
      .select(['kind', 'mfa', 'account_id'])
      .where('id', '=', made.session_id)
      .executeTakeFirst();
    expect(session).toEqual({ kind: 'key', mfa: false, account_id: alice.accountId });
  });

  test('lasts 90 days, or as long as is asked, but never over a year', async () => {
    const day = 86_400;
    const now = Math.floor(server.clock.now.getTime() / 1000);
    expect((await registered()).expires_at - now).toBe(90 * day);
    expect((await register({ name: 'b', more: { expires_in_seconds: 366 * day } })).statusCode).toBe(400);
    const longest = await registered({ name: 'c', more: { expires_in_seconds: 365 * day } });
    expect(longest.expires_at - now).toBe(365 * day);
  });

  test.each(keysOfEveryType().map((key) => [key.type, key] as const))(
    '[seeds 13] may be of type %s',
    async (type, { blob: publicKeyBlob, privateKey, sign }) => {
      expect((await registered({ key: { publicKeyBlob, privateKey, sign } })).type).toBe(type);
    },
  );

  test('[seeds 13] is no RSA key below 3072 bits, no certificate and no private key', async () => {
    expect(await refused({ line: weakLine() })).toEqual([422, 'key_weak']);
    expect(await refused({ line: '-----BEGIN OPENSSH PRIVATE KEY-----' })).toEqual([422, 'key_is_private']);
    const blob = Buffer.concat([text('ssh-ed25519-cert-v01@openssh.com'), text('x')]);
    const line = `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}`;
    expect(await refused({ line })).toEqual([422, 'key_is_certificate']);
  });

  test('[seeds 13] belongs to one account, for good', async () => {
    const key = generateEd25519();
    const bob = await server.person(`bob${people}`, 'contributor');
    await registered({ key });
    expect(await refused({ as: bob, key })).toEqual([422, 'key_reserved']);
    expect(await refused({ key, name: 'again' })).toEqual([409, 'name_taken']);
    await server.call('POST', '/v1/ssh-keys/remove-all', { as: alice });
    expect(await refused({ as: bob, key })).toEqual([422, 'key_reserved']);
    expect(await refused({ key })).toEqual([422, 'key_revoked']);
  });

  test('may be registered anew by its person when it has expired', async () => {
    const key = generateEd25519();
    const before = server.clock.now;
    await registered({ key, more: { expires_in_seconds: 60 } });
    server.clock.now = new Date(before.getTime() + 61_000);
    expect(await list(alice)).toEqual([]);
    expect(await keysForGateways()).not.toContain(alice.account);
    await registered({ key });
    server.clock.now = before;
  });

  test('is never certified for somebody else', async () => {
    const key = generateEd25519();
    await registered({ key });
    const bob = await server.person(`bob${people}`, 'contributor');
    const { challenge, namespace } = (
      await server.call('POST', '/v1/certificates/challenge', { as: bob })
    ).json();
    const signature = await signSshsig({
      message: possessionMessage(bob.sessionId, challenge),
      namespace,
      publicKeyBlob: key.publicKeyBlob,
      sign: (bytes) => signWithKey(key.privateKey, bytes),
    });
    const body = {
      public_key: publicKeyLine({ blob: key.publicKeyBlob }),
      request_id: crypto.randomUUID(),
      possession: { challenge, signature },
    };
    const reply = await server.call('POST', '/v1/certificates', { as: bob, body });
    expect([reply.statusCode, reply.json().code]).toEqual([422, 'key_reserved']);
  });

  test('wants a proof that its person holds it: over a nonce of that login, said to be for this', async () => {
    const [key, other] = [generateEd25519(), generateEd25519()];
    const unproven = [422, 'key_possession_unproven'];
    expect(await refused({ key, line: publicKeyLine({ blob: other.publicKeyBlob }) })).toEqual(unproven);
    expect(await refused({ key, message: possessionMessage })).toEqual(unproven);
    expect(await refused({ key, message: (_, nonce) => registrationMessage('x', nonce) })).toEqual(unproven);
    const { challenge, namespace } = (
      await server.call('POST', '/v1/certificates/challenge', { as: alice })
    ).json();
    const signature = await signSshsig({
      message: registrationMessage(alice.sessionId, challenge),
      namespace,
      publicKeyBlob: key.publicKeyBlob,
      sign: (bytes) => signWithKey(key.privateKey, bytes),
    });
    const body = {
      public_key: publicKeyLine({ blob: key.publicKeyBlob }),
      name: 'once',
      possession: { challenge, signature },
    };
    const send = () => server.call('POST', '/v1/ssh-keys', { as: alice, body });
    expect((await send()).statusCode).toBe(201);
    expect((await send()).json().code).toBe('key_possession_unproven');
  });

  test('ends with its session, its account and its organization’s leave, and its login leaves it alone', async () => {
    const [one, two] = [await registered(), await registered({ name: 'two' })];
    await inTransaction(server.database.db, async (tx) => {
      await tx
        .updateTable('login_sessions')
        .set({ expires_at: server.clock.now })
        .where('id', '=', alice.sessionId)
        .execute();
    });
    const admin = await server.person(`admin${people}`, 'admin');
    const path = (id: string) => `/v1/sessions/${id}/revoke`;
    expect((await server.call('POST', path(one.session_id), { as: admin })).statusCode).toBe(200);
    const query = `?account=${encodeURIComponent(alice.account)}`;
    expect((await list(admin, query)).map(({ id }) => id)).toEqual([two.id]);
    await set({ registered_keys: false });
    expect(await keysForGateways()).toEqual([]);
    await set({ registered_keys: true });
    expect(await keysForGateways()).toContain(alice.account);
    // It would get in without the security key that the organization asks for.
    await set({ hardware_keys: 'required' });
    expect(await keysForGateways()).toEqual([]);
    await set({ hardware_keys: 'off' });
    await server.call('POST', `/v1/accounts/${encodeURIComponent(alice.account)}/disable`, { as: admin });
    expect(await keysForGateways()).not.toContain(alice.account);
    expect(await list(admin, query)).toEqual([]);
  });

  test('ends with everything that began before a moment', async () => {
    await registered();
    const admin = await server.person(`admin${people}`, 'admin');
    server.clock.now = new Date(server.clock.now.getTime() + 2_000);
    const before = Math.floor(server.clock.now.getTime() / 1000);
    await server.call('POST', '/v1/sessions/revoke-before', { as: admin, body: { before } });
    expect(await keysForGateways()).not.toContain(alice.account);
  });
});

describe('who may', () => {
  test('[seeds 13] register: nobody until the organization allows it, no machine, nobody without the MFA that is required', async () => {
    await set({ registered_keys: false });
    expect(await refused({})).toEqual([403, 'access_denied']);
    await set({ registered_keys: true, mfa_required: true });
    const sessionId = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, alice.accountId, server.clock.now, { mfa: false, amr: ['pwd'] }),
    );
    const reply = await register({ as: { ...alice, sessionId } });
    expect([reply.statusCode, reply.json().code]).toEqual([401, 'insufficient_user_authentication']);
    const token = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, alice.accountId, server.clock.now, { kind: 'token', mfa: false }),
    );
    expect((await register({ as: { ...alice, sessionId: token } })).statusCode).toBe(403);
  });

  test('have how many: twenty, each with a name of its own', async () => {
    await registered({ name: 'one' });
    expect(await refused({ name: 'one' })).toEqual([409, 'name_taken']);
    for (let count = 1; count < 20; count += 1) await registered({ name: `key ${count}` });
    expect(await refused({ name: 'more' })).toEqual([403, 'forbidden']);
  });

  test('[seeds 13] remove: its person and admins, by id or all, and nobody else', async () => {
    const made = await registered();
    await registered({ name: 'two' });
    const bob = await server.person(`bob${people}`, 'contributor');
    const admin = await server.person(`admin${people}`, 'admin');
    const path = `/v1/ssh-keys/${made.id}/remove`;
    expect((await server.call('POST', path, { as: bob })).statusCode).toBe(404);
    expect((await server.call('GET', `/v1/ssh-keys?account=${alice.account}`, { as: bob })).statusCode).toBe(
      403,
    );
    const body = { account: alice.account };
    expect((await server.call('POST', '/v1/ssh-keys/remove-all', { as: bob, body })).statusCode).toBe(403);
    const one = await server.call('POST', path, { as: alice });
    expect(sshKeyRemoval.parse(one.json())).toMatchObject({ removed: 1, version: expect.any(String) });
    expect((await server.call('POST', path, { as: alice })).statusCode).toBe(404);
    const all = await server.call('POST', '/v1/ssh-keys/remove-all', { as: admin, body });
    expect(all.json()).toMatchObject({ removed: 1 });
    expect(await list(alice)).toEqual([]);
    const events = await server.database.db
      .selectFrom('audit_events')
      .select(['event', 'facts'])
      .where('account_id', '=', alice.accountId)
      .where('event', 'like', 'ssh_key.%')
      .orderBy('id')
      .execute();
    expect(events.map(({ event, facts }) => [event, (facts as { by: string }).by])).toEqual([
      ['ssh_key.registered', alice.account],
      ['ssh_key.registered', alice.account],
      ['ssh_key.removed', alice.account],
      ['ssh_key.removed', admin.account],
    ]);
  });
});

function text(bytes: string | Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(bytes));
  return Buffer.concat([length, Buffer.from(bytes)]);
}

/** Of 2048 bits. */
function weakLine(): string {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
  const modulus = Buffer.concat([Buffer.alloc(1), Buffer.from(n, 'base64url')]);
  const blob = Buffer.concat([text('ssh-rsa'), text(Buffer.from([1, 0, 1])), text(modulus)]);
  return `ssh-rsa ${blob.toString('base64')}`;
}
