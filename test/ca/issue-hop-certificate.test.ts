import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HopCertificateReply, HopCertificateRequest } from '../../src/api/hop-certificates.ts';
import { readCaKeys } from '../../src/ca/ca-key-store.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { issueHopCertificate } from '../../src/ca/issue-hop-certificate.ts';
import type { Issuing } from '../../src/ca/issuing.ts';
import type { Signer } from '../../src/ca/signer.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { isSallyportError, type SallyportError } from '../../src/errors/sallyport-error.ts';
import { updateSourceAddress } from '../../src/inventory/companion.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { assembleCertificate, certificateLine } from '../../src/ssh/encode-certificate.ts';
import { md5Fingerprint } from '../../src/ssh/key-listing.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { parseWeakKeyList } from '../../src/ssh/weak-key-list.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  enrolled,
  environmentWith,
  gatewayAddress,
  type HopInventory,
  hopInventory,
  hopRequest,
  sourceCertificate,
} from './hop-inventory.ts';
import {
  domain,
  lineOf,
  type Person,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let inventory: HopInventory;
let accountId: string;
/** A new login of alice's, and her certificate, for each test. */
let alice: Person;
let source: string;

beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  ({ accountId } = await sample.person('alice'));
  inventory = await hopInventory(sample, accountId);
});
afterAll(() => database.close());
beforeEach(async () => {
  sample.clock.now = startTime;
  alice = await sample.login(accountId);
  source = await sourceCertificate(sample, alice.sessionId);
});

interface Asking extends Partial<HopCertificateRequest> {
  readonly gatewayId?: string;
  readonly key?: GeneratedKey;
}

async function ask({ gatewayId = inventory.gatewayId, key, ...asked }: Asking = {}) {
  const { request_id, ...about } = { source_certificate: source, target: inventory.targetName, ...asked };
  const request = await hopRequest(gatewayId, { ...about, ...(request_id ? { request_id } : {}) }, key);
  return await sample.authority.issueHopCertificate({ companionId: gatewayId, request });
}

async function refusal(attempt: Promise<HopCertificateReply>): Promise<SallyportError> {
  const failure = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (isSallyportError(failure)) return failure;
  throw failure ?? new Error('nothing was refused');
}

const inTx = <Result>(work: (tx: Tx) => Promise<Result>) => inTransaction(database.db, work);

async function hopsOf(sessionId: string) {
  return await database.db
    .selectFrom('certificates')
    .selectAll()
    .where('session_id', '=', sessionId)
    .where('kind', '=', 'hop')
    .execute();
}

async function lastEvent() {
  return await database.db
    .selectFrom('audit_events')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
}

