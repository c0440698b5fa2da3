import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readStanding } from '../../src/ca/database-identity.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { noteInstalled } from '../../src/inventory/companion-contact.ts';
import { consumeEnrolmentToken, createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { acceptUnchanged, assessDatabase, recoverDatabase } from '../../src/operator/recover-database.ts';
import { revokedRanges } from '../../src/revocation/revoked-ranges.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { serverOn } from '../ca/copies.ts';
import { refusalCode, type SampleAuthority, sampleAuthority } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { signal } from '../database/signal.ts';
import { createShop } from '../inventory/shop.ts';

describe.skipIf(!hasPostgres)('sallyport recover (needs postgresql)', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let server: Awaited<ReturnType<typeof serverOn>>;
  let gatewayId: string;
  const now = () => sample.clock.now;
  const recover = (anyway = false) =>
    inTransaction(database.db, (tx) => recoverDatabase(tx, now(), { anyway }));
  const krl = async () => parseKrl((await server.authority.currentKrl()).data);
  const count = async (table: 'oauth_records' | 'login_states') =>
    (await database.db.selectFrom(table).selectAll().execute()).length;

  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    server = await serverOn(database, sample, now);
    const shop = await inTransaction(database.db, (tx) => createShop(tx, now(), { domain: 'shop.example' }));
    gatewayId = shop.gatewayId;
  });
  afterAll(() => database.close());

  /** As after a failover. */
  async function changeTimeline(): Promise<void> {
    await sql`update database_identity set timeline = timeline + 1, written_by = pg_current_xact_id()`.execute(
      database.db,
    );
  }
  beforeEach(changeTimeline);

  test('revokes every serial, ends every session with its tokens, and begins anew past all that may have been', async () => {
    const { db } = database;
    await recover();
    const [alice, bob] = [await sample.person('alice'), await sample.person('bob', { grantId: 'grant' })];
    const certificate = await server.issue(alice.sessionId);
    await db
      .insertInto('oauth_records')
      .values([
        { model: 'RefreshToken', id: 'a', payload: '{}', grant_id: 'grant' },
        { model: 'AuthorizationCode', id: 'b', payload: '{}', grant_id: 'unknown' },
      ])
      .execute();
    await db
      .insertInto('login_states')
      .values({
        state_hash: Buffer.alloc(32),
        browser_hash: Buffer.alloc(32),
        payload: '{}',
        expires_at: now(),
      })
      .execute();
    const token = await inTransaction(db, (tx) =>
      createEnrolmentToken(tx, gatewayId, { now: now(), lifetimeSeconds: 600 }),
    );
    const before = await readStateVersion(db);
    const ahead = before.version + 70_000n;
    await inTransaction(db, (tx) => noteInstalled(tx, gatewayId, { version: ahead, krlVersion: 1n }, now()));
    const { accepted: acceptedBefore } = await readStanding(db);
    await changeTimeline();

    const done = await recover();
    expect(done).toMatchObject({ sessionsEnded: 2, enrolmentTokensExpired: 1 });
    const version = done?.version ?? 0n;
    expect(version).toBeGreaterThan(ahead);
    expect(await readStateVersion(db)).toEqual({ version, krlVersion: version });

    const list = await krl();
    const key = sample.userKey.publicKeyBlob;
    expect(list.version).toBe(version);
    const revokedUpTo = done?.revokedUpTo ?? 0n;
    expect(revokedUpTo).toBeGreaterThan(certificate.serial);
    const asked = [1n, certificate.serial, revokedUpTo, revokedUpTo + 1n];
    expect(asked.map((serial) => isRevoked(list, key, serial))).toEqual([true, true, true, false]);

    for (const { sessionId } of [alice, bob]) {
      expect(await refusalCode(server.issue(sessionId))).toBe('session_ended');
    }
    const sessions = await db
      .selectFrom('login_sessions')
      .select(['ended_reason', 'ended_by', 'ended_version'])
      .where('id', 'in', [alice.sessionId, bob.sessionId])
      .execute();
    const ended = { ended_reason: 'recovered', ended_by: 'operator', ended_version: `${version}` };
    expect(sessions).toEqual([ended, ended]);
    expect([await count('oauth_records'), await count('login_states')]).toEqual([0, 0]);
    await expect(inTransaction(db, (tx) => consumeEnrolmentToken(tx, token, now()))).rejects.toMatchObject({
      code: 'enrolment_refused',
    });

    const event = await db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'database.recovered')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow();
    expect(event.facts).toEqual({
      found: ['other_timeline', 'companion_ahead'],
      version: `${version}`,
      revoked_up_to: `${revokedUpTo}`,
      sessions_ended: 2,
      api_tokens_revoked: 0,
    });

    const standing = await readStanding(db);
    expect(standing).toMatchObject({ changes: [], restarted: false });
    expect(standing.accepted?.timeline).toBe(acceptedBefore?.timeline);
    const again = await sample.login(alice.accountId);
    expect((await server.issue(again.sessionId)).serial).toBeGreaterThan(revokedUpTo);
    // New certificates are good, also by the list that is made after them.
    expect(isRevoked(await krl(), key, revokedUpTo + 1n)).toBe(false);
  });

  test('run again does nothing; told to, it does it again with one range for each key', async () => {
    const first = await recover();
    const { version } = await readStateVersion(database.db);
    expect(await recover()).toBeUndefined();
    expect(await readStateVersion(database.db)).toEqual({ version, krlVersion: version });

    const second = await recover(true);
    expect(second?.revokedUpTo).toBeGreaterThan(first?.revokedUpTo ?? 0n);
    const ranges = await revokedRanges(database.db);
    expect(new Set(ranges.map(({ caKeyId }) => caKeyId)).size).toBe(2);
    expect(ranges.map(({ first: from, last }) => [from, last])).toEqual([
      [1n, second?.revokedUpTo],
      [1n, second?.revokedUpTo],
    ]);
  });

  test('two at once: one does it, the other finds nothing to do', async () => {
    const done = await Promise.all([recover(), recover(), recover()]);
    expect(done.filter((recovery) => recovery !== undefined)).toHaveLength(1);
  });

  test('cut off before its commit it has changed nothing, and serials are only higher', async () => {
    const { accountId } = await sample.person('erin');
    const before = await inTransaction(database.db, (tx) => assessDatabase(tx, now()));
    const versions = await readStateVersion(database.db);
    const cut = await openPostgres({ url: String(database.url), poolSize: 1 });
    const attempt = inTransaction(cut.db, async (tx) => {
      await recoverDatabase(tx, now(), { anyway: false });
      await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx);
    });
    expect(await refusalCode(attempt)).toBe('database_unavailable');
    await cut.close();
    const { lastSerial, ...after } = await inTransaction(database.db, (tx) => assessDatabase(tx, now()));
    expect({ ...after, lastSerial: before.lastSerial }).toEqual(before);
    expect(lastSerial).toBeGreaterThan(before.lastSerial);
    expect(await readStateVersion(database.db)).toEqual(versions);

    expect((await recover())?.sessionsEnded).toBe(before.liveSessions);
    await server.issue((await sample.login(accountId)).sessionId);
  });

  test('accepted as it is, nobody is logged out; not if a machine has what was never given', async () => {
    await recover();
    const { sessionId } = await sample.person('grace');
    const { serial } = await server.issue(sessionId);
    await changeTimeline();
    const accept = () => inTransaction(database.db, (tx) => acceptUnchanged(tx, now()));
    expect(await accept()).toMatchObject({ version: expect.any(BigInt) });
    expect(await accept()).toBeUndefined();
    expect((await server.issue(sessionId)).serial).toBeGreaterThan(serial);
    expect(isRevoked(await krl(), sample.userKey.publicKeyBlob, serial)).toBe(false);

    const { version, krlVersion } = await readStateVersion(database.db);
    const installed = { version: version + 1n, krlVersion };
    await inTransaction(database.db, (tx) => noteInstalled(tx, gatewayId, installed, now()));
    expect(await refusalCode(accept())).toBe('recovery_needed');
  });

  test('a certificate that is being stored meanwhile is revoked, as all before it', async () => {
    await recover();
    const { sessionId } = await sample.person('frank');
    const mayGoOn = signal();
    const holds = signal();
    const storing = inTransaction(database.db, async (tx) => {
      await lockLiveSession(tx, sessionId, 'share', now());
      holds.fire();
      await mayGoOn.fired;
    });
    await holds.fired;
    // Its serial is drawn before the recovery, and it would be stored after it.
    const [serial = 0n] = await server.serials(1);
    const recovering = recover(true);
    await lockAwaited(database.db);
    mayGoOn.fire();
    await storing;
    const done = await recovering;
    expect(done?.revokedUpTo).toBeGreaterThanOrEqual(serial);
    expect(isRevoked(await krl(), sample.userKey.publicKeyBlob, serial)).toBe(true);
    expect(await refusalCode(server.issue(sessionId))).toBe('session_ended');
  });
});
