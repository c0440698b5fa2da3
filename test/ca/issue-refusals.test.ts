import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { type CertificateRequest, certificateRequest } from '../../src/api/certificates.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import type { ErrorCode } from '../../src/errors/codes.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { pruneRevokedSerials } from '../../src/revocation/revoked-serials.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { lintUserCertificate } from '../../src/ssh/lint-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { ed25519RawKey } from '../../src/ssh/public-key.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { codeOf } from '../ssh/refusal.ts';
import { hostFields, now, rawToBeSigned } from '../ssh/sample-certificate.ts';
import {
  certificatesOf,
  domain,
  lineOf,
  type Person,
  provePossession,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let alice: Person;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  alice = await sample.person('alice');
});
afterAll(() => database.close());

async function refusalsOf(sessionId: string): Promise<unknown[]> {
  const rows = await database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'certificate.refused')
    .where('session_id', '=', sessionId)
    .orderBy('id')
    .execute();
  return rows.map(({ facts }) => facts);
}

/** The request must be refused with this code, store nothing, and leave one audit event that says so. */
async function expectRefused(sessionId: string, request: CertificateRequest, code: ErrorCode): Promise<void> {
  const stored = await certificatesOf(database, sessionId);
  const events = await refusalsOf(sessionId);
  expect(await refusalCode(sample.authority.issueUserCertificate({ sessionId, request }))).toBe(code);
  expect(await certificatesOf(database, sessionId)).toBe(stored);
  expect(await refusalsOf(sessionId)).toEqual([...events, expect.objectContaining({ code })]);
}

async function expectIssued(sessionId: string, request: CertificateRequest): Promise<void> {
  const { account } = await sample.authority.issueUserCertificate({ sessionId, request });
  expect(account).toMatch(/@example\.com$/);
}

