import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { domain, memorySigner, refusalCode, startTime } from './sample-authority.ts';

let database: FreshDatabase;
const userKey = generateEd25519();
const common = {
  userSigner: memorySigner(userKey),
  hostSigner: memorySigner(),
  domain,
  clock: () => startTime,
};

function start(changed: Partial<typeof common> = {}) {
  return createCertificateAuthority({ database, ...common, ...changed });
}

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('replicas that start at once agree on the keys and on one canary', async () => {
  const authorities = await Promise.all([start(), start(), start()]);
  const known = await Promise.all(authorities.map((authority) => authority.userAuthorities()));
  expect(new Set(known.map((one) => JSON.stringify(one))).size).toBe(1);
  const rows = await database.db.selectFrom('ca_keys').select(['purpose', 'generation']).execute();
  expect(rows.sort((a, b) => a.purpose.localeCompare(b.purpose))).toEqual([
    { purpose: 'host', generation: 1 },
    { purpose: 'user', generation: 1 },
  ]);
});

test('a later start finds what the first one registered', async () => {
  const [before] = await (await start()).userAuthorities();
  expect(await (await start()).userAuthorities()).toEqual([before]);
});

test('the canary is a real certificate of the CA, expired, nobody’s, and revoked', async () => {
  const authority = await start();
  const [user] = await authority.userAuthorities();
  const canary = parseCertificateLine(user?.canaryLine ?? '');
  expect(parsePublicKeyLine(user?.publicKeyLine ?? '').blob).toEqual(userKey.publicKeyBlob);
  verifyCertificateBy(canary, [userKey.publicKeyBlob]);
  expect(canary.principals).toEqual(['canary:never']);
  expect(canary.serial).toBeGreaterThan(0n);
  expect(canary.validBefore).toBeLessThan(BigInt(Math.floor(startTime.getTime() / 1000)));

  const krl = parseKrl((await authority.currentKrl()).data);
  expect(isRevoked(krl, userKey.publicKeyBlob, canary.serial)).toBe(true);
  expect(isRevoked(krl, userKey.publicKeyBlob, canary.serial + 1n)).toBe(false);
});

test('the canary and its serial are recorded like every certificate', async () => {
  const events = await database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'certificate.issued')
    .execute();
  expect(events).toMatchObject([{ facts: { kind: 'canary', principals: ['canary:never'] } }]);
});

test('a key that the database does not know as the active one is refused, with both fingerprints', async () => {
  const before = await database.db.selectFrom('ca_keys').selectAll().execute();
  await expect(start({ userSigner: memorySigner() })).rejects.toMatchObject({
    code: 'settings_invalid',
    message: expect.stringMatching(/^The user CA key is SHA256:.*set up with SHA256:/),
  });
  expect(await refusalCode(start({ hostSigner: common.userSigner }))).toBe('settings_invalid');
  expect(await database.db.selectFrom('ca_keys').selectAll().execute()).toEqual(before);
});

test('one key for both purposes is refused and nothing is registered', async () => {
  const empty = await freshDatabase();
  try {
    const { userSigner } = common;
    const attempt = createCertificateAuthority({ ...common, database: empty, hostSigner: userSigner });
    expect(await refusalCode(attempt)).toBe('settings_invalid');
    expect(await empty.db.selectFrom('ca_keys').selectAll().execute()).toEqual([]);
  } finally {
    await empty.close();
  }
});

test('a signer that can’t sign the canary registers nothing', async () => {
  const empty = await freshDatabase();
  try {
    const userSigner = { ...common.userSigner, sign: () => Promise.reject(new Error('out of order')) };
    expect(await refusalCode(createCertificateAuthority({ ...common, database: empty, userSigner }))).toBe(
      'signer_failed',
    );
    expect(await empty.db.selectFrom('ca_keys').selectAll().execute()).toEqual([]);
  } finally {
    await empty.close();
  }
});

test('the host CA’s line is a public key that says what it is for', async () => {
  const [line = ''] = await (await start()).hostAuthorityLines();
  expect(parsePublicKeyLine(line)).toMatchObject({
    blob: common.hostSigner.publicKey,
    comment: `sallyport host CA 1 ${domain}`,
  });
});