describe('a hop certificate', () => {
  test('[seeds 2] is for one host, from the gateway, for a minute, of the hop CA, and speaks of no MFA', async () => {
    const key = generateEd25519();
    const reply = await ask({ key });
    const certificate = parseCertificateLine(reply.certificate);
    const [hopCa] = await sample.authority.hopAuthorities();
    verifyCertificateBy(certificate, [parsePublicKeyLine(hopCa?.publicKeyLine ?? '').blob]);
    expect(certificate).toMatchObject({
      kind: 'user',
      publicKey: key.publicKeyBlob,
      keyId: `alice@example.com/${alice.sessionId}`,
      principals: ['hop:web-1'],
      validAfter: BigInt(startSeconds - 60),
      validBefore: BigInt(startSeconds + 60),
      criticalOptions: [{ name: 'source-address', value: gatewayAddress }],
    });
    expect(certificate.extensions.map(({ name }) => name)).toEqual([`claims@${domain}`, 'permit-pty']);
    expect(JSON.parse(certificate.extensions[0]?.value ?? '')).toEqual({
      v: 1,
      sub: 'alice@example.com',
      org: 'example',
      amr: ['pwd', 'otp'],
      acr: null,
      auth_time: startSeconds - 60,
      sid: alice.sessionId,
      mode: 'hop',
      act: 'gate-1',
    });
    expect(reply).toMatchObject({ host: 'web-1', valid_before: startSeconds + 60 });
  });

  test('is recorded under the person’s session and the gateway before it leaves', async () => {
    const { serial } = await ask();
    const [row] = await hopsOf(alice.sessionId);
    expect(row).toMatchObject({ serial, account_id: accountId, companion_id: inventory.gatewayId });
    expect(row?.decision).toMatchObject({
      source_serial: `${parseCertificateLine(source).serial}`,
      gateway: 'gate-1',
      target: { targetName: inventory.targetName },
    });
    expect(await lastEvent()).toMatchObject({
      event: 'certificate.issued',
      session_id: alice.sessionId,
      account_id: accountId,
      facts: { kind: 'hop', serial, principals: ['hop:web-1'] },
    });
  });

  test('ends no later than the certificate that it is for', async () => {
    sample.clock.now = new Date((startSeconds + 3_570) * 1_000);
    await inTx((tx) =>
      tx
        .updateTable('environments')
        .set({ mfa_max_age_seconds: null })
        .where('slug', '=', 'production')
        .execute(),
    );
    try {
      expect((await ask()).valid_before).toBe(startSeconds + 3_600);
    } finally {
      await inTx((tx) =>
        tx
          .updateTable('environments')
          .set({ mfa_max_age_seconds: 900 })
          .where('slug', '=', 'production')
          .execute(),
      );
    }
  });

  test('is given again for the same request, and for no other', async () => {
    const key = generateEd25519();
    const request_id = '4C0F7B4E-6C43-4F0E-9A65-2B6F2B2F9F10';
    const first = await ask({ key, request_id });
    expect(await ask({ key, request_id })).toEqual(first);
    expect(await ask({ key, request_id: request_id.toLowerCase() })).toEqual(first);
    expect(await hopsOf(alice.sessionId)).toHaveLength(1);
    expect((await refusal(ask({ request_id }))).code).toBe('request_malformed');
    sample.clock.now = new Date((startSeconds + 60) * 1_000);
    expect((await refusal(ask({ key, request_id }))).code).toBe('request_malformed');
  });

  test('is not given again to another gateway, nor for another host', async () => {
    const key = generateEd25519();
    const request_id = '4c0f7b4e-6c43-4f0e-9a65-2b6f2b2f9f13';
    await ask({ key, request_id });
    const [gatewayId, environmentId] = await inTx(async (tx) => {
      const hostId = await enrolled(tx, sample, { kind: 'host', name: 'other-1' });
      const environment = { projectId: inventory.projectId, slug: 'other' };
      const id = await environmentWith(tx, environment, hostId);
      const environmentIds = [inventory.environmentId, id];
      const gateway = { kind: 'gateway' as const, name: 'gate-other', address: gatewayAddress };
      return [await enrolled(tx, sample, { ...gateway, environmentIds }), id];
    });
    expect((await refusal(ask({ gatewayId, key, request_id }))).code).toBe('request_malformed');

    const assignment = { companion_id: inventory.gatewayId, environment_id: environmentId };
    await inTx((tx) => tx.insertInto('companion_environments').values(assignment).execute());
    const other = ask({ target: 'shop-other--web', key, request_id });
    expect((await refusal(other)).code).toBe('request_malformed');
    await inTx((tx) =>
      tx.deleteFrom('companion_environments').where('environment_id', '=', environmentId).execute(),
    );
  });

  test('never comes by the request id of the person’s own certificate', async () => {
    const key = generateEd25519();
    const { sessionId } = alice;
    const request = await requestFor(sample.authority, sessionId, key);
    await sample.authority.issueUserCertificate({ sessionId, request });
    const { request_id } = request;
    expect((await refusal(ask({ key, request_id }))).code).toBe('request_malformed');
  });

  test('is revoked with the session, in the hop CA’s section of the list', async () => {
    const { certificate } = await ask();
    const { serial, caPublicKey } = parseCertificateLine(certificate);
    await inTx((tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'revoked', by: 'test' }, startTime),
    );
    const krl = parseKrl((await sample.authority.currentKrl()).data);
    expect(isRevoked(krl, caPublicKey, serial)).toBe(true);
    expect(isRevoked(krl, parseCertificateLine(source).caPublicKey, serial)).toBe(false);
  });

  test('is revoked with the gateway that asked for it', async () => {
    const gatewayId = await inTx((tx) =>
      enrolled(tx, sample, {
        kind: 'gateway',
        name: 'gate-lost',
        address: gatewayAddress,
        environmentIds: [inventory.environmentId],
      }),
    );
    const { caPublicKey, serial } = parseCertificateLine((await ask({ gatewayId })).certificate);
    await inTx((tx) => revokeCompanion(tx, { companionId: gatewayId, by: 'test' }, startTime));
    const krl = parseKrl((await sample.authority.currentKrl()).data);
    expect(isRevoked(krl, caPublicKey, serial)).toBe(true);
    expect((await refusal(ask({ gatewayId }))).code).toBe('enrolment_refused');
  });

  test('does not stand in for the gateway’s own host certificate', async () => {
    const before = await sample.authority.hostCertificateFor(inventory.gatewayId);
    await ask();
    const now = await sample.authority.hostCertificateFor(inventory.gatewayId);
    expect(parseCertificateLine(now).serial).toBe(parseCertificateLine(before).serial);
  });
});

