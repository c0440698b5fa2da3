import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { createUserCertificateIssuer } from '../../src/ca/issue-user-certificate.ts';
import type { CaKey } from '../../src/ca/issuing.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { publicKeyBlobOf } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  certificatesOf,
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
let sessionId: string;
let people = 0;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

async function newRequest(key = generateEd25519()) {
  people += 1;
  sessionId = (await sample.person(`alice${people}`)).sessionId;
  return { sessionId, request: await requestFor(sample.authority, sessionId, key) };
}

test('a request sent again gets the same certificate, byte for byte, and stores nothing', async () => {
  const asked = await newRequest();
  const first = await sample.authority.issueUserCertificate(asked);
  expect(await sample.authority.issueUserCertificate(asked)).toEqual(first);
  expect(await certificatesOf(database, sessionId)).toBe(1);
});

test('a request sent again with a fresh challenge gets the same certificate', async () => {
  const key = generateEd25519();
  const asked = await newRequest(key);
  const first = await sample.authority.issueUserCertificate(asked);
  const { possession } = await requestFor(sample.authority, sessionId, key);
  const again = { sessionId, request: { ...asked.request, possession } };
  expect(await sample.authority.issueUserCertificate(again)).toEqual(first);
});

test('a request sent ten times at once gets one certificate', async () => {
  const asked = await newRequest();
  const replies = await Promise.all(
    Array.from({ length: 10 }, () => sample.authority.issueUserCertificate(asked)),
  );
  expect(new Set(replies.map(({ certificate }) => certificate)).size).toBe(1);
  expect(await certificatesOf(database, sessionId)).toBe(1);
});

test('a request sent at once with different challenges gets one certificate', async () => {
  const key = generateEd25519();
  const { request } = await newRequest(key);
  const proofs = await Promise.all([1, 2, 3, 4].map(() => requestFor(sample.authority, sessionId, key)));
  const replies = await Promise.all(
    proofs.map(({ possession }) =>
      sample.authority.issueUserCertificate({ sessionId, request: { ...request, possession } }),
    ),
  );
  expect(new Set(replies.map(({ certificate }) => certificate)).size).toBe(1);
  expect(await certificatesOf(database, sessionId)).toBe(1);
});

test('one challenge used by many requests at once gives one certificate', async () => {
  const { request } = await newRequest();
  const attempts = await Promise.allSettled(
    Array.from({ length: 10 }, () =>
      sample.authority.issueUserCertificate({ sessionId, request: { ...request, request_id: randomUUID() } }),
    ),
  );
  expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await certificatesOf(database, sessionId)).toBe(1);
});

test('a request_id belongs to the key that it was first used for', async () => {
  const asked = await newRequest();
  await sample.authority.issueUserCertificate(asked);
  const other = await requestFor(sample.authority, sessionId);
  const mixed = { sessionId, request: { ...other, request_id: asked.request.request_id } };
  expect(await refusalCode(sample.authority.issueUserCertificate(mixed))).toBe('request_malformed');
});

test('a request_id belongs to its session: another session’s certificate is not handed out', async () => {
  const asked = await newRequest();
  const first = await sample.authority.issueUserCertificate(asked);
  const other = await newRequest();
  const second = await sample.authority.issueUserCertificate({
    sessionId: other.sessionId,
    request: { ...other.request, request_id: asked.request.request_id },
  });
  expect(second.serial).not.toBe(first.serial);
  expect(second.account).not.toBe(first.account);
});

test('after the end of the session nothing is handed out again', async () => {
  const asked = await newRequest();
  await sample.authority.issueUserCertificate(asked);
  await inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
  );
  expect(await refusalCode(sample.authority.issueUserCertificate(asked))).toBe('session_ended');
});

test('a certificate that was stored is not handed out once its account is disabled', async () => {
  const { accountId, sessionId } = await sample.person('soon-disabled');
  const asked = { sessionId, request: await requestFor(sample.authority, sessionId) };
  await sample.authority.issueUserCertificate(asked);
  await inTransaction(database.db, (tx) => disableAccount(tx, { accountId, by: 'test' }, startTime));
  expect(await refusalCode(sample.authority.issueUserCertificate(asked))).toBe('access_denied');
});

