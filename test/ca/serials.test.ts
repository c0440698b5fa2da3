import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { nextSerialOffset, nextSerials, serialFloor } from '../../src/ca/serials.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  domain,
  heldInMemory,
  memorySigner,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

async function restartAt(now: Date) {
  return await createCertificateAuthority({
    database,
    ...heldInMemory({ user: memorySigner(sample.userKey), host: sample.hostSigner }),
    domain,
    clock: () => now,
  });
}

async function nextSerialOf(authority = sample.authority): Promise<bigint> {
  const { sessionId } = await sample.login((await person()).accountId);
  const request = await requestFor(authority, sessionId);
  return BigInt((await authority.issueUserCertificate({ sessionId, request })).serial);
}

let account: ReturnType<SampleAuthority['person']> | undefined;
function person() {
  account ??= sample.person('alice');
  return account;
}

async function setSequence(value: bigint): Promise<void> {
  await sql`select setval('certificate_serials', ${value}::bigint)`.execute(database.db);
}

test('[seeds 2] serials start at unix seconds times 2^20 and follow each other', async () => {
  const first = await nextSerialOf();
  expect(first).toBeGreaterThanOrEqual(BigInt(startSeconds) * 2n ** 20n);
  expect(await nextSerialOf()).toBe(first + 1n);
});

test('[abuse 18] a restored backup does not repeat the serials that it has forgotten', async () => {
  const given = await nextSerialOf();
  await setSequence(given - 1000n); // as the backup remembers it
  const afterRestore = await restartAt(new Date(startTime.getTime() + 1000));
  expect(await nextSerialOf(afterRestore)).toBeGreaterThan(given);
});

test('[abuse 18] a start never lowers the serials, whatever its clock says', async () => {
  const given = await nextSerialOf();
  const withOldClock = await restartAt(new Date(startTime.getTime() - 3_600_000));
  expect(await nextSerialOf(withOldClock)).toBe(given + 1n);
});

test('[abuse 18] two nodes that issue at once, while a third starts, never give the same serial', async () => {
  const other = await restartAt(startTime);
  const [serials] = await Promise.all([
    Promise.all(Array.from({ length: 12 }, (_, index) => nextSerialOf(index % 2 ? other : sample.authority))),
    restartAt(new Date(startTime.getTime() + 2000)),
  ]);
  expect(new Set(serials).size).toBe(12);
});

test('[seeds 2] [abuse 18] the database itself refuses a serial twice', async () => {
  const given = await nextSerialOf();
  await setSequence(given - 1n);
  await expect(nextSerialOf()).rejects.toMatchObject({ constraint: 'certificates_pkey' });
});

test('[abuse 19] a serial beyond 2^53 keeps every digit from the sequence to the certificate', async () => {
  await setSequence(2n ** 60n);
  const { sessionId } = await person();
  const request = await requestFor(sample.authority, sessionId);
  const reply = await sample.authority.issueUserCertificate({ sessionId, request });
  expect(reply.serial).toBe('1152921504606846977');
  expect(parseCertificateLine(reply.certificate).serial).toBe(2n ** 60n + 1n);
});

test('[abuse 19] serials fit into 63 bits for as long as anybody will keep a database, and every recovery has room', () => {
  const farAway = new Date('9999-12-31T23:59:59Z');
  let offset = 0n;
  for (let recovery = 0; recovery < 1_000; recovery += 1) {
    const next = nextSerialOffset(offset);
    const added = next - offset;
    // More than a year, so that no other copy of the database comes near; less than two and a quarter.
    expect(added >= 366n * 86_400n && added < 821n * 86_400n).toBe(true);
    offset = next;
  }
  expect(serialFloor(farAway, offset) < 2n ** 63n).toBe(true);
  expect(serialFloor(farAway, 0n) * 30n < 2n ** 63n).toBe(true);
});

test('a serial is drawn for each that is asked for, in order', async () => {
  const serials = await inTransaction(database.db, (tx) => nextSerials(tx, 5, startTime));
  expect(serials).toEqual([0n, 1n, 2n, 3n, 4n].map((more) => (serials[0] ?? 0n) + more));
});