describe('a gateway gets nothing by the certificate of a person', () => {
  async function refusedSource(source_certificate: string): Promise<string> {
    const { code, message } = await refusal(ask({ source_certificate }));
    expect(await hopsOf(alice.sessionId)).toEqual([]);
    return `${code}: ${message}`;
  }

  function changed(change: (toBeSigned: Buffer) => Buffer, key: GeneratedKey): string {
    const { toBeSigned } = parseCertificateLine(source);
    const bytes = change(Buffer.from(toBeSigned));
    return certificateLine(assembleCertificate(bytes, signWithKey(key.privateKey, bytes)));
  }

  const notIssued = /^certificate_refused: .*is not a user certificate that was issued here/;

  test('that was never issued, though the user CA’s own key signed it', async () => {
    const { serial } = parseCertificateLine(source);
    const unknownSerial = changed((bytes) => {
      const at = bytes.indexOf(Buffer.from(serial.toString(16).padStart(16, '0'), 'hex'));
      bytes.writeBigUInt64BE(serial + 1_000n, at);
      return bytes;
    }, sample.userKey);
    expect(await refusedSource(unknownSerial)).toMatch(notIssued);
    const highestSerial = changed((bytes) => {
      const at = bytes.indexOf(Buffer.from(serial.toString(16).padStart(16, '0'), 'hex'));
      bytes.writeBigUInt64BE(2n ** 64n - 1n, at);
      return bytes;
    }, sample.userKey);
    expect(await refusedSource(highestSerial)).toMatch(notIssued);
  });

  test('that differs by a byte from what was issued, though the user CA’s own key signed it', async () => {
    const altered = changed((bytes) => {
      const at = bytes.indexOf('"auth_time":');
      bytes[at + 15] = (bytes[at + 15] ?? 0) ^ 1;
      return bytes;
    }, sample.userKey);
    expect(await refusedSource(altered)).toMatch(notIssued);
  });

  test('that another key signed', async () => {
    const { toBeSigned } = parseCertificateLine(source);
    const forged = assembleCertificate(toBeSigned, signWithKey(generateEd25519().privateKey, toBeSigned));
    expect(await refusedSource(certificateLine(forged))).toMatch(/^signature_invalid: /);
  });

  test('that is no certificate', async () => {
    expect(await refusedSource(lineOf(generateEd25519()))).toMatch(/^certificate_malformed: /);
  });

  test('that has expired', async () => {
    sample.clock.now = new Date((startSeconds + 3_600) * 1_000);
    expect(await refusedSource(source)).toMatch(/^certificate_refused: .*has expired/);
  });

  test.each([
    ['retired', { state: 'retired' as const }],
    ['compromised', { compromised_at: startTime }],
  ])('of a user CA key that is %s, though this process has not heard of it', async (_what, change) => {
    const { caPublicKey } = parseCertificateLine(source);
    const ofKey = (set: { state?: 'active' | 'retired'; compromised_at?: Date | null }) =>
      inTx((tx) => tx.updateTable('ca_keys').set(set).where('public_key', '=', caPublicKey).execute());
    await ofKey(change);
    try {
      expect(await refusedSource(source)).toMatch(notIssued);
    } finally {
      await ofKey({ state: 'active', compromised_at: null });
    }
  });

  test('that is revoked', async () => {
    const serials = [parseCertificateLine(source).serial];
    await inTx((tx) => revokeCertificates(tx, { serials }, 'test', startTime));
    expect(await refusedSource(source)).toMatch(/^certificate_refused: .*is revoked/);
  });

  test('whose session has ended', async () => {
    await inTx((tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'logout', by: 'alice' }, startTime),
    );
    expect(await refusedSource(source)).toMatch(/^session_ended: /);
  });

  test('that is itself a hop, a host’s or a canary', async () => {
    const { certificate: hop } = await ask();
    const host = await sample.authority.hostCertificateFor(inventory.hostId);
    const [user] = await sample.authority.userAuthorities();
    for (const source_certificate of [hop, host, user?.canaryLine ?? '']) {
      const { code, message } = await refusal(ask({ source_certificate }));
      expect(`${code}: ${message}`).toMatch(notIssued);
    }
  });
});

