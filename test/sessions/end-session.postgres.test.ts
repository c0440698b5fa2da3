import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database, DatabaseHandle } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { signal } from '../database/signal.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { createCaKey, startedSession, storeCertificate } from './login.ts';

const now = new Date('2026-06-01T12:00:00Z');
const inAnHour = new Date(now.getTime() + 3_600_000);

describe.skipIf(!hasPostgres)('issuing and ending at once (needs postgresql)', () => {
  let issuing: FreshDatabase;
  let ending: DatabaseHandle;
  let shop: Shop;
  let caKeyId: string;
  let sessionId: string;
  beforeAll(async () => {
    issuing = await freshDatabase();
    ending = await openPostgres({ url: String(issuing.url) });
    await inTransaction(issuing.db, async (tx) => {
      shop = await createShop(tx, now);
      caKeyId = await createCaKey(tx);
    });
  });
  afterAll(async () => {
    await ending.close();
    await issuing.close();
  });
  beforeEach(async () => {
    sessionId = await inTransaction(issuing.db, (tx) => startedSession(tx, shop.accountId, now));
  });

  const end = () =>
    inTransaction(ending.db, (tx) =>
      endSession(tx, { sessionId, reason: 'revoked', by: 'admin@example.com' }, now),
    );
  /** As the CA does it: lock, then store. */
  const issue = (db: Database, stored?: (serial: bigint) => Promise<void>) =>
    inTransaction(db, async (tx) => {
      await lockLiveSession(tx, sessionId, 'share', now);
      const serial = await storeCertificate(tx, { caKeyId, sessionId, validBefore: inAnHour });
      await stored?.(serial);
      return serial;
    });
  const listed = async () => (await revokedSerials(issuing.db)).map((entry) => entry.serial);

  test('a certificate stored before the end is seen by it, though it was not committed when the end began', async () => {
    let ended: ReturnType<typeof end> | undefined;
    const serial = await issue(issuing.db, async () => {
      ended = end();
      // The end is under way and has to wait for the issuing transaction.
      await lockAwaited(issuing.db);
    });
    expect((await ended)?.certificatesRevoked).toBe(1);
    expect(await listed()).toContain(serial);
  });

  test('issuing that begins while the end is under way waits for it, and is told that the session has ended', async () => {
    const locked = signal();
    const goOn = signal();
    const ended = inTransaction(ending.db, async (tx) => {
      const result = await endSession(tx, { sessionId, reason: 'revoked', by: 'system' }, now);
      locked.fire();
      await goOn.fired;
      return result;
    });
    await locked.fired;
    const issued = issue(issuing.db);
    const refused = expect(issued).rejects.toMatchObject({ code: 'session_ended' });
    await lockAwaited(issuing.db);
    goOn.fire();
    expect((await ended).certificatesRevoked).toBe(0);
    await refused;
  });

  test('issuing that begins while the end waits for another does not pass it by', async () => {
    const late = signal();
    let ended: ReturnType<typeof end> | undefined;
    let refused: Promise<unknown> | undefined;
    await issue(issuing.db, async () => {
      ended = end();
      await lockAwaited(issuing.db);
      refused = issue(issuing.db)
        .then(
          () => 'issued',
          (error) => error.code,
        )
        .finally(late.fire);
      await Promise.race([late.fired, lockAwaited(issuing.db, 2)]);
    });
    expect(await refused).toBe('session_ended');
    expect((await ended)?.certificatesRevoked).toBe(1);
  });

  test('of 40 certificates issued around one end, every one that was stored is revoked', async () => {
    const issues = Array.from({ length: 40 }, () => issue(issuing.db));
    // The end goes in among them as soon as the first is stored.
    const ended = Promise.any(issues).then(end);
    const results = await Promise.allSettled(issues);
    const { certificatesRevoked } = await ended;
    const serials = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(new Set(serials).size).toBe(serials.length);
    expect(certificatesRevoked).toBe(serials.length);
    expect(await listed()).toEqual(expect.arrayContaining(serials));
    expect(codes.filter((code) => code !== 'session_ended')).toEqual([]);
  });

  test('10 ends at once are one end', async () => {
    const serial = await issue(issuing.db);
    const ends = await Promise.all(Array.from({ length: 10 }, end));
    expect(new Set(ends.map((result) => result.version)).size).toBe(1);
    expect(ends.map((result) => result.certificatesRevoked)).toEqual(Array(10).fill(1));
    expect(await listed()).toContain(serial);
    const events = await issuing.db
      .selectFrom('audit_events')
      .select('id')
      .where('event', '=', 'session.ended')
      .where('session_id', '=', sessionId)
      .execute();
    expect(events).toHaveLength(1);
  });

  test('200 serials drawn at once from two handles are all different', async () => {
    const serials = await Promise.all(
      Array.from({ length: 200 }, (_, index) => issue((index % 2 === 0 ? issuing : ending).db)),
    );
    expect(new Set(serials).size).toBe(200);
    expect(serials).not.toContain(0n);
  });
});
