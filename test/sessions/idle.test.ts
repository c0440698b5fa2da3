import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { newToken, tokenHash } from '../../src/secrets/token.ts';
import { endedAmong } from '../../src/sessions/ended-sessions.ts';
import { sessionByCookie } from '../../src/sessions/find-session.ts';
import { endOf, isLive } from '../../src/sessions/liveness.ts';
import { lockLiveSession, lockLiveSessions } from '../../src/sessions/lock-live-session.ts';
import { listSessions, sessionDocument } from '../../src/sessions/session-documents.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startedSession } from './login.ts';

const now = new Date('2026-06-01T12:00:00Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);
const unix = (time: Date) => time.getTime() / 1000;

let database: FreshDatabase;
let shop: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
});
afterAll(() => database.close());

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);
const begun = (more: Parameters<typeof startedSession>[3] = {}) =>
  write((tx) => startedSession(tx, shop.accountId, now, { idleSeconds: 600, ...more }));

describe('a session with an idle time', () => {
  test('is over, everywhere, when it was not used for that long', async () => {
    const cookie = newToken('console');
    const sessionId = await begun({ kind: 'browser', cookieHash: tokenHash(cookie) });
    const scope = { accountId: shop.accountId };
    const found = async (at: Date) => ({
      byCookie: (await sessionByCookie(database.db, cookie, at))?.sessionId === sessionId,
      ended: (await endedAmong(database.db, [sessionId], at)).length > 0,
      listed: (await listSessions(database.db, scope, at)).some(({ id }) => id === sessionId),
    });
    expect(await found(seconds(599))).toEqual({ byCookie: true, ended: false, listed: true });
    expect(await found(seconds(600))).toEqual({ byCookie: false, ended: true, listed: false });
    await expect(write((tx) => lockLiveSession(tx, sessionId, 'share', seconds(600)))).rejects.toMatchObject({
      code: 'session_ended',
    });
    const locked = await write((tx) => lockLiveSessions(tx, [sessionId], { mayWait: true }, seconds(600)));
    expect(locked.get(sessionId)).toBe('ended');
  });

  test('goes on when it is used, and its facts and its document say how long', async () => {
    const sessionId = await begun();
    const { facts } = await write((tx) => lockLiveSession(tx, sessionId, 'share', seconds(500)));
    expect(facts.expiresAtSeconds).toBe(unix(seconds(1100)));
    expect(await sessionDocument(database.db, sessionId, seconds(500))).toMatchObject({
      last_used_at: unix(seconds(500)),
      idle_ends_at: unix(seconds(1100)),
    });
    const locked = await write((tx) => lockLiveSessions(tx, [sessionId], { mayWait: false }, seconds(1000)));
    expect(locked.get(sessionId)).toMatchObject({ facts: { expiresAtSeconds: unix(seconds(1600)) } });
  });

  test('never goes on past its end', async () => {
    const sessionId = await begun({ expiresAt: seconds(700) });
    const { facts } = await write((tx) => lockLiveSession(tx, sessionId, 'share', seconds(590)));
    expect(facts.expiresAtSeconds).toBe(unix(seconds(700)));
    expect(await endedAmong(database.db, [sessionId], seconds(700))).toEqual([sessionId]);
  });
});

test('a session without one is live until its end, however long it was not used', async () => {
  const sessionId = await begun({ idleSeconds: null, expiresAt: seconds(100_000) });
  expect(await endedAmong(database.db, [sessionId], seconds(99_999))).toEqual([]);
  expect(await sessionDocument(database.db, sessionId, now)).toMatchObject({ idle_ends_at: null });
});

test('the rows that were read and the rows in the database are judged alike', async () => {
  const times = [-1, 0, 1];
  for (const expires of times) {
    for (const idle of [null, 300]) {
      for (const used of times) {
        const row = {
          ended_at: null,
          expires_at: seconds(300 + expires),
          last_used_at: seconds(used),
          idle_seconds: idle,
        };
        const id = await begun({ expiresAt: row.expires_at, idleSeconds: idle });
        await database.db
          .updateTable('login_sessions')
          .set({ last_used_at: row.last_used_at })
          .where('id', '=', id)
          .execute();
        const inDatabase = (await endedAmong(database.db, [id], seconds(300))).length === 0;
        expect([row, inDatabase]).toEqual([row, isLive(row, seconds(300))]);
        expect(endOf(row) > seconds(300)).toBe(inDatabase);
      }
    }
  }
});