describe('a gateway gets nothing', () => {
  async function gateway(name: string, more: { address?: string; environmentIds?: string[] } = {}) {
    const standard = { address: gatewayAddress, environmentIds: [inventory.environmentId] };
    return await inTx((tx) => enrolled(tx, sample, { kind: 'gateway', name, ...standard, ...more }));
  }

  test('for a target that is not assigned to it, in the words for one that does not exist', async () => {
    const environmentId = await inTx((tx) =>
      environmentWith(tx, { projectId: inventory.projectId, slug: 'staging' }, inventory.hostId),
    );
    // Which serves it, so that the person gets there through that one.
    const other = await gateway('gate-staging', { environmentIds: [environmentId] });
    expect((await ask({ gatewayId: other, target: 'shop-staging--web' })).host).toBe('web-1');

    const unassigned = await refusal(ask({ target: 'shop-staging--web' }));
    const { members, message } = await refusal(ask({ target: 'shop-nowhere--web' }));
    expect(unassigned).toMatchObject({ code: 'access_denied', members, message });
    expect(members).toEqual({ reasons: ['target_unknown'], command: null });
    expect(await lastEvent()).toMatchObject({
      event: 'certificate.refused',
      organization_id: sample.organizationId,
      account_id: accountId,
      session_id: alice.sessionId,
      facts: { code: 'access_denied', reasons: ['target_unknown'], gateway: 'gate-1' },
    });
  });

  test('for somebody without a role there, nor for a person of another organization', async () => {
    const unknown = { code: 'access_denied', members: { reasons: ['target_unknown'] } };
    const bob = await sample.person('bob');
    const of = async ({ sessionId }: Person) =>
      await refusal(ask({ source_certificate: await sourceCertificate(sample, sessionId) }));
    expect(await of(bob)).toMatchObject(unknown);

    const other = await inTx((tx) =>
      createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
    );
    const mallory = await sample.person('mallory');
    await inTx((tx) =>
      tx
        .updateTable('accounts')
        .set({ organization_id: other })
        .where('id', '=', mallory.accountId)
        .execute(),
    );
    expect(await of(mallory)).toMatchObject(unknown);
  });

  test('where the environment takes jumps only', async () => {
    const environmentId = await inTx((tx) =>
      environmentWith(
        tx,
        { projectId: inventory.projectId, slug: 'vault', accessMode: 'jump' },
        inventory.hostId,
      ),
    );
    const gatewayId = await gateway('gate-vault', { environmentIds: [environmentId] });
    expect(await refusal(ask({ gatewayId, target: 'shop-vault--web' }))).toMatchObject({
      code: 'access_denied',
      members: { reasons: ['relay_off'], command: null },
    });
  });

  test('where no enrolled host is behind the target', async () => {
    const environmentId = await inTx((tx) =>
      environmentWith(tx, { projectId: inventory.projectId, slug: 'bare' }, null),
    );
    const gatewayId = await gateway('gate-bare', { environmentIds: [environmentId] });
    const asked = { gatewayId, target: 'shop-bare--web' };
    const missing = { code: 'access_denied', members: { reasons: ['host_missing'] } };
    expect(await refusal(ask(asked))).toMatchObject(missing);

    const hostId = await inTx(async (tx) => {
      const id = await enrolled(tx, sample, { kind: 'host', name: 'bare-1' });
      await tx
        .updateTable('instances')
        .set({ host_id: id })
        .where('target_name', '=', asked.target)
        .execute();
      return id;
    });
    expect((await ask(asked)).host).toBe('bare-1');
    await inTx((tx) => revokeCompanion(tx, { companionId: hostId, by: 'test' }, startTime));
    expect(await refusal(ask(asked))).toMatchObject(missing);
  });

  test('by a login without the MFA that the environment wants, or with one too old', async () => {
    const weak = await sample.login(accountId, { amr: ['pwd'], mfa: false });
    const source_certificate = await sourceCertificate(sample, weak.sessionId);
    expect(await refusal(ask({ source_certificate }))).toMatchObject({
      code: 'access_denied',
      members: { reasons: ['mfa_missing'], command: 'sally login --mfa' },
    });
    sample.clock.now = new Date((startSeconds + 900) * 1_000);
    expect(await refusal(ask())).toMatchObject({ members: { reasons: ['mfa_too_old'] } });
  });

  test('as a host, or as a gateway of which nobody has said where it comes from', async () => {
    expect((await refusal(ask({ gatewayId: inventory.hostId }))).code).toBe('forbidden');
    const gatewayId = await gateway('gate-named', { address: 'gate.example.com' });
    const { code, message } = await refusal(ask({ gatewayId }));
    expect([code, message]).toEqual(['access_denied', expect.stringContaining('source_address')]);

    await inTx((tx) => updateSourceAddress(tx, gatewayId, '2001:db8::10'));
    const { criticalOptions } = parseCertificateLine((await ask({ gatewayId })).certificate);
    expect(criticalOptions).toEqual([{ name: 'source-address', value: '2001:db8::10' }]);
  });

  test.each([
    ['that the person’s certificate has', () => parseCertificateLine(source).publicKey],
    ['of a machine', async () => await hostKeyOf(inventory.hostId)],
  ])('for a key %s', async (_what, keyOf) => {
    const key = generateEd25519();
    const blob = await keyOf();
    // Proof of such a key can't be made here: its place in the records is given to one that can.
    await inTx(async (tx) => {
      const publicKey = { public_key: key.publicKeyBlob };
      await tx.updateTable('certificates').set(publicKey).where('public_key', '=', blob).execute();
      await tx
        .updateTable('companions')
        .set({ host_key: key.publicKeyBlob })
        .where('host_key', '=', blob)
        .execute();
    });
    expect((await refusal(ask({ key }))).code).toBe('key_reserved');
  });

  test('twice for one key', async () => {
    const key = generateEd25519();
    await ask({ key });
    expect((await refusal(ask({ key }))).code).toBe('key_reserved');
  });

  test('for a key that it does not hold, or by a proof for another gateway, target, person or purpose', async () => {
    const { gatewayId: companionId, targetName: target } = inventory;
    const about = { source_certificate: source, target };
    const good = await hopRequest(companionId, about);
    const other = await sourceCertificate(sample, (await sample.login(accountId)).sessionId);
    const requests: HopCertificateRequest[] = [
      { ...good, public_key: lineOf(generateEd25519()) },
      { ...good, target: 'shop-staging--web' },
      { ...good, source_certificate: other },
      { ...good, request_id: '4c0f7b4e-6c43-4f0e-9a65-2b6f2b2f9f11' },
      await hopRequest(inventory.hostId, about),
      await hopRequest(companionId, about, generateEd25519(), `pop@${domain}`),
    ];
    for (const request of requests) {
      const attempt = sample.authority.issueHopCertificate({ companionId, request });
      expect((await refusal(attempt)).code).toBe('key_possession_unproven');
    }
    expect(await hopsOf(alice.sessionId)).toEqual([]);
    await sample.authority.issueHopCertificate({ companionId, request: good });
  });

  async function hostKeyOf(id: string): Promise<Buffer> {
    const { host_key } = await database.db
      .selectFrom('companions')
      .select('host_key')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return host_key ?? Buffer.alloc(0);
  }
});

