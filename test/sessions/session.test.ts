import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { newToken, tokenHash } from '../../src/secrets/token.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { endedAmong, endedSessions } from '../../src/sessions/ended-sessions.ts';
import { sessionByCookie, sessionByGrant } from '../../src/sessions/find-session.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { touchSession } from '../../src/sessions/touch-session.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, issuer, type Shop } from '../inventory/shop.ts';
import { startedSession } from './login.ts';

const now = new Date('2026-06-01T12:00:00.900Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);
const stranger = '00000000-0000-4000-8000-000000000000';

let database: FreshDatabase;
let shop: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
});
afterAll(() => database.close());

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);
const start = (more: Parameters<typeof startedSession>[3] = {}) =>
  write((tx) => startedSession(tx, shop.accountId, now, more));
const end = (sessionId: string, at = now) =>
  write((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'admin@example.com' }, at));

describe('a live session', () => {
  test('is locked with the facts of its login, times rounded down', async () => {
    const sessionId = await start({ acr: 'urn:example:mfa', expiresAt: seconds(60) });
    for (const lock of ['share', 'update'] as const) {
      expect(await write((tx) => lockLiveSession(tx, sessionId, lock, now))).toEqual({
        sessionId,
        accountId: shop.accountId,
        kind: 'helper',
        issuer,
        providerSlug: null,
        subject: null,
        dpopJkt: null,
        credentialId: null,
        facts: {
          id: sessionId,
          mode: 'interactive',
          ended: false,
          roleLimit: null,
          expiresAtSeconds: Math.floor(seconds(60).getTime() / 1000),
          assurance: {
            amr: ['pwd', 'otp'],
            acr: 'urn:example:mfa',
            authTimeSeconds: Math.floor(now.getTime() / 1000),
            mfa: true,
            mfaBy: 'provider',
            mfaMethods: ['pwd', 'otp'],
            mfaTimeSeconds: Math.floor(now.getTime() / 1000),
          },
        },
      });
    }
  });

  test('is not one that has ended, has expired, or never was', async () => {
    const ended = await start();
    await end(ended);
    const expired = await start({ expiresAt: seconds(60) });
    for (const [sessionId, at] of [
      [ended, now],
      [expired, seconds(60)],
      [stranger, now],
      ['not a uuid', now],
      ['', now],
    ] as const) {
      const lock = write((tx) => lockLiveSession(tx, sessionId, 'share', at));
      await expect(lock).rejects.toMatchObject({
        code: 'session_ended',
        message: expect.stringContaining('sally login'),
      });
    }
  });

  test('of a browser is found by its cookie while it lives', async () => {
    const cookie = newToken('browser');
    const sessionId = await start({ kind: 'browser', cookieHash: tokenHash(cookie), expiresAt: seconds(60) });
    expect(await sessionByCookie(database.db, cookie, now)).toMatchObject({ sessionId, kind: 'browser' });
    expect(await sessionByCookie(database.db, `${cookie}A`, now)).toBeUndefined();
    expect(await sessionByCookie(database.db, '', now)).toBeUndefined();
    expect(await sessionByCookie(database.db, cookie, seconds(60))).toBeUndefined();
    await end(sessionId);
    expect(await sessionByCookie(database.db, cookie, now)).toBeUndefined();
  });

  test('of a helper is found by its grant, and says when it has ended', async () => {
    const sessionId = await start({ grantId: 'grant-1' });
    expect(await sessionByGrant(database.db, 'grant-1')).toMatchObject({
      sessionId,
      facts: { ended: false },
    });
    await end(sessionId);
    expect(await sessionByGrant(database.db, 'grant-1')).toMatchObject({ sessionId, facts: { ended: true } });
    expect(await sessionByGrant(database.db, 'grant-2')).toBeUndefined();
  });

  test('two sessions of one grant or one cookie are impossible', async () => {
    await start({ grantId: 'grant-3' });
    await expect(start({ grantId: 'grant-3' })).rejects.toMatchObject({ code: '23505' });
  });

  test('notes its use at most once a minute', async () => {
    const sessionId = await start();
    const lastUsed = async () =>
      (
        await database.db
          .selectFrom('login_sessions')
          .select('last_used_at')
          .where('id', '=', sessionId)
          .executeTakeFirstOrThrow()
      ).last_used_at;
    await write((tx) => touchSession(tx, sessionId, seconds(59)));
    expect(await lastUsed()).toEqual(now);
    await write((tx) => touchSession(tx, sessionId, seconds(61)));
    expect(await lastUsed()).toEqual(seconds(61));
  });
});

test('what a client says of itself is cut to printable ASCII', async () => {
  const sessionId = await start({
    clientName: `lap\u001b[2Jtop\u202e${'x'.repeat(300)}`,
    clientAddress: null,
  });
  const row = await database.db
    .selectFrom('login_sessions')
    .select(['client_name', 'client_address'])
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  expect(row.client_name).toMatch(/^lap\?\[2Jtop\?x{189}$/);
  expect(row.client_address).toBeNull();
});

test('a session of nobody is refused', async () => {
  await expect(write((tx) => startedSession(tx, stranger, now))).rejects.toMatchObject({ code: 'not_found' });
});

describe('ended sessions', () => {
  test('are listed from a time on, the oldest first', async () => {
    const [early, middle, late] = [await start(), await start(), await start()];
    await end(late, seconds(1003));
    await end(early, seconds(1001));
    await end(middle, seconds(1002));
    expect(await endedSessions(database.db, seconds(1002))).toEqual([middle, late]);
  });

  test('among others are those that ended, are unknown or, with a time, expired', async () => {
    const [live, ended, expired] = [await start(), await start(), await start({ expiresAt: seconds(10) })];
    await end(ended);
    const asked = [live, ended, expired, stranger, 'not a uuid', live];
    expect(await endedAmong(database.db, asked)).toEqual([ended, stranger, 'not a uuid']);
    expect(await endedAmong(database.db, asked, seconds(10))).toEqual([
      ended,
      expired,
      stranger,
      'not a uuid',
    ]);
    expect(await endedAmong(database.db, [])).toEqual([]);
  });
});

test('no session begins for an account that was disabled since its identity was looked up', async () => {
  const leaver = await inTransaction(database.db, (tx) =>
    createShop(tx, now, { organization: 'left', domain: 'left.example', project: 'left', gateway: 'left' }),
  );
  await write((tx) => disableAccount(tx, { accountId: leaver.accountId, by: 'admin@left.example' }, now));
  await expect(write((tx) => startedSession(tx, leaver.accountId, now))).rejects.toMatchObject({
    code: 'login_rejected',
  });
});
