/** People bring keys of every type: possession is proven, the certificate is for exactly that key. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CertificateRequest, type Possession, possessionMessage } from '../../src/api/certificates.ts';
import { certificateTypeOf } from '../../src/ssh/certificate.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { armor, unarmor } from '../../src/ssh/pem.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { keysOfEveryType, securityKey, type TypedKey } from '../ssh/sample-keys.ts';
import { type Person, refusalCode, type SampleAuthority, sampleAuthority } from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let alice: Person;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  alice = await sample.person('alice');
});
afterAll(() => database.close());

const keys = keysOfEveryType();

async function requestWith(key: TypedKey): Promise<CertificateRequest & { readonly possession: Possession }> {
  const { challenge, namespace } = await sample.authority.createChallenge(alice.sessionId);
  const signature = await signSshsig({
    message: possessionMessage(alice.sessionId, challenge),
    namespace,
    publicKeyBlob: key.blob,
    sign: (bytes) => key.sign(bytes),
  });
  const public_key = publicKeyLine({ blob: key.blob, comment: 'alice@laptop' });
  return { public_key, request_id: randomUUID(), possession: { challenge, signature } };
}

test.each(keys.map((key) => [key.type, key] as const))(
  'a key of type %s gets a certificate',
  async (type, key) => {
    const request = await requestWith(key);
    const { certificate } = await sample.authority.issueUserCertificate({
      sessionId: alice.sessionId,
      request,
    });
    const parsed = parseCertificateLine(certificate);
    expect(parsed.type).toBe(certificateTypeOf(type));
    expect(parsed.publicKey.equals(key.blob)).toBe(true);
    expect(() => verifyCertificateBy(parsed, [sample.userKey.publicKeyBlob])).not.toThrow();
  },
);

test('[abuse 45] a security key that nobody touched proves nothing', async () => {
  const [{ privateKey }] = keysOfEveryType() as [TypedKey];
  const [touched, untouched] = [securityKey(privateKey), securityKey(privateKey, 'ssh:', 0)];
  let signatures: [touched: Buffer, untouched: Buffer] | undefined;
  const request = await requestWith({
    ...touched,
    sign(bytes) {
      signatures = [touched.sign(bytes), untouched.sign(bytes)];
      return signatures[0];
    },
  });
  // Nothing here lets such a signature out: it takes the place of the good one, which comes last, afterwards.
  const blob = unarmor('SSH SIGNATURE', request.possession.signature) ?? Buffer.alloc(0);
  const [good, bad] = signatures ?? [Buffer.alloc(0), Buffer.alloc(0)];
  const signature = armor('SSH SIGNATURE', Buffer.concat([blob.subarray(0, -good.length), bad]));
  const { sessionId } = alice;
  const forged = { ...request, possession: { ...request.possession, signature } };
  const attempt = sample.authority.issueUserCertificate({ sessionId, request: forged });
  expect(await refusalCode(attempt)).toBe('key_possession_unproven');
  const { serial } = await sample.authority.issueUserCertificate({ sessionId, request });
  expect(serial).toMatch(/^[1-9]/);
});
