import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database, DatabaseHandle, Tx } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { logOutUpstream } from '../../src/login/back-channel-logout.ts';
import { sweepTombstones } from '../../src/login/logout-tombstones.ts';
import { type SessionLogin, startLoginSession } from '../../src/login/start-login-session.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { signal } from '../database/signal.ts';
import { createShop, issuer } from '../inventory/shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);
const sealer = createSealer([newSealingKey()]);

describe.skipIf(!hasPostgres)('a logout and the login it is about, at once (needs postgresql)', () => {
  let here: FreshDatabase;
  let there: DatabaseHandle;
  beforeAll(async () => {
    here = await freshDatabase();
    there = await openPostgres({ url: String(here.url) });
    await inTransaction(here.db, (tx) => createShop(tx, now));
  });
  afterAll(async () => {
    await there.close();
    await here.close();
  });

  const loginOf = (sid: string | null, startedAt = now): SessionLogin => ({
    provider: { slug: 'default', name: 'Example' },
    organizationSlug: 'acme',
    issuer,
    subject: 'alice of acme',
    accountName: 'alice@example.com',
    displayName: 'Alice',
    groups: ['developers'],
    amr: ['pwd'],
    acr: null,
    authTime: startedAt,
    mfa: false,
    mfaBy: null,
    mfaMethods: [],
    mfaTime: null,
    upstreamSid: sid,
    refreshToken: 'a refresh token',
    startedAt,
  });
  const starting = (db: Database, login: SessionLogin, work: (tx: Tx) => Promise<unknown> = async () => {}) =>
    inTransaction(db, async (tx) => {
      const session = { login, kind: 'helper', clientAddress: null, clientName: null } as const;
      const { sessionId } = await startLoginSession(tx, { sealer }, session, now);
      await work(tx);
      return sessionId;
    });
  const loggingOut = (
    db: Database,
    party: { sid: string | null; subject: string | null },
    work: (tx: Tx) => Promise<unknown> = async () => {},
    at = now,
  ) =>
    inTransaction(db, async (tx) => {
      const ended = await logOutUpstream(
        tx,
        { issuer, ...party, jti: randomUUID() },
        { slug: 'default', organizationSlug: 'acme' },
        at,
      );
      await work(tx);
      return ended?.sessions;
    });
  const reasonOf = async (id: string) =>
    (
      await here.db
        .selectFrom('login_sessions')
        .select('ended_reason')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
    ).ended_reason;

  const parties = [
    ['session', (sid: string) => ({ sid, subject: null })],
    ['session and person', (sid: string) => ({ sid, subject: 'alice of acme' })],
    ['person', () => ({ sid: null, subject: 'alice of acme' })],
  ] as const;

  describe.each(parties)('by the %s there', (_kind, partyOf) => {
    test('the login is first: the logout waits for it and ends its session', async () => {
      const sid = randomUUID();
      let ended: Promise<number | undefined> | undefined;
      const sessionId = await starting(here.db, loginOf(sid), async () => {
        ended = loggingOut(there.db, partyOf(sid));
        await lockAwaited(here.db);
      });
      expect(await ended).toBe(1);
      expect(await reasonOf(sessionId)).toBe('provider_logout');
    });

    test('the logout is first: the login waits for it and is refused', async () => {
      const sid = randomUUID();
      const goOn = signal();
      const locked = signal();
      const ended = loggingOut(there.db, partyOf(sid), async () => {
        locked.fire();
        await goOn.fired;
      });
      await locked.fired;
      const refused = expect(starting(here.db, loginOf(sid))).rejects.toMatchObject({
        code: 'login_rejected',
      });
      await lockAwaited(here.db);
      goOn.fire();
      await refused;
      await ended;
    });

    test('the logout has committed before the login comes: it is refused', async () => {
      const sid = randomUUID();
      await loggingOut(there.db, partyOf(sid));
      await expect(starting(here.db, loginOf(sid))).rejects.toMatchObject({ code: 'login_rejected' });
    });
  });

  test('a login that began after the person was logged out is another one', async () => {
    await loggingOut(there.db, { sid: null, subject: 'alice of acme' }, undefined, seconds(10));
    await expect(starting(here.db, loginOf(null, seconds(10)))).rejects.toMatchObject({
      code: 'login_rejected',
    });
    expect(await starting(here.db, loginOf(randomUUID(), seconds(11)))).toEqual(expect.any(String));
  });

  test('a tombstone keeps nobody else from logging in', async () => {
    await loggingOut(there.db, { sid: 'one', subject: 'somebody else' });
    expect(await starting(here.db, loginOf('two', seconds(60)))).toEqual(expect.any(String));
  });

  test('tombstones are forgotten when no login can be that old', async () => {
    await loggingOut(there.db, { sid: 'old', subject: null });
    await sweepTombstones(here.db, seconds(3_600));
    await expect(starting(here.db, loginOf('old', seconds(60)))).rejects.toMatchObject({
      code: 'login_rejected',
    });
    expect(await sweepTombstones(here.db, seconds(3_700))).toBeGreaterThan(0);
    expect(await starting(here.db, loginOf('old', seconds(60)))).toEqual(expect.any(String));
  });
});
