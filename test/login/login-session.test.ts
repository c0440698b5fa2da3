import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import {
  type RenewedLogin,
  renewLoginSession,
  type SessionLogin,
  startLoginSession,
} from '../../src/login/start-login-session.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, issuer, type Shop } from '../inventory/shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);
const sealer = createSealer([newSealingKey()]);

let database: FreshDatabase;
let shop: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
});
afterAll(() => database.close());
beforeEach(() => setPolicy({ session_max_seconds: 86_400, session_idle_seconds: null }));

const setPolicy = (policy: { session_max_seconds: number; session_idle_seconds: number | null }) =>
  database.db.updateTable('organizations').set(policy).where('id', '=', shop.organizationId).execute();
const loginOf = (more: Partial<SessionLogin> = {}): SessionLogin => ({
  provider: { slug: 'okta', name: 'Okta' },
  organizationSlug: 'acme',
  issuer,
  subject: 'alice of acme',
  accountName: 'alice@example.com',
  displayName: 'Alice',
  groups: ['developers'],
  amr: ['pwd'],
  acr: null,
  authTime: now,
  mfa: false,
  mfaBy: null,
  mfaMethods: [],
  mfaTime: null,
  upstreamSid: 'sid-1',
  refreshToken: 'a refresh token',
  startedAt: now,
  ...more,
});
const start = (
  kind: 'helper' | 'browser' = 'helper',
  more: Partial<Parameters<typeof startLoginSession>[2]> = {},
  at = now,
) =>
  inTransaction(database.db, (tx) =>
    startLoginSession(
      tx,
      { sealer },
      { login: loginOf(), kind, clientAddress: '192.0.2.7', clientName: 'laptop', dpopJkt: 'key', ...more },
      at,
    ),
  );
const renew = (renewed: Partial<RenewedLogin> & { sessionId: string }, at = seconds(60)) =>
  inTransaction(database.db, (tx) =>
    renewLoginSession(tx, { sealer }, { login: loginOf({ startedAt: at }), dpopJkt: 'key', ...renewed }, at),
  );
