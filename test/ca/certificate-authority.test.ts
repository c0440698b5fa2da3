import { afterAll, beforeAll, expect, test } from 'vitest';
import { krlMessage } from '../../src/api/companions.ts';
import { lockCaKeys } from '../../src/ca/ca-key-store.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { retireCaKey } from '../../src/ca/retire-ca-key.ts';
import { rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { domain, heldInMemory, memorySigner, refusalCode, startTime } from './sample-authority.ts';

let database: FreshDatabase;
const userKey = generateEd25519();
const ourSigners = { user: memorySigner(userKey), host: memorySigner() };
const common = { domain, clock: () => startTime };

function start(changed: Partial<typeof ourSigners> = {}, on = database) {
  return createCertificateAuthority({
    database: on,
    ...common,
    ...heldInMemory({ ...ourSigners, ...changed }),
  });
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
    { purpose: 'hop', generation: 1 },
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

test('each canary and its serial are recorded like every certificate', async () => {
  const events = await database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'certificate.issued')
    .execute();
  const canary = { facts: { kind: 'canary', principals: ['canary:never'] } };
  expect(events).toMatchObject([canary, canary]);
});

test('a key that the database does not know as the active one is refused, with both fingerprints', async () => {
  const before = await database.db.selectFrom('ca_keys').selectAll().execute();
  await expect(start({ user: memorySigner() })).rejects.toMatchObject({
    code: 'settings_invalid',
    message: expect.stringMatching(/^The user CA key at memory:user is SHA256:.*generation 1 as SHA256:/),
  });
  expect(await refusalCode(start({ host: ourSigners.user }))).toBe('settings_invalid');
  expect(await database.db.selectFrom('ca_keys').selectAll().execute()).toEqual(before);
});

test('one key for both purposes is refused and nothing is registered', async () => {
  const empty = await freshDatabase();
  try {
    expect(await refusalCode(start({ host: ourSigners.user }, empty))).toBe('settings_invalid');
    expect(await empty.db.selectFrom('ca_keys').selectAll().execute()).toEqual([]);
  } finally {
    await empty.close();
  }
});

test('a signer that can’t sign the canary registers nothing', async () => {
  const empty = await freshDatabase();
  try {
    const user = { ...ourSigners.user, sign: () => Promise.reject(new Error('out of order')) };
    expect(await refusalCode(start({ user }, empty))).toBe('signer_failed');
    expect(await empty.db.selectFrom('ca_keys').selectAll().execute()).toEqual([]);
  } finally {
    await empty.close();
  }
});

test('no signer is waited for while the CA keys are locked', async () => {
  const empty = await freshDatabase();
  /** A signer that can only sign while somebody else can lock the keys. */
  const unhurried = (signer: Signer): Signer => ({
    ...signer,
    sign: async (bytes) => {
      await inTransaction(empty.db, lockCaKeys);
      return await signer.sign(bytes);
    },
  });
  try {
    const held = heldInMemory({ ...ourSigners, user: memorySigner(), hop: memorySigner() });
    const { openSigner } = held;
    const slow = {
      ...held,
      openSigner: async (uri: string) => ({
        ...(await openSigner(uri)),
        ...unhurried(await openSigner(uri)),
      }),
    };
    await (await createCertificateAuthority({ database: empty, ...common, ...slow })).close();
    const change = { db: empty.db, ...slow, now: startTime, by: 'test' };
    await rotateCaKey(change, { purpose: 'user', now: true });
    await retireCaKey(change, { purpose: 'user', generation: 2, compromised: true });
    const rows = await empty.db.selectFrom('ca_keys').select(['purpose', 'canary']).execute();
    expect(rows.map(({ purpose, canary }) => `${purpose} ${canary !== null}`).sort()).toEqual([
      'hop true',
      'host false',
      'user true',
      'user true',
      'user true',
    ]);
  } finally {
    await empty.close();
  }
});

test('a rotation reaches every authority that runs, without a restart', async () => {
  const [one, other] = [await start(), await start()];
  const change = { db: database.db, ...heldInMemory(ourSigners), now: startTime, by: 'test' };
  await rotateCaKey(change, { purpose: 'user', now: true });
  for (const authority of [one, other]) {
    const before = (await authority.currentKrl()).version;
    const keys = (await authority.userAuthorities()).map(({ publicKeyLine }) => publicKeyLine);
    expect(keys).toEqual([
      expect.stringContaining('sallyport user CA 1 '),
      expect.stringContaining('sallyport user CA 2 '),
    ]);
    const { data, signature, signatures } = await authority.currentKrl();
    const signers = [signature, ...signatures].map((armored, index) => ({
      armored,
      publicKeyBlob: parsePublicKeyLine([...keys].reverse()[index] ?? '').blob,
    }));
    expect(signers).toHaveLength(2);
    for (const by of signers) {
      verifySshsig({ ...by, message: krlMessage(before, data), namespace: `krl@${domain}` });
    }
  }
});

test('the host CA’s line is a public key that says what it is for', async () => {
  const [line = ''] = await (await start()).hostAuthorityLines();
  expect(parsePublicKeyLine(line)).toMatchObject({
    blob: ourSigners.host.publicKey,
    comment: `sallyport host CA 1 ${domain}`,
  });
});
