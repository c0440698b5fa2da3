import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { krlMessage } from '../../src/api/companions.ts';
import { type CaKeyRecord, readCaKeys } from '../../src/ca/ca-key-store.ts';
import { caStatus } from '../../src/ca/ca-status.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { retireCaKey, retireExpired } from '../../src/ca/retire-ca-key.ts';
import { type CaKeyChange, makeNext, rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isKeyRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { storeCertificate } from '../sessions/login.ts';
import { refusalCode, requestFor } from './sample-authority.ts';

const hour = 3_600_000;
/** Others hear of a change within milliseconds; a limit against hanging. */
const patiently = { timeout: 30_000 };
let server: TestServer;
let people = 0;
const more: CertificateAuthority[] = [];

beforeEach(async () => {
  server = await startTestServer();
});
afterEach(async () => {
  for (const authority of more.splice(0)) await authority.close();
  await server.close();
});

function change(later = 0, by = 'olga@example.com'): CaKeyChange {
  const now = new Date(server.clock.now.getTime() + later);
  return { db: server.database.db, ...server.held, now, by };
}

async function generations(purpose: string): Promise<string[]> {
  const keys = await readCaKeys(server.database.db);
  return keys
    .filter((key) => key.purpose === purpose)
    .map(
      ({ generation, state, compromisedAt }) =>
        `${generation} ${state}${compromisedAt ? ' compromised' : ''}`,
    );
}

async function keyOf(purpose: string, generation: number): Promise<CaKeyRecord> {
  const keys = await readCaKeys(server.database.db);
  const found = keys.find((key) => key.purpose === purpose && key.generation === generation);
  if (found === undefined) throw new Error('no such key');
  return found;
}

/** One more server, whose user CA signers after the first are not to be had. */
async function serverWithoutLaterKeys(onProblem: (error: unknown) => void = () => {}) {
  const { held, database, clock, publicUrl } = server;
  const authority = await createCertificateAuthority({
    ...held,
    openSigner: async (uri) => {
      if (uri === 'memory:user' || !uri.startsWith('memory:user')) return await held.openSigner(uri);
      throw new SallyportError('settings_invalid', 'The token is not here.');
    },
    database,
    clock: () => clock.now,
    domain: publicUrl.hostname,
    onProblem,
  });
  more.push(authority);
  return authority;
}

async function issuedBy(authority: CertificateAuthority): Promise<Buffer> {
  const { sessionId } = await server.person(`p${people++}`, 'viewer');
  const request = await requestFor(authority, sessionId);
  const { certificate } = await authority.issueUserCertificate({ sessionId, request });
  return parseCertificateLine(certificate).caPublicKey;
}

/** Whoever has installed the server's present state. */
async function acknowledge(companionId: string): Promise<void> {
  const { version, krl } = await server.feed.stateFor(companionId);
  await server.feed.acknowledge(companionId, {
    version,
    krl_version: krl.version,
    connections_ended: 0,
    problem: null,
  });
}

async function events(): Promise<string[]> {
  const rows = await server.database.db
    .selectFrom('audit_events')
    .select(['event', 'facts'])
    .where('event', 'like', 'ca_key.%')
    .orderBy('id')
    .execute();
  return rows.map(({ event, facts }) => {
    const { purpose, generation, by } = facts as Record<string, unknown>;
    return `${event} ${purpose} ${generation} ${by}`;
  });
}

describe('a rotation', () => {
  test('makes the next key first, which is trusted and signs nothing but its canary; then lets it sign', async () => {
    const { authority } = server;
    expect(await rotateCaKey(change(), { purpose: 'user' })).toMatchObject({ did: 'created', generation: 2 });
    expect(await generations('user')).toEqual(['1 active', '2 next']);
    const next = await keyOf('user', 2);
    const lines = (await authority.userAuthorities()).map(({ publicKeyLine }) => publicKeyLine);
    expect(parsePublicKeyLine(lines[1] ?? '').blob).toEqual(next.publicKey);
    expect(await issuedBy(authority)).toEqual((await keyOf('user', 1)).publicKey);
    const signed = await server.database.db
      .selectFrom('certificates')
      .select('kind')
      .where('ca_key_id', '=', next.id)
      .execute();
    expect(signed).toEqual([{ kind: 'canary' }]);

    await expect
      .poll(async () => (await rotateCaKey(change(), { purpose: 'user' })).did, patiently)
      .toBe('activated');
    expect(await generations('user')).toEqual(['1 retiring', '2 active']);
    await expect.poll(() => issuedBy(authority), patiently).toEqual(next.publicKey);
    expect((await authority.userAuthorities()).length).toBe(2);
  });

  test('waits for every gateway and host in use, by name, and not with --now', async () => {
    await server.enrol();
    await acknowledge(server.shop.gatewayId);
    const { waits } = await rotateCaKey(change(), { purpose: 'user' });
    expect(waits).toContainEqual({ kind: 'companion', name: 'gate', problem: null });
    const attempt = rotateCaKey(change(), { purpose: 'user' });
    await expect(attempt).rejects.toMatchObject({
      code: 'ca_key_refused',
      message: expect.stringMatching(/gate does not trust it yet\n.*\n?.*sallyport ca rotate user --now/),
    });
    await acknowledge(server.shop.gatewayId);
    await expect
      .poll(async () => (await rotateCaKey(change(), { purpose: 'user' })).did, patiently)
      .toBe('activated');

    await rotateCaKey(change(), { purpose: 'user', now: true });
    expect(await generations('user')).toEqual(['1 retiring', '2 retiring', '3 active']);
  });

  test('waits for a server that can’t open the key, which says why; the others go on', async () => {
    const told: string[] = [];
    const authority = await serverWithoutLaterKeys((error) => told.push(String(error)));
    const { database, clock } = server;
    await rotateCaKey(change(), { purpose: 'user' });
    await expect.poll(() => told, patiently).toEqual(['SallyportError: The token is not here.']);
    await expect
      .poll(
        async () =>
          (await caStatus(database.db, clock.now)).keys.find(({ state }) => state === 'next')?.waits_for,
        patiently,
      )
      .toEqual([
        expect.stringMatching(/^the server process .* can't sign with it: The token is not here\.$/),
      ]);
    expect(await refusalCode(rotateCaKey(change(), { purpose: 'user' }))).toBe('ca_key_refused');

    await rotateCaKey(change(), { purpose: 'user', now: true });
    await expect
      .poll(() => issuedBy(server.authority), patiently)
      .toEqual((await keyOf('user', 2)).publicKey);
    // It does not fall back to the key before.
    await expect
      .poll(() => issuedBy(authority).catch((error) => error.code), patiently)
      .toBe('signer_failed');
  });

  test('reaches a server whose notifications are lost all the same', async () => {
    const { held, database, clock, publicUrl } = server;
    const authority = await createCertificateAuthority({
      ...held,
      database: { ...database, listen: async () => ({ close: async () => {} }) },
      clock: () => clock.now,
      domain: publicUrl.hostname,
      pollMilliseconds: 20,
    });
    more.push(authority);
    await rotateCaKey(change(), { purpose: 'user', now: true });
    await expect.poll(() => issuedBy(authority), patiently).toEqual((await keyOf('user', 2)).publicKey);
  });

  test('is refused where the given signer does not work, and changes nothing', async () => {
    const attempt = rotateCaKey(change(), { purpose: 'hop', signer: 'memory:nobody' });
    expect(await refusalCode(attempt)).toBe('settings_invalid');
    // A key that serves another purpose, or has served.
    for (const signer of ['memory:user', 'memory:hop']) {
      expect(await refusalCode(rotateCaKey(change(), { purpose: 'hop', signer }))).toBe('settings_invalid');
    }
    expect(await generations('hop')).toEqual(['1 active']);
  });

  test('is begun once, however many begin it at once', async () => {
    const attempts = await Promise.allSettled([1, 2, 3].map(() => makeNext(change(), { purpose: 'hop' })));
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await generations('hop')).toEqual(['1 active', '2 next']);
  });

  test('of the host CA waits two hours for helpers; then machines get new host certificates', async () => {
    await server.enrol();
    const caOf = (state: { host_certificate: string }) =>
      parseCertificateLine(state.host_certificate).caPublicKey;
    const before = caOf(await server.feed.stateFor(server.shop.gatewayId));
    await rotateCaKey(change(), { purpose: 'host' });
    expect(await refusalCode(rotateCaKey(change(2 * hour - 2_000), { purpose: 'host' }))).toBe(
      'ca_key_refused',
    );
    expect((await server.authority.hostAuthorityLines()).length).toBe(2);
    expect((await rotateCaKey(change(2 * hour), { purpose: 'host' })).did).toBe('activated');
    await expect
      .poll(async () => caOf(await server.feed.stateFor(server.shop.gatewayId)), patiently)
      .toEqual((await keyOf('host', 2)).publicKey);
    expect(before).toEqual((await keyOf('host', 1)).publicKey);
    expect((await server.authority.hostAuthorityLines()).length).toBe(2);
  });
});

describe('the end of a key', () => {
  test('comes by itself an hour after its last certificate, not before, and everybody drops it', async () => {
    await issuedBy(server.authority);
    await rotateCaKey(change(), { purpose: 'user', now: true });
    expect(await refusalCode(retireCaKey(change(), { purpose: 'user', generation: 1 }))).toBe(
      'ca_key_refused',
    );
    const { db } = server.database;
    const at = (later: number) => new Date(server.clock.now.getTime() + later);
    expect(await retireExpired(db, at(2 * hour - 2_000))).toBe(0);
    expect(await retireExpired(db, at(2 * hour))).toBe(1);
    expect(await generations('user')).toEqual(['1 retired', '2 active']);
    expect((await server.authority.userAuthorities()).length).toBe(1);
    expect(await retireExpired(db, at(3 * hour))).toBe(0);
  });

  test.skipIf(!hasPostgres)(
    'waits for a certificate that is being stored while the sweep looks',
    async () => {
      await rotateCaKey(change(), { purpose: 'user', now: true });
      const { db } = server.database;
      const { id } = await keyOf('user', 1);
      const stored = Promise.withResolvers<void>();
      const sweeping = Promise.withResolvers<void>();
      const storing = inTransaction(db, async (tx) => {
        const validBefore = new Date(server.clock.now.getTime() + 5 * hour);
        await storeCertificate(tx, { caKeyId: id, validBefore });
        stored.resolve();
        await sweeping.promise;
      });
      await stored.promise;
      const swept = retireExpired(db, new Date(server.clock.now.getTime() + 2 * hour));
      await lockAwaited(db);
      sweeping.resolve();
      await storing;
      expect(await swept).toBe(0);
      expect(await generations('user')).toEqual(['1 retiring', '2 active']);
    },
  );

  test('is refused for the key that signs, and a next key can be taken back', async () => {
    expect(await refusalCode(retireCaKey(change(), { purpose: 'user', generation: 1 }))).toBe(
      'ca_key_refused',
    );
    expect(await refusalCode(retireCaKey(change(), { purpose: 'user', generation: 2 }))).toBe(
      'ca_key_refused',
    );
    await rotateCaKey(change(), { purpose: 'user' });
    await retireCaKey(change(), { purpose: 'user', generation: 2 });
    expect(await generations('user')).toEqual(['1 active', '2 retired']);
    expect(await refusalCode(retireCaKey(change(), { purpose: 'user', generation: 2 }))).toBe(
      'ca_key_refused',
    );
    expect(await rotateCaKey(change(), { purpose: 'user' })).toMatchObject({ did: 'created', generation: 3 });
  });

  test('of a compromised one: the next signs at once, a new one where there is none, and the list names the key', async () => {
    const first = await keyOf('user', 1);
    await rotateCaKey(change(), { purpose: 'user' });
    const known = await retireCaKey(change(), { purpose: 'user', generation: 1, compromised: true });
    expect(known).toMatchObject({ replacedBy: 2 });
    const made = await retireCaKey(change(), { purpose: 'user', generation: 2, compromised: true });
    expect(made).toMatchObject({ replacedBy: 3 });
    expect(await generations('user')).toEqual(['1 retired compromised', '2 retired compromised', '3 active']);
    await expect
      .poll(() => issuedBy(server.authority), patiently)
      .toEqual((await keyOf('user', 3)).publicKey);

    const krl = parseKrl((await server.authority.currentKrl()).data);
    for (const { publicKey } of [first, await keyOf('user', 2)])
      expect(isKeyRevoked(krl, publicKey)).toBe(true);
    expect(isKeyRevoked(krl, (await keyOf('user', 3)).publicKey)).toBe(false);
    expect((await server.authority.userAuthorities()).length).toBe(1);
  });

  test('reaches also the companions of a server that can’t open the key which signs instead', async () => {
    const authority = await serverWithoutLaterKeys();
    const first = await keyOf('user', 1);
    await retireCaKey(change(), { purpose: 'user', generation: 1, compromised: true });
    const { data, version, signature, isByActive } = await authority.currentKrl();
    expect(isKeyRevoked(parseKrl(data), first.publicKey)).toBe(true);
    expect(isByActive).toBe(false);
    verifySshsig({
      message: krlMessage(version, data),
      namespace: `krl@${authority.domain}`,
      publicKeyBlob: first.publicKey,
      armored: signature,
    });
    expect((await server.authority.currentKrl()).isByActive).toBe(true);
  });

  test('of a compromised one that was retired long ago: the list names it all the same', async () => {
    await rotateCaKey(change(), { purpose: 'user', now: true });
    await retireExpired(server.database.db, new Date(server.clock.now.getTime() + 3 * hour));
    await retireCaKey(change(4 * hour), { purpose: 'user', generation: 1, compromised: true });
    const krl = parseKrl((await server.authority.currentKrl()).data);
    expect(isKeyRevoked(krl, (await keyOf('user', 1)).publicKey)).toBe(true);
    const again = retireCaKey(change(), { purpose: 'user', generation: 1, compromised: true });
    expect(await refusalCode(again)).toBe('ca_key_refused');
  });
});

test('every change is in the audit trail, with who made it', async () => {
  const before = (await events()).length;
  await rotateCaKey(change(), { purpose: 'hop', now: true });
  await retireCaKey(change(), { purpose: 'hop', generation: 2, compromised: true });
  await retireExpired(server.database.db, new Date(server.clock.now.getTime() + 3 * hour));
  const by = 'olga@example.com';
  expect((await events()).slice(before)).toEqual([
    `ca_key.created hop 2 ${by}`,
    `ca_key.retiring hop 1 ${by}`,
    `ca_key.activated hop 2 ${by}`,
    `ca_key.created hop 3 ${by}`,
    `ca_key.retiring hop 2 ${by}`,
    `ca_key.activated hop 3 ${by}`,
    `ca_key.compromised hop 2 ${by}`,
    `ca_key.retired hop 2 ${by}`,
    'ca_key.retired hop 1 sweep',
  ]);
});