const row = (id: string) =>
  database.db.selectFrom('login_sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

describe('a session of a login', () => {
  test('is of the person’s account, names who vouched, and keeps what the provider gave', async () => {
    const login = loginOf({ mfaBy: 'passkey', mfaMethods: ['hwk', 'user', 'mfa'], mfaTime: seconds(-5) });
    const started = await start('helper', { login, grantId: 'grant' });
    expect(started).toEqual({
      sessionId: expect.any(String),
      accountId: shop.accountId,
      accountName: 'alice@example.com',
      organizationId: shop.organizationId,
      expiresAt: seconds(86_400),
    });
    expect(await row(started.sessionId)).toMatchObject({
      provider_slug: 'okta',
      subject: 'alice of acme',
      upstream_sid: 'sid-1',
      amr: ['pwd'],
      mfa: true,
      mfa_by: 'passkey',
      mfa_methods: ['hwk', 'user', 'mfa'],
      mfa_time: seconds(-5),
      dpop_jkt: 'key',
      grant_id: 'grant',
    });
    const grant = await database.db
      .selectFrom('upstream_grants')
      .selectAll()
      .where('session_id', '=', started.sessionId)
      .executeTakeFirstOrThrow();
    const context = `upstream_grants.refresh_token/${started.sessionId}`;
    expect(sealer.open(grant.refresh_token as Buffer, context)).toBe('a refresh token');
  });

  test('lives as long as the organization has it; in a browser at most eight hours', async () => {
    expect((await start('helper')).expiresAt).toEqual(seconds(86_400));
    expect((await start('browser')).expiresAt).toEqual(seconds(8 * 3_600));
    await setPolicy({ session_max_seconds: 1_800, session_idle_seconds: 600 });
    for (const kind of ['helper', 'browser'] as const) {
      const { sessionId, expiresAt } = await start(kind);
      expect(expiresAt).toEqual(seconds(1_800));
      expect((await row(sessionId)).idle_seconds).toBe(600);
    }
  });

  test('holds to the policy of its login until it is renewed, then to the new one', async () => {
    const { sessionId } = await start('helper');
    await setPolicy({ session_max_seconds: 1_800, session_idle_seconds: 600 });
    expect(await row(sessionId)).toMatchObject({ expires_at: seconds(86_400), idle_seconds: null });
    await renew({ sessionId });
    expect(await row(sessionId)).toMatchObject({ expires_at: seconds(1_860), idle_seconds: 600 });
  });
});

describe('a step-up', () => {
  test('goes on with the same session, a new login and a new grant; the old one’s tokens are gone', async () => {
    const { sessionId } = await start('helper', { grantId: 'old grant' });
    await database.db
      .insertInto('oauth_records')
      .values([
        { model: 'RefreshToken', id: 'old', payload: '{}', grant_id: 'old grant' },
        { model: 'RefreshToken', id: 'new', payload: '{}', grant_id: 'new grant' },
      ])
      .execute();
    const login = loginOf({
      mfa: true,
      mfaBy: 'provider',
      mfaMethods: ['mfa'],
      mfaTime: seconds(59),
      authTime: seconds(59),
      startedAt: seconds(30),
      upstreamSid: 'sid-2',
    });
    expect(await renew({ sessionId, login, grantId: 'new grant' })).toMatchObject({ sessionId });
    expect(await row(sessionId)).toMatchObject({
      grant_id: 'new grant',
      upstream_sid: 'sid-2',
      mfa_by: 'provider',
      mfa_time: seconds(59),
      expires_at: seconds(86_460),
      last_used_at: seconds(60),
    });
    const records = await database.db.selectFrom('oauth_records').select('id').execute();
    expect(records.map(({ id }) => id)).toEqual(['new']);
    const event = await database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'session.renewed')
      .where('session_id', '=', sessionId)
      .executeTakeFirstOrThrow();
    expect(event.facts).toMatchObject({ mfa: true, mfa_by: 'provider' });
  });

  test('in a browser changes the cookie: the old one is nobody’s', async () => {
    const [before, after] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const { sessionId } = await start('browser', { cookieHash: before });
    await renew({ sessionId, cookieHash: after });
    expect((await row(sessionId)).cookie_hash).toEqual(after);
  });

  test('[abuse 84] of a browser is not a login of sally: the old cookie would be good for the new second factor', async () => {
    const cookieHash = Buffer.alloc(32, 3);
    const { sessionId } = await start('browser', { cookieHash });
    const login = loginOf({ mfaBy: 'provider', mfaMethods: ['mfa'], mfaTime: seconds(59) });
    for (const change of [{ grantId: 'other grant' }, {}]) {
      await expect(renew({ sessionId, login, ...change })).rejects.toMatchObject({ code: 'forbidden' });
    }
    expect(await row(sessionId)).toMatchObject({ mfa_by: null, grant_id: null, cookie_hash: cookieHash });
    const helper = await start('helper');
    await expect(renew({ sessionId: helper.sessionId, cookieHash, login })).rejects.toMatchObject({
      code: 'forbidden',
    });
  });

  test('is only for the same person with the same key, while the session lives', async () => {
    const { sessionId } = await start('helper');
    const somebody = loginOf({ subject: 'bob', accountName: 'bob@example.com', startedAt: seconds(60) });
    await expect(renew({ sessionId, login: somebody })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(renew({ sessionId, dpopJkt: 'another key' })).rejects.toMatchObject({ code: 'forbidden' });
    const keyless = { login: loginOf({ startedAt: seconds(60) }), sessionId };
    await expect(
      inTransaction(database.db, (tx) => renewLoginSession(tx, { sealer }, keyless, seconds(60))),
    ).rejects.toMatchObject({ code: 'forbidden' });
    await expect(renew({ sessionId: crypto.randomUUID() })).rejects.toMatchObject({ code: 'session_ended' });
    await expect(renew({ sessionId: 'nonsense' })).rejects.toMatchObject({ code: 'session_ended' });
    await expect(renew({ sessionId }, seconds(86_400))).rejects.toMatchObject({ code: 'session_ended' });
    expect(await row(sessionId)).toMatchObject({ amr: ['pwd'], expires_at: seconds(86_400) });
    await inTransaction(database.db, (tx) =>
      endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, seconds(10)),
    );
    await expect(renew({ sessionId })).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('shows in what decisions are made from', async () => {
    const { sessionId } = await start('helper');
    const locked = () =>
      inTransaction(database.db, (tx) => lockLiveSession(tx, sessionId, 'share', seconds(60)));
    expect((await locked()).facts.assurance).toMatchObject({ mfa: false, mfaBy: null, mfaMethods: [] });
    const login = loginOf({
      mfaBy: 'passkey',
      mfaMethods: ['swk'],
      mfaTime: seconds(59),
      startedAt: seconds(30),
    });
    await renew({ sessionId, login });
    expect((await locked()).facts.assurance).toMatchObject({
      mfa: true,
      mfaBy: 'passkey',
      mfaMethods: ['swk'],
    });
  });
});
