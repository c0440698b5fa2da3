/** The certificates that docs/certificates.md shows, made by the CA itself with its clock at a fixed moment. */
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { createProject } from '../../src/inventory/project.ts';
import { type CertificateFields, nonceLength } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { lintHopCertificate, longestHopLife } from '../../src/ssh/lint-certificate.ts';
import { hopPrincipal, keyIdFor } from '../../src/ssh/names.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { domain, requestFor, type SampleAuthority, startSeconds, startTime } from '../ca/sample-authority.ts';

export interface ExampleCertificates {
  /** Lines of -cert.pub files. */
  readonly user: string;
  readonly host: string;
  readonly hop: string;
  readonly canary: string;
}

export async function exampleCertificates(sample: SampleAuthority): Promise<ExampleCertificates> {
  const { authority } = sample;
  const { sessionId } = await sample.person('alice');
  const { certificate } = await authority.issueUserCertificate({
    sessionId,
    request: await requestFor(authority, sessionId),
  });
  const [trusted] = await authority.userAuthorities();
  return {
    user: certificate,
    host: await authority.issueHostCertificate(await enrolledHost(sample)),
    hop: hopCertificate(sessionId),
    canary: trusted?.canaryLine ?? '',
  };
}

async function enrolledHost({ database, organizationId }: SampleAuthority): Promise<string> {
  return await inTransaction(database.db, async (tx) => {
    const projectId = await createProject(tx, { organizationId, slug: 'shop' });
    const environmentId = await createEnvironment(tx, { projectId, slug: 'production', kind: 'production' });
    const appId = await createApp(tx, { environmentId, slug: 'web' });
    const place = { address: '192.0.2.1', port: 22 };
    const hostId = await createCompanion(tx, {
      ...place,
      organizationId,
      kind: 'host',
      name: 'web-1',
      gatewayLogin: null,
      environmentIds: [],
    });
    await createInstance(tx, { ...place, appId, instanceSlug: null, login: 'app', hostId });
    const hostKey = generateEd25519().publicKeyBlob;
    const credentialHash = generateEd25519().publicKeyBlob;
    await completeEnrolment(tx, hostId, { hostKey, credentialHash }, startTime);
    return hostId;
  });
}

/** What the linter lets pass as a hop certificate. */
function hopCertificate(sessionId: string): string {
  const hopCa = generateEd25519();
  const account = 'alice@example.com';
  const claims = {
    v: 1,
    sub: account,
    org: 'example',
    amr: ['pwd', 'otp'],
    acr: null,
    auth_time: startSeconds - 60,
    sid: sessionId,
    mode: 'hop',
  };
  const now = BigInt(startSeconds);
  const sourceAddress = '192.0.2.10';
  const fields: CertificateFields = {
    kind: 'user',
    publicKey: generateEd25519().publicKeyBlob,
    nonce: Buffer.alloc(nonceLength, 7),
    serial: 1_898_000_000_000_000_007n,
    keyId: keyIdFor(account, sessionId),
    principals: [hopPrincipal('web-1')],
    validAfter: now - 60n,
    validBefore: now + longestHopLife,
    criticalOptions: [{ name: 'source-address', value: sourceAddress }],
    extensions: [
      { name: `claims@${domain}`, value: JSON.stringify(claims) },
      { name: 'permit-pty', value: '' },
    ],
    caPublicKey: hopCa.publicKeyBlob,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintHopCertificate(toBeSigned, { now, maxLifetime: longestHopLife, maxBackdate: 60n, sourceAddress });
  return certificateLine(assembleCertificate(toBeSigned, signWithKey(hopCa.privateKey, toBeSigned)));
}
