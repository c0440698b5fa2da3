import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  certificatesOf,
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
