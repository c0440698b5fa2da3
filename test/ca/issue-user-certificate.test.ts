/**
 * [seeds 2]: the fields of a person's certificate, one by one and as ssh-keygen reads them. Serials: serials.test.ts; types of
 * keys: test/interop/certificate-sshd.test.ts; narrowed, hop and host certificates: the files of their names beside this one.
 * [seeds 6]: what the CA writes; test/gateway/asking-sshd.test.ts has when a companion reads it.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateReply } from '../../src/api/certificates.ts';
import { certificateClaims, certificateMfa } from '../../src/api/claims.ts';
import type { NewSession } from '../../src/sessions/start-session.ts';
import { encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from '../interop/ssh-keygen.ts';
import {
  domain,
  issuer,
  lineOf,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

let people = 0;

/** A certificate for a new person with such a session. */
async function issued(session: Partial<NewSession> = {}) {
  people += 1;
  const key = generateEd25519();
  const person = await sample.person(`alice${people}`, session);
  const request = await requestFor(sample.authority, person.sessionId, key);
  const reply = await sample.authority.issueUserCertificate({ sessionId: person.sessionId, request });
  const certificate = parseCertificateLine(reply.certificate);
  const extension = (name: string): unknown => {
    const found = certificate.extensions.find((one) => one.name === name);
    return found && JSON.parse(found.value ?? '');
  };
  return { ...person, account: `alice${people}@example.com`, key, request, reply, certificate, extension };
}

describe('a user certificate', () => {
  test('[seeds 2] is for the key that was sent, signed by the user CA, and named after account and session', async () => {
    const { certificate, key, account, sessionId } = await issued();
    verifyCertificateBy(certificate, [sample.userKey.publicKeyBlob]);
    expect(certificate.publicKey).toEqual(key.publicKeyBlob);
    expect(certificate.keyId).toBe(`${account}/${sessionId}`);
    expect(certificate.principals).toEqual([account, `mfa:${account}`]);
  });

  test('[seeds 2] [abuse 20] [abuse 21] is valid from a minute ago for an hour', async () => {
    const { certificate } = await issued();
    expect(certificate.validAfter).toBe(BigInt(startSeconds - 60));
    expect(certificate.validBefore).toBe(BigInt(startSeconds + 3600));
  });

  test('[seeds 2] [abuse 23] ends with its session', async () => {
    const expiresAt = new Date(sample.clock.now.getTime() + 1_800_000);
    const { certificate } = await issued({ expiresAt });
    expect(certificate.validBefore).toBe(BigInt(startSeconds + 1800));
  });

  test('[seeds 2] [seeds 6] [abuse 32] says MFA in a principal, which sshd enforces, as well as in an extension', async () => {
    const { certificate, account, extension } = await issued();
    expect(certificate.principals).toContain(`mfa:${account}`);
    expect(certificateMfa.parse(extension(`mfa@${domain}`))).toEqual({
      v: 1,
      methods: ['pwd', 'otp'],
      by: issuer,
    });
  });

  test('[seeds 2] [seeds 6] [abuse 32] has neither after a login without MFA, whatever methods the login names', async () => {
    const { certificate, account, extension } = await issued({ mfa: false, amr: ['mfa'] });
    expect(certificate.principals).toEqual([account]);
    expect(extension(`mfa@${domain}`)).toBeUndefined();
  });

  test('says mfa as the method where the identity provider named none', async () => {
    const { extension } = await issued({ amr: [], acr: 'phr' });
    expect(extension(`mfa@${domain}`)).toEqual({ v: 1, methods: ['mfa'], by: issuer });
  });

  test('[seeds 2] [seeds 6] carries its claims', async () => {
    const { account, sessionId, extension } = await issued({ acr: 'phr' });
    expect(certificateClaims.parse(extension(`claims@${domain}`))).toEqual({
      v: 1,
      sub: account,
      org: 'example',
      amr: ['pwd', 'otp'],
      acr: 'phr',
      auth_time: startSeconds - 60,
      sid: sessionId,
      mode: 'interactive',
    });
  });

  test('keeps what an identity provider wrote outside ASCII, in ASCII', async () => {
    const { certificate, extension } = await issued({ amr: ['pwd', 'schlüssel \u{1f511}'] });
    expect(certificate.extensions.map(({ value }) => value).join('')).toMatch(/^[ -~]*$/);
    expect(certificateClaims.parse(extension(`claims@${domain}`)).amr).toEqual([
      'pwd',
      'schlüssel \u{1f511}',
    ]);
  });

  test('[seeds 2] [abuse 26] has no critical option, least of all one from a request, and only harmless permissions', async () => {
    const { certificate } = await issued();
    expect(certificate.criticalOptions).toEqual([]);
    expect(certificate.extensions.map(({ name }) => name)).toEqual([
      `claims@${domain}`,
      `mfa@${domain}`,
      'permit-port-forwarding',
      'permit-pty',
    ]);
  });

  test('is described by the reply', async () => {
    const { reply, certificate, account } = await issued();
    expect(certificateReply.parse(reply)).toEqual({
      certificate: reply.certificate,
      serial: `${certificate.serial}`,
      key_id: certificate.keyId,
      principals: certificate.principals,
      valid_after: startSeconds - 60,
      valid_before: startSeconds + 3600,
      account,
    });
  });

  test('is stored as the bytes that were signed, with its audit event', async () => {
    const { reply, certificate, key, accountId, sessionId, request } = await issued();
    const row = await database.db
      .selectFrom('certificates')
      .selectAll()
      .where('serial', '=', reply.serial)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({
      kind: 'user',
      account_id: accountId,
      session_id: sessionId,
      request_id: request.request_id,
      to_be_signed: certificate.toBeSigned,
      decision: { decision: { allowed: true, mfa: true } },
    });
    const events = await database.db
      .selectFrom('audit_events')
      .select(['event', 'account_id', 'organization_id', 'facts'])
      .where('session_id', '=', sessionId)
      .where('event', 'like', 'certificate.%')
      .execute();
    expect(events).toEqual([
      {
        event: 'certificate.issued',
        account_id: accountId,
        organization_id: sample.organizationId,
        facts: expect.objectContaining({
          serial: reply.serial,
          fingerprint: fingerprint(key.publicKeyBlob),
        }),
      },
    ]);
  });
});