describe('when the hop CA key can’t sign', () => {
  test('nothing leaves, and what was stored can be signed later', async () => {
    const { gatewayId, targetName: target } = inventory;
    const found = (await readCaKeys(database.db)).find(({ purpose }) => purpose === 'hop');
    if (found === undefined) throw new Error('there is no hop CA key');
    const { id, generation, publicKey } = found;
    const sign = () => Promise.reject(new Error('hardware is out of order'));
    const signer: Signer = { publicKey, algorithm: 'ssh-ed25519', sign };
    const key = { id, generation, publicKey, purpose: 'hop' as const, signer };
    const keys = { active: () => key, byId: () => key, vouching: () => [], refresh: async () => {} };
    const broken: Issuing = { db: database.db, domain, clock: () => startTime, keys };
    const request = await hopRequest(gatewayId, { source_certificate: source, target });
    const asking = { companionId: gatewayId, request };
    expect((await refusal(issueHopCertificate(broken, asking))).code).toBe('signer_failed');
    const [stored] = await hopsOf(alice.sessionId);
    expect(await sample.authority.issueHopCertificate(asking)).toMatchObject({ serial: stored?.serial });
  });
});

describe('a key on the operator’s list of weak ones', () => {
  test('gets no hop certificate either', async () => {
    const listed = generateEd25519();
    const digits = md5Fingerprint(listed.publicKeyBlob).replace('MD5:', '').replaceAll(':', '').slice(-20);
    const strict = await createCertificateAuthority({
      database,
      ...sample.held,
      firstSigners: { user: 'memory:user', host: 'memory:host', hop: 'memory:hop' },
      domain,
      clock: () => sample.clock.now,
      weakKeys: parseWeakKeyList(digits),
    });
    const { gatewayId, targetName: target } = inventory;
    const asked = { source_certificate: source, target };
    const asking = { companionId: gatewayId, request: await hopRequest(gatewayId, asked, listed) };
    expect((await refusal(strict.issueHopCertificate(asking))).code).toBe('key_weak');
    await strict.close();
  });
});

// Last, since nothing is issued any more.
describe('while the database may have forgotten revocations', () => {
  test('a gateway gets nothing, and what it has is not signed again', async () => {
    const key = generateEd25519();
    const request_id = '4c0f7b4e-6c43-4f0e-9a65-2b6f2b2f9f12';
    await ask({ key, request_id });
    await inTx((tx) => sql`update database_identity set accepted_at = accepted_at`.execute(tx));
    expect((await refusal(ask({ key, request_id }))).code).toBe('recovery_needed');
    expect((await refusal(ask())).code).toBe('recovery_needed');
  });
});
