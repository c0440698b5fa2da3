import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { encodeSignature, signWithKey } from '../../src/ssh/signature.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  domain,
  heldInMemory,
  memorySigner,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

/** The same authority with a signer that does this. */
async function authorityThatSigns(how: Signer['sign']) {
  const userSigner = { ...memorySigner(sample.userKey), sign: how };
  const { hostSigner } = sample;
  return await createCertificateAuthority({
    database,
    ...heldInMemory({ user: userSigner, host: hostSigner }),
    domain,
    clock: () => startTime,
  });
}

async function storedSerial(sessionId: string): Promise<bigint> {
  const row = await database.db
    .selectFrom('certificates')
    .select('serial')
    .where('session_id', '=', sessionId)
    .executeTakeFirstOrThrow();
  return BigInt(row.serial);
}

const otherKey = generateEd25519();
const { privateKey: rsaKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
const signedAndMore = (bytes: Uint8Array) =>
  Buffer.concat([signWithKey(sample.userKey.privateKey, bytes), Buffer.alloc(1)]);
const faults: [string, Signer['sign']][] = [
  ['fails', () => Promise.reject(new Error('hardware is out of order'))],
  ['signs with another key', async (bytes) => signWithKey(otherKey.privateKey, bytes)],
  ['signs with a key of another type', async (bytes) => signWithKey(rsaKey, bytes)],
  ['signs other bytes', async () => signWithKey(sample.userKey.privateKey, Buffer.from('other'))],
  ['returns noise', async () => encodeSignature('ssh-ed25519', randomBytes(64))],
  ['returns the signature without its name', async (bytes) => sign(null, bytes, sample.userKey.privateKey)],
  ['returns more than a signature', async (bytes) => signedAndMore(bytes)],
  ['returns nothing', async () => Buffer.alloc(0)],
];

test.each(faults)(
  'a signer that %s lets no certificate out; what was stored can be signed later',
  async (fault, how) => {
    const { sessionId } = await sample.person(fault.replaceAll(' ', '-'));
    const request = await requestFor(sample.authority, sessionId);
    const broken = await authorityThatSigns(how);
    expect(await refusalCode(broken.issueUserCertificate({ sessionId, request }))).toBe('signer_failed');

    const { serial } = await sample.authority.issueUserCertificate({ sessionId, request });
    expect(BigInt(serial)).toBe(await storedSerial(sessionId));
  },
);

test('a certificate that was stored and never signed is revoked with its session', async () => {
  const { sessionId } = await sample.person('never-signed');
  const request = await requestFor(sample.authority, sessionId);
  const broken = await authorityThatSigns(() => Promise.reject(new Error('out of order')));
  expect(await refusalCode(broken.issueUserCertificate({ sessionId, request }))).toBe('signer_failed');

  await inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
  );
  const krl = parseKrl((await sample.authority.currentKrl()).data);
  expect(isRevoked(krl, sample.userKey.publicKeyBlob, await storedSerial(sessionId))).toBe(true);
});

test('the bytes are committed, linted and complete before the signer sees them', async () => {
  const { sessionId } = await sample.person('order');
  const request = await requestFor(sample.authority, sessionId);
  const { sign: signForReal } = memorySigner(sample.userKey);
  const seen: boolean[] = [];
  const authority = await authorityThatSigns(async (bytes) => {
    const row = await database.db
      .selectFrom('certificates')
      .select('to_be_signed')
      .where('session_id', '=', sessionId)
      .executeTakeFirst();
    seen.push(row?.to_be_signed.equals(bytes) ?? false);
    return await signForReal(bytes);
  });
  await authority.issueUserCertificate({ sessionId, request });
  expect(seen).toEqual([true]);
});

test('a revocation list that can’t be signed is not handed out', async () => {
  const authority = await authorityThatSigns(async () => encodeSignature('ssh-ed25519', randomBytes(64)));
  expect(await refusalCode(authority.currentKrl())).toBe('signer_failed');
});
