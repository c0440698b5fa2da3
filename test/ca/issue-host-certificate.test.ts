import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { type CompanionKind, createCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { createProject } from '../../src/inventory/project.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  domain,
  heldInMemory,
  memorySigner,
  refusalCode,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let environmentId: string;
let appId: string;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  const { organizationId } = sample;
  await inTransaction(database.db, async (tx) => {
    const projectId = await createProject(tx, { organizationId, slug: 'shop' });
    environmentId = await createEnvironment(tx, { projectId, slug: 'production', kind: 'production' });
    appId = await createApp(tx, { environmentId, slug: 'web' });
  });
});
afterAll(() => database.close());

async function machine(kind: CompanionKind, name: string, { enrol = true } = {}): Promise<string> {
  return await inTransaction(database.db, async (tx) => {
    const companionId = await createCompanion(tx, {
      organizationId: sample.organizationId,
      kind,
      name,
      address: '192.0.2.1',
      port: 22,
      gatewayLogin: null,
      environmentIds: kind === 'gateway' ? [environmentId] : [],
    });
    if (enrol) await enrolWith(companionId, generateEd25519().publicKeyBlob, tx);
    return companionId;
  });
}

async function enrolWith(companionId: string, hostKey: Buffer, tx: Parameters<typeof completeEnrolment>[0]) {
  const credentialHash = generateEd25519().publicKeyBlob;
  await completeEnrolment(tx, companionId, { hostKey, credentialHash }, startTime);
}

async function instanceOn(hostId: string, instanceSlug: string): Promise<void> {
  await inTransaction(database.db, (tx) =>
    createInstance(tx, { appId, instanceSlug, address: '192.0.2.1', port: 22, login: 'app', hostId }),
  );
}

async function current(companionId: string) {
  return parseCertificateLine(await sample.authority.hostCertificateFor(companionId));
}

test('[seeds 2] a gateway’s certificate names the gateway and nothing behind it, for a week', async () => {
  const certificate = await current(await machine('gateway', 'gate'));
  verifyCertificateBy(certificate, [sample.hostSigner.publicKey]);
  expect(certificate).toMatchObject({
    kind: 'host',
    keyId: 'gateway/gate',
    principals: ['gate.sallyport'],
    validAfter: BigInt(startSeconds - 60),
    validBefore: BigInt(startSeconds + 7 * 86_400),
    criticalOptions: [],
    extensions: [],
  });
});

test('a gateway never stands in for a target, whatever the instances say', async () => {
  const gateway = await machine('gateway', 'gate-greedy');
  await instanceOn(await machine('host', 'box-of-target'), 'wanted');
  await database.db
    .updateTable('instances')
    .set({ host_id: gateway })
    .where('target_name', '=', 'shop-production--web--wanted')
    .execute();
  expect((await current(gateway)).principals).toEqual(['gate-greedy.sallyport']);
});

test('[seeds 2] a host’s certificate names the host and the targets that run on it, not those of others', async () => {
  const [host, other] = [await machine('host', 'box'), await machine('host', 'other-box')];
  await instanceOn(host, '1');
  await instanceOn(other, '2');
  await instanceOn(host, '3');
  expect((await current(host)).principals).toEqual([
    'box.sallyport',
    'shop-production--web--1.sallyport',
    'shop-production--web--3.sallyport',
  ]);
});

test('the certificate is used again until less than half of its life is left', async () => {
  const id = await machine('gateway', 'gate-half');
  const first = await current(id);
  const half = (7 * 86_400 + 60) / 2;
  const atHalf = (first.validBefore - BigInt(half)) * 1000n;
  try {
    sample.clock.now = new Date(Number(atHalf) - 1);
    expect((await current(id)).blob).toEqual(first.blob);
    sample.clock.now = new Date(Number(atHalf));
    expect((await current(id)).serial).toBeGreaterThan(first.serial);
  } finally {
    sample.clock.now = startTime;
  }
});

test('asked for many times at once, one certificate is made', async () => {
  const id = await machine('gateway', 'gate-many');
  const blobs = await Promise.all(
    Array.from({ length: 8 }, async () => (await current(id)).blob.toString('hex')),
  );
  expect(new Set(blobs).size).toBe(1);
});

test('another host key, another target or a revocation calls for a new certificate', async () => {
  const id = await machine('host', 'changing');
  const first = await current(id);

  const hostKey = generateEd25519().publicKeyBlob;
  await inTransaction(database.db, (tx) => enrolWith(id, hostKey, tx));
  const second = await current(id);
  expect(second.publicKey).toEqual(hostKey);
  expect(second.serial).not.toBe(first.serial);

  await instanceOn(id, 'new');
  const third = await current(id);
  expect(third.principals).toContain('shop-production--web--new.sallyport');

  await inTransaction(database.db, (tx) =>
    revokeCertificates(tx, { serials: [third.serial] }, 'test', startTime),
  );
  expect((await current(id)).serial).toBeGreaterThan(third.serial);
});

test('a machine that is unknown, not enrolled or revoked gets none', async () => {
  const notEnrolled = await machine('gateway', 'gate-new', { enrol: false });
  const revoked = await machine('gateway', 'gate-old');
  await inTransaction(database.db, (tx) =>
    revokeCompanion(tx, { companionId: revoked, by: 'test' }, startTime),
  );
  for (const id of [notEnrolled, revoked, sample.organizationId]) {
    expect(await refusalCode(sample.authority.issueHostCertificate(id))).toBe('enrolment_refused');
    expect(await refusalCode(sample.authority.hostCertificateFor(id))).toBe('enrolment_refused');
  }
});

test('what stands is signed once, however often it is asked for, also while the CA key is away', async () => {
  const own = await freshDatabase();
  let isAway = false;
  const key = memorySigner();
  const host: Signer = {
    ...key,
    sign: async (bytes) => {
      if (isAway) throw new Error('the key service is down');
      return await key.sign(bytes);
    },
  };
  const authority = await createCertificateAuthority({
    database: own,
    ...heldInMemory({ user: memorySigner(), host }),
    domain,
    clock: () => startTime,
  });
  const { organizationId } = await sampleAuthority(own, {}, authority);
  const companionId = await inTransaction(own.db, async (tx) => {
    const companion = { organizationId, kind: 'host', name: 'db', address: '192.0.2.1', port: 22 } as const;
    const id = await createCompanion(tx, { ...companion, gatewayLogin: null, environmentIds: [] });
    await enrolWith(id, generateEd25519().publicKeyBlob, tx);
    return id;
  });
  const first = await authority.hostCertificateFor(companionId);
  isAway = true;
  expect(await authority.hostCertificateFor(companionId)).toBe(first);
  await authority.close();
  await own.close();
});