describe('the public key', () => {
  test('[abuse 36] may not be a certificate', async () => {
    const request = await requestFor(sample.authority, alice.sessionId);
    const { certificate } = await sample.authority.issueUserCertificate({
      sessionId: alice.sessionId,
      request,
    });
    const next = await requestFor(sample.authority, alice.sessionId);
    await expectRefused(alice.sessionId, { ...next, public_key: certificate }, 'key_is_certificate');
  });

  test('[abuse 37] may not be a private key, which is recorded nowhere', async () => {
    const request = await requestFor(sample.authority, alice.sessionId);
    const secret = generateEd25519().openssh('mine');
    await expectRefused(alice.sessionId, { ...request, public_key: secret }, 'key_is_private');
    expect(JSON.stringify(await refusalsOf(alice.sessionId))).not.toContain('PRIVATE');
  });

  test('[abuse 48] may not be a key of the certificate authority', async () => {
    await expectRefused(
      alice.sessionId,
      await requestFor(sample.authority, alice.sessionId, sample.userKey),
      'key_reserved',
    );
  });

  test('[abuse 48] may not be a key that the certificate authority used before', async () => {
    const retired = generateEd25519();
    await database.db
      .insertInto('ca_keys')
      .values({
        purpose: 'host',
        generation: 99,
        public_key: retired.publicKeyBlob,
        signer: 'memory:retired',
        state: 'retired',
      })
      .execute();
    await expectRefused(
      alice.sessionId,
      await requestFor(sample.authority, alice.sessionId, retired),
      'key_reserved',
    );
  });

  test('[abuse 46] may not be that of a security key which was made for something else than SSH', async () => {
    for (const application of ['', 'https://login.example.com']) {
      const type = 'sk-ssh-ed25519@openssh.com';
      const blob = new WireWriter()
        .string(type)
        .string(ed25519RawKey(generateEd25519().publicKeyBlob))
        .string(application)
        .bytes();
      const request = await requestFor(sample.authority, alice.sessionId);
      const public_key = `${type} ${blob.toString('base64')}`;
      await expectRefused(alice.sessionId, { ...request, public_key }, 'key_type_refused');
    }
  });

  test('[abuse 48] may not be the host key of an enrolled machine, or one that it had before', async () => {
    const hostKey = generateEd25519();
    const companionId = await enrolled('gate-a', hostKey);
    await sample.authority.issueHostCertificate(companionId);
    const { sessionId } = alice;
    await expectRefused(sessionId, await requestFor(sample.authority, sessionId, hostKey), 'key_reserved');

    await enrolAgain(companionId, generateEd25519());
    await expectRefused(sessionId, await requestFor(sample.authority, sessionId, hostKey), 'key_reserved');
  });

  test('[abuse 44] may not be one that another account has a certificate for', async () => {
    const key = generateEd25519();
    await expectIssued(alice.sessionId, await requestFor(sample.authority, alice.sessionId, key));
    const bob = await sample.person('bob');
    await expectRefused(
      bob.sessionId,
      await requestFor(sample.authority, bob.sessionId, key),
      'key_reserved',
    );
  });

  test('[abuse 44] may not be one whose certificate was revoked, not even in a new session', async () => {
    const key = generateEd25519();
    const carol = await sample.person('carol');
    await expectIssued(carol.sessionId, await requestFor(sample.authority, carol.sessionId, key));
    await end(carol.sessionId);
    const again = await sample.login(carol.accountId);
    await expectRefused(
      again.sessionId,
      await requestFor(sample.authority, again.sessionId, key),
      'key_revoked',
    );
  });

  test('[abuse 44] may not be one whose certificate was revoked while its session goes on', async () => {
    const key = generateEd25519();
    const request = await requestFor(sample.authority, alice.sessionId, key);
    const issued = await sample.authority.issueUserCertificate({ sessionId: alice.sessionId, request });
    await inTransaction(database.db, (tx) =>
      revokeCertificates(tx, { serials: [BigInt(issued.serial)] }, 'test', startTime),
    );
    await expectRefused(
      alice.sessionId,
      await requestFor(sample.authority, alice.sessionId, key),
      'key_revoked',
    );
  });

  test('[abuse 44] may not be one that died with its session, even after the list has forgotten it', async () => {
    const key = generateEd25519();
    const dave = await sample.person('dave');
    await expectIssued(dave.sessionId, await requestFor(sample.authority, dave.sessionId, key));
    await end(dave.sessionId);
    const later = new Date(startTime.getTime() + 3 * 3_600_000);
    await inTransaction(database.db, (tx) => pruneRevokedSerials(tx, later));
    const again = await sample.login(dave.accountId);
    await expectRefused(
      again.sessionId,
      await requestFor(sample.authority, again.sessionId, key),
      'key_revoked',
    );
  });

  test('may be used again by its owner while nothing was revoked', async () => {
    const key = generateEd25519();
    await expectIssued(alice.sessionId, await requestFor(sample.authority, alice.sessionId, key));
    await expectIssued(alice.sessionId, await requestFor(sample.authority, alice.sessionId, key));
  });

  test('[abuse 11] [abuse 24] is all that a request can choose: there is no word for anything else', async () => {
    const request = await requestFor(sample.authority, alice.sessionId);
    expect(certificateRequest.safeParse(request).success).toBe(true);
    for (const wish of [{ principals: ['root'] }, { type: 'host' }, { ttl: 86_400 }, { extensions: {} }]) {
      expect(certificateRequest.safeParse({ ...request, ...wish }).success).toBe(false);
    }
  });

  test('[abuse 24] a certificate of the other kind would not pass the last look before signing', () => {
    const rules = { now, maxLifetime: 3600n, maxBackdate: 60n };
    expect(
      codeOf(() => lintUserCertificate(rawToBeSigned({ kind: 2, principals: hostFields.principals }), rules)),
    ).toBe('certificate_refused');
  });

  test('[abuse 11] another account’s name would not pass the last look before signing', () => {
    const rules = { now, maxLifetime: 3600n, maxBackdate: 60n };
    const principals = ['alice@example.org', 'bob@example.org'];
    expect(codeOf(() => lintUserCertificate(rawToBeSigned({ principals }), rules))).toBe(
      'certificate_refused',
    );
  });
});