test('MFA that will be too old before the certificate ends gives the extension but not the principal', async () => {
  const strict = await freshDatabase();
  try {
    const { authority, person } = await sampleAuthority(strict, { mfaMaxAgeSeconds: 900 });
    const { sessionId } = await person('dora');
    const request = await requestFor(authority, sessionId);
    const { certificate } = await authority.issueUserCertificate({ sessionId, request });
    const { principals, extensions } = parseCertificateLine(certificate);
    expect(principals).toEqual(['dora@example.com']);
    expect(extensions.map(({ name }) => name)).toContain(`mfa@${domain}`);
  } finally {
    await strict.close();
  }
});

describeWithSshKeygen('an issued certificate and ssh-keygen', () => {
  const folder = temporaryFolder();

  test('[seeds 2] [seeds 6] ssh-keygen -L reads every field', async () => {
    const { reply, certificate, account, sessionId, key } = await issued();
    const file = folder.write('issued-cert.pub', `${reply.certificate}\n`);
    const lines = sshKeygenOutput(['-L', '-f', file])
      .split('\n')
      .map((line) => line.trim());
    expect(lines).toEqual(
      expect.arrayContaining([
        'Type: ssh-ed25519-cert-v01@openssh.com user certificate',
        `Public key: ED25519-CERT ${fingerprint(key.publicKeyBlob)}`,
        `Signing CA: ED25519 ${fingerprint(sample.userKey.publicKeyBlob)} (using ssh-ed25519)`,
        `Key ID: "${account}/${sessionId}"`,
        `Serial: ${certificate.serial}`,
        'Critical Options: (none)',
      ]),
    );
    const principals = lines.slice(
      lines.indexOf('Principals:') + 1,
      lines.indexOf('Critical Options: (none)'),
    );
    expect(principals).toEqual([account, `mfa:${account}`]);
    expect(lines).toEqual(expect.arrayContaining(['permit-pty', 'permit-port-forwarding']));
    expect(lines.filter((line) => line.startsWith(`claims@${domain}`))).toHaveLength(1);
  });

  test('ssh-keygen -s makes the same bytes of the same fields with the same CA key', async () => {
    const { certificate, key } = await issued();
    const caFile = folder.write('ca', sample.userKey.openssh('user CA'));
    const subjectFile = folder.write('subject.pub', `${lineOf(key)}\n`);
    const options = certificate.extensions.map(({ name, value }) =>
      value === '' ? name : `extension:${name}=${value}`,
    );
    const hex = (seconds: bigint) => `0x${seconds.toString(16)}`;
    sshKeygenOutput([
      ...['-q', '-s', caFile, '-I', certificate.keyId, '-z', `${certificate.serial}`],
      ...['-n', certificate.principals.join(',')],
      ...['-V', `${hex(certificate.validAfter)}:${hex(certificate.validBefore)}`],
      ...['clear', ...options].flatMap((option) => ['-O', option]),
      subjectFile,
    ]);
    const theirs = parseCertificateLine(readFileSync(folder.path('subject-cert.pub'), 'utf8'));
    // ssh-keygen draws its own nonce; everything else must be equal.
    const ours = encodeToBeSigned({ ...certificate, nonce: theirs.nonce });
    expect(ours.toString('hex')).toBe(theirs.toBeSigned.toString('hex'));
  });
});