test('a revoked certificate is not handed out again', async () => {
  const asked = await newRequest();
  const { serial } = await sample.authority.issueUserCertificate(asked);
  await inTransaction(database.db, (tx) =>
    revokeCertificates(tx, { serials: [BigInt(serial)] }, 'test', startTime),
  );
  expect(await refusalCode(sample.authority.issueUserCertificate(asked))).toBe('request_malformed');
});

test('an expired certificate is not handed out again', async () => {
  const asked = await newRequest();
  await sample.authority.issueUserCertificate(asked);
  try {
    sample.clock.now = new Date(startTime.getTime() + 3_600_000);
    expect(await refusalCode(sample.authority.issueUserCertificate(asked))).toBe('request_malformed');
  } finally {
    sample.clock.now = startTime;
  }
});

test('a request_id is the same whatever case its letters are in', async () => {
  const asked = await newRequest();
  const first = await sample.authority.issueUserCertificate(asked);
  const request_id = asked.request.request_id.toUpperCase();
  const again = { sessionId, request: { ...asked.request, request_id } };
  expect(await sample.authority.issueUserCertificate(again)).toEqual(first);
});

/** Another server on the same database, whose CA keys stand like this; it signs new certificates with the last. */
async function anotherServer(standing: 'both sign' | 'the old one signs no more') {
  const { id } = await database.db
    .selectFrom('ca_keys')
    .select('id')
    .where('purpose', '=', 'user')
    .executeTakeFirstOrThrow();
  const caKey = (keyId: string, generation: number, signer = memorySigner()): CaKey => ({
    id: keyId,
    purpose: 'user',
    generation,
    publicKey: signer.publicKey,
    signer,
  });
  const old = caKey(id, 1, memorySigner(sample.userKey));
  const next = caKey(randomUUID(), 2);
  const open = standing === 'both sign' ? [old, next] : [next];
  const { db } = database;
  return createUserCertificateIssuer({
    db,
    domain,
    clock: () => sample.clock.now,
    keys: {
      active: () => next,
      byId: (wanted) => open.find((key) => key.id === wanted),
      vouching: () => [],
      refresh: async () => {},
    },
  });
}

test('another server gives the same certificate, also once the next CA key has taken over', async () => {
  const asked = await newRequest();
  const first = await sample.authority.issueUserCertificate(asked);
  const issue = await anotherServer('both sign');
  expect(await issue(asked)).toEqual(first);
  expect(await certificatesOf(database, sessionId)).toBe(1);
});

test('what was stored for a CA key that signs no more is refused, and a new request_id helps', async () => {
  const asked = await newRequest();
  await sample.authority.issueUserCertificate(asked);
  const issue = await anotherServer('the old one signs no more');
  const refusal = await issue(asked).catch((error) => error);
  expect(refusal).toMatchObject({ code: 'request_malformed' });
  expect(refusal.message).toContain('Use a new request_id');
});

test('a CA key whose signatures differ each time signs the same bytes again', async () => {
  const own = await freshDatabase();
  try {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ecdsa: Signer = {
      publicKey: publicKeyBlobOf(publicKey),
      algorithm: 'ecdsa-sha2-nistp256',
      sign: async (bytes) => signWithKey(privateKey, bytes),
    };
    const authority = await createCertificateAuthority({
      database: own,
      ...heldInMemory({ user: ecdsa, host: memorySigner() }),
      domain,
      clock: () => startTime,
    });
    const { person } = await sampleAuthority(own, {}, authority);
    const alice = await person('alice');
    const asked = { sessionId: alice.sessionId, request: await requestFor(authority, alice.sessionId) };
    const replies = [
      await authority.issueUserCertificate(asked),
      await authority.issueUserCertificate(asked),
    ];
    const [first, second] = replies.map(({ certificate }) => parseCertificateLine(certificate));
    expect(second?.toBeSigned).toEqual(first?.toBeSigned);
    expect(second?.signature).not.toEqual(first?.signature);
    expect(await certificatesOf(own, alice.sessionId)).toBe(1);
    await authority.close();
  } finally {
    await own.close();
  }
});