describe('[abuse 45] possession of the key', () => {
  test('is proven by that key and no other', async () => {
    const [mine, theirs] = [generateEd25519(), generateEd25519()];
    const request = await requestFor(sample.authority, alice.sessionId, mine);
    await expectRefused(
      alice.sessionId,
      { ...request, public_key: lineOf(theirs) },
      'key_possession_unproven',
    );
  });

  test('is proven for this session: a proof from another session is no use', async () => {
    const bob = await sample.person('bob2');
    const key = generateEd25519();
    const forBob = await requestFor(sample.authority, bob.sessionId, key);
    await expectRefused(alice.sessionId, forBob, 'key_possession_unproven');

    // Signed for alice's session, over a challenge that was given to bob's.
    const { challenge, namespace } = await sample.authority.createChallenge(bob.sessionId);
    const possession = await provePossession(key, { sessionId: alice.sessionId, challenge, namespace });
    await expectRefused(alice.sessionId, { ...forBob, possession }, 'key_possession_unproven');
  });

  test('is proven over a challenge of ours', async () => {
    const key = generateEd25519();
    const request = await requestFor(sample.authority, alice.sessionId, key);
    const challenge = 'A'.repeat(43);
    const possession = await provePossession(key, {
      sessionId: alice.sessionId,
      challenge,
      namespace: `pop@${domain}`,
    });
    await expectRefused(alice.sessionId, { ...request, possession }, 'key_possession_unproven');
  });

  test('is proven in the namespace for it: a signature made for another purpose is no use', async () => {
    const key = generateEd25519();
    const request = await requestFor(sample.authority, alice.sessionId, key);
    const { challenge } = request.possession;
    for (const namespace of ['git', `krl@${domain}`, 'pop@other.example']) {
      const possession = await provePossession(key, { sessionId: alice.sessionId, challenge, namespace });
      await expectRefused(alice.sessionId, { ...request, possession }, 'key_possession_unproven');
    }
  });

  test('is proven once: a challenge is good for one certificate', async () => {
    const key = generateEd25519();
    const request = await requestFor(sample.authority, alice.sessionId, key);
    await expectIssued(alice.sessionId, request);
    const { request_id } = await requestFor(sample.authority, alice.sessionId, key);
    await expectRefused(alice.sessionId, { ...request, request_id }, 'key_possession_unproven');
  });

  test('is proven within five minutes', async () => {
    const [inTime, late] = [
      await requestFor(sample.authority, alice.sessionId),
      await requestFor(sample.authority, alice.sessionId),
    ];
    try {
      sample.clock.now = new Date(startTime.getTime() + 299_000);
      await expectIssued(alice.sessionId, inTime);
      sample.clock.now = new Date(startTime.getTime() + 300_000);
      await expectRefused(alice.sessionId, late, 'key_possession_unproven');
    } finally {
      sample.clock.now = startTime;
    }
  });

  test('a refused request does not use its challenge up', async () => {
    const key = generateEd25519();
    const request = await requestFor(sample.authority, alice.sessionId, key);
    const companionId = await enrolled('gate-b', key);
    await expectRefused(alice.sessionId, request, 'key_reserved');
    await enrolAgain(companionId, generateEd25519());
    await expectIssued(alice.sessionId, request);
  });
});

describe('the session', () => {
  test('must not have ended', async () => {
    const { sessionId } = await sample.person('dora');
    const request = await requestFor(sample.authority, sessionId);
    await end(sessionId);
    await expectRefused(sessionId, request, 'session_ended');
    expect(await refusalCode(sample.authority.createChallenge(sessionId))).toBe('session_ended');
  });

  test('must not have expired, and must last long enough to be of use', async () => {
    const expiresAt = new Date(startTime.getTime() + 200_000);
    const { sessionId } = await sample.person('emil', { expiresAt });
    const [near, past] = [
      await requestFor(sample.authority, sessionId),
      await requestFor(sample.authority, sessionId),
    ];
    try {
      sample.clock.now = new Date(expiresAt.getTime() - 60_000);
      await expectRefused(sessionId, near, 'session_ended');
      sample.clock.now = expiresAt;
      await expectRefused(sessionId, past, 'session_ended');
    } finally {
      sample.clock.now = startTime;
    }
    expect(await refusalsOf(sessionId)).toMatchObject([{ reasons: ['session_ending'] }, {}]);
  });

  test('must be one of sally, not of a browser', async () => {
    const { sessionId } = await sample.person('fay', { kind: 'browser' });
    await expectRefused(sessionId, await requestFor(sample.authority, sessionId), 'forbidden');
  });

  test('must belong to an account that is not disabled', async () => {
    const { sessionId, accountId } = await sample.person('gus');
    const request = await requestFor(sample.authority, sessionId);
    await inTransaction(database.db, (tx) => disableAccount(tx, { accountId, by: 'test' }, startTime));
    await expectRefused(sessionId, request, 'access_denied');
    expect(await refusalsOf(sessionId)).toMatchObject([{ reasons: ['account_disabled'] }]);
  });
});

test('a machine’s host certificate is not issued as a user certificate, nor the other way round', async () => {
  const companionId = await enrolled('gate-c', generateEd25519());
  expect(parseCertificateLine(await sample.authority.issueHostCertificate(companionId)).kind).toBe('host');
  const request = await requestFor(sample.authority, alice.sessionId);
  const { certificate } = await sample.authority.issueUserCertificate({
    sessionId: alice.sessionId,
    request,
  });
  expect(parseCertificateLine(certificate).kind).toBe('user');
});

async function end(sessionId: string): Promise<void> {
  await inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
  );
}

async function enrolled(name: string, hostKey: GeneratedKey): Promise<string> {
  const { organizationId } = sample;
  const companionId = await inTransaction(database.db, (tx) =>
    createCompanion(tx, {
      organizationId,
      kind: 'gateway',
      name,
      address: '127.0.0.1',
      port: 22,
      gatewayLogin: null,
      environmentIds: [],
    }),
  );
  await enrolAgain(companionId, hostKey);
  return companionId;
}

async function enrolAgain(companionId: string, hostKey: GeneratedKey): Promise<void> {
  const credentialHash = generateEd25519().publicKeyBlob;
  await inTransaction(database.db, (tx) =>
    completeEnrolment(tx, companionId, { hostKey: hostKey.publicKeyBlob, credentialHash }, startTime),
  );
}
