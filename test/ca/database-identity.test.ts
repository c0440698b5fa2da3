import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readStanding } from '../../src/ca/database-identity.ts';
import { serialFloor } from '../../src/ca/serials.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { noteInstalled } from '../../src/inventory/companion-contact.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { bumpStateVersion, isUnknownVersion, readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop } from '../inventory/shop.ts';
import { serverOn } from './copies.ts';
import {
  type Person,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
} from './sample-authority.ts';

type Server = Awaited<ReturnType<typeof serverOn>>;

let database: FreshDatabase;
let sample: SampleAuthority;
let alice: Person;
let server: Server;
const now = () => sample.clock.now;

beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  alice = await sample.person('alice');
  server = await serverOn(database, sample, now);
});
afterAll(() => database.close());

/** As if the row told of a database that was accepted, and this were another one. */
async function rewriteIdentity(set: string): Promise<void> {
  await sql`update database_identity set ${sql.raw(set)}`.execute(database.db);
}

async function acceptAgain(): Promise<void> {
  await database.db.deleteFrom('database_identity').execute();
  server = await serverOn(database, sample, now);
}

const byUs = 'written_by = pg_current_xact_id()';
const startedBefore = `postmaster_started_at = postmaster_started_at - interval '1 day', ${byUs}`;

test('the first start accepts the database, and it stays accepted', async () => {
  const first = await readStanding(database.db);
  expect(first).toMatchObject({ changes: [], restarted: false, serialOffsetSeconds: 0n });
  expect(first.accepted).toMatchObject(first.present);
  await serverOn(database, sample, now);
  await server.issue(alice.sessionId);
  expect(await readStanding(database.db)).toEqual(first);
});

describe('issuing stops', () => {
  afterEach(acceptAgain);

  test.each([
    // Another cluster's Postgres was started at another moment, and so was a standby before it was promoted.
    ['other_cluster', `system_identifier = system_identifier + 1, ${startedBefore}`],
    ['other_timeline', `timeline = timeline + 1, ${startedBefore}`],
    ['other_database', `database_oid = database_oid + 1, ${byUs}`],
    // Dumped and restored: the row is the same, but another transaction has written it.
    ['copied_rows', 'accepted_at = accepted_at'],
  ])('where the database is not the accepted one: %s', async (kind, set) => {
    const { sessionId } = alice;
    const request = await requestFor(server.authority, sessionId);
    await server.authority.issueUserCertificate({ sessionId, request });
    await rewriteIdentity(set);
    expect((await readStanding(database.db)).changes).toEqual([{ kind }]);

    expect(await refusalCode(server.issue(sessionId))).toBe('recovery_needed');
    // What is stored is not signed again either.
    const repeated = server.authority.issueUserCertificate({ sessionId, request });
    expect(await refusalCode(repeated)).toBe('recovery_needed');
    // A start does not accept it.
    const started = await serverOn(database, sample, now);
    expect(await refusalCode(started.issue(sessionId))).toBe('recovery_needed');
  });

  test('where the database has no record of itself', async () => {
    await database.db.deleteFrom('database_identity').execute();
    expect(await refusalCode(server.issue(alice.sessionId))).toBe('recovery_needed');
  });

  test('while a machine has a state that was never given, and no longer when that machine is revoked', async () => {
    const { gatewayId } = await inTransaction(database.db, (tx) =>
      createShop(tx, now(), { domain: 'shop.example' }),
    );
    const { version, krlVersion } = await readStateVersion(database.db);
    const installed = { version: version + 1n, krlVersion };
    await inTransaction(database.db, (tx) => noteInstalled(tx, gatewayId, installed, now()));
    const failure = await server.issue(alice.sessionId).catch((error) => error);
    expect(failure).toMatchObject({
      code: 'recovery_needed',
      message: expect.stringMatching(/machine gate /),
    });

    await inTransaction(database.db, (tx) =>
      revokeCompanion(tx, { companionId: gatewayId, by: 'admin' }, now()),
    );
    await server.issue(alice.sessionId);
  });
});

describe('a start of Postgres', () => {
  test('raises serials and the version with the next certificate, once, and leaves the list its version', async () => {
    await rewriteIdentity(startedBefore);
    const before = await readStateVersion(database.db);
    sample.clock.now = new Date(sample.clock.now.getTime() + 1000);
    const { serial } = await server.issue(alice.sessionId);
    expect(serial).toBeGreaterThanOrEqual(serialFloor(now(), 0n));
    const after = await readStateVersion(database.db);
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.krlVersion).toBe(before.krlVersion);

    expect((await server.issue(alice.sessionId)).serial).toBe(serial + 1n);
    expect(await readStateVersion(database.db)).toEqual(after);
    expect(await readStanding(database.db)).toMatchObject({ changes: [], restarted: false });
  });

  test('leaves a gap in the versions: who has one of it has it from a history that is lost', async () => {
    const before = await readStateVersion(database.db);
    await sql`update state_version set postmaster_started_at = postmaster_started_at - interval '1 day'`.execute(
      database.db,
    );
    const later = new Date(now().getTime() + 60_000);
    const version = await inTransaction(database.db, (tx) => bumpStateVersion(tx, later, { krl: true }));
    const next = await inTransaction(database.db, (tx) => bumpStateVersion(tx, later, { krl: true }));
    expect(next).toBe(version + 1n);
    const { krlVersion } = before;
    const unknown = async (asked: bigint, krl = krlVersion) =>
      await isUnknownVersion(database.db, { version: asked, krlVersion: krl });
    expect([
      await unknown(before.version),
      await unknown(before.version + 1n),
      await unknown(version - 1n),
      await unknown(version),
      await unknown(next),
      await unknown(next + 1n),
      await unknown(version, version - 1n),
      await unknown(version, version),
    ]).toEqual([false, true, true, false, false, true, true, false]);
  });
});
