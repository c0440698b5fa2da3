import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import {
  endSessionsBefore,
  endSessionsOfAccount,
  endSessionsOfCredential,
  endSessionsOfUpstream,
} from '../../src/sessions/end-sessions.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, issuer, type Shop } from '../inventory/shop.ts';
import { createCaKey, startedSession, storeCertificate } from './login.ts';

const start = new Date('2026-06-01T12:00:00Z');
const seconds = (count: number) => new Date(start.getTime() + count * 1000);
const by = 'admin@example.com';

let database: FreshDatabase;
let shop: Shop;
let other: Shop;
let caKeyId: string;
beforeAll(async () => {
  database = await freshDatabase();
  await inTransaction(database.db, async (tx) => {
    shop = await createShop(tx, start);
    other = await createShop(tx, start, {
      organization: 'other',
      domain: 'other.example',
      project: 'elsewhere',
      gateway: 'other-gate',
    });
    caKeyId = await createCaKey(tx);
  });
});
afterAll(() => database.close());
beforeEach(() =>
  database.db
    .updateTable('login_sessions')
    .set({ ended_at: start, ended_reason: 'revoked', ended_by: by, ended_version: 1n })
    .where('ended_at', 'is', null)
    .execute(),
);

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);
const begun = (more: Parameters<typeof startedSession>[3] = {}, at = start, accountId = shop.accountId) =>
  write((tx) => startedSession(tx, accountId, at, more));
const live = async () =>
  (await database.db.selectFrom('login_sessions').select('id').where('ended_at', 'is', null).execute())
    .map(({ id }) => id)
    .sort();
const endedEvents = (sessionId: string) =>
  database.db
    .selectFrom('audit_events')
    .select(['organization_id', 'account_id', 'facts'])
    .where('event', '=', 'session.ended')
    .where('session_id', '=', sessionId)
    .execute();

describe('all sessions of an account', () => {
  test('end in one version, each with its certificates and one event; nobody else’s do', async () => {
    const first = await begun({ grantId: 'first' });
    const second = await begun({ kind: 'browser' });
    const stranger = await begun({}, start, other.accountId);
    const serials = await write(async (tx) => {
      for (const sessionId of [first, second]) {
        await tx.insertInto('upstream_grants').values({ session_id: sessionId, checked_at: start }).execute();
      }
      await tx
        .insertInto('oauth_records')
        .values({ model: 'RefreshToken', id: 'first', payload: '{}', grant_id: 'first' })
        .execute();
      return [
        await storeCertificate(tx, { caKeyId, sessionId: first, validBefore: seconds(3600) }),
        await storeCertificate(tx, { caKeyId, sessionId: first, validBefore: seconds(3600) }),
        await storeCertificate(tx, { caKeyId, sessionId: second, validBefore: seconds(3600) }),
      ];
    });
    const { accountId } = shop;
    const ended = await write((tx) => endSessionsOfAccount(tx, { accountId, by, reason: 'revoked' }, start));
    expect(ended).toMatchObject({ sessions: 2, certificatesRevoked: 3 });
    expect(await readStateVersion(database.db)).toEqual({
      version: ended.version,
      krlVersion: ended.version,
    });
    expect(await live()).toEqual([stranger]);
    const listed = (await revokedSerials(database.db)).map(({ serial }) => serial);
    expect(listed).toEqual(expect.arrayContaining(serials));
    const facts = { reason: 'revoked', by, version: `${ended.version}` };
    const whose = { organization_id: shop.organizationId, account_id: accountId };
    expect(await endedEvents(first)).toEqual([{ ...whose, facts: { ...facts, certificates_revoked: 2 } }]);
    expect(await endedEvents(second)).toEqual([{ ...whose, facts: { ...facts, certificates_revoked: 1 } }]);
    expect(await database.db.selectFrom('oauth_records').select('id').execute()).toEqual([]);
    expect(await database.db.selectFrom('upstream_grants').select('session_id').execute()).toEqual([]);
  });

  test('may leave one out, and past their time they end too, since connections may live', async () => {
    const kept = await begun();
    await begun({ expiresAt: seconds(1) });
    const { accountId } = shop;
    const ended = await write((tx) =>
      endSessionsOfAccount(tx, { accountId, except: kept, by, reason: 'logout' }, seconds(60)),
    );
    expect(ended.sessions).toBe(1);
    expect(await live()).toEqual([kept]);
  });

  test('that has none make no new version', async () => {
    const { version } = await readStateVersion(database.db);
    const { accountId } = shop;
    expect(
      await write((tx) => endSessionsOfAccount(tx, { accountId, by, reason: 'revoked' }, start)),
    ).toEqual({ version, sessions: 0, certificatesRevoked: 0 });
  });
});

test('everything that began before a moment ends, in this organization only', async () => {
  await begun({ kind: 'token' }, seconds(-1));
  await begun({}, seconds(-1));
  const later = await begun({}, start);
  const stranger = await begun({}, seconds(-1), other.accountId);
  const { organizationId } = shop;
  const ended = await write((tx) => endSessionsBefore(tx, { organizationId, before: start, by }, start));
  expect(ended.sessions).toBe(2);
  expect(await live()).toEqual([later, stranger].sort());
});

test('what a credential gave ends with it', async () => {
  const credentialId = crypto.randomUUID();
  await begun({ kind: 'token', credentialId });
  const kept = await begun({ kind: 'token', credentialId: crypto.randomUUID() });
  await write((tx) => endSessionsOfCredential(tx, { credentialId, by, reason: 'revoked' }, start));
  expect(await live()).toEqual([kept]);
});

describe('a logout at the identity provider', () => {
  const ended = (party: { subject: string | null; sid: string | null; kind?: 'browser' }) =>
    write((tx) =>
      endSessionsOfUpstream(
        tx,
        { within: { organization: 'acme' }, issuer, ...party, by: 'provider:default', reason: 'logout' },
        start,
      ),
    );

  test('of a session there ends ours of it, whoever they are, and no other’s', async () => {
    await begun({ subject: 'alice', upstreamSid: 'one' });
    await begun({ subject: 'alice', upstreamSid: 'one', kind: 'browser' });
    const kept = [
      await begun({ subject: 'alice', upstreamSid: 'two' }),
      await begun({ subject: 'alice', upstreamSid: 'one', issuer: 'https://another.example' }),
      await begun({ subject: 'alice', upstreamSid: 'one' }, start, other.accountId),
      await begun({ subject: 'alice' }),
    ];
    expect((await ended({ subject: null, sid: 'one' })).sessions).toBe(2);
    expect(await live()).toEqual(kept.sort());
  });

  test('of a session and a person ends those of the person that came without a session too', async () => {
    await begun({ subject: 'alice', upstreamSid: 'one' });
    await begun({ subject: 'alice' });
    const kept = [
      await begun({ subject: 'bob', upstreamSid: 'one' }),
      await begun({ subject: 'bob' }),
      await begun({ subject: 'alice', upstreamSid: 'two' }),
    ];
    expect((await ended({ subject: 'alice', sid: 'one' })).sessions).toBe(2);
    expect(await live()).toEqual(kept.sort());
  });

  test('of a person ends all of theirs', async () => {
    await begun({ subject: 'alice', upstreamSid: 'one' });
    await begun({ subject: 'alice' });
    const kept = [
      await begun({ subject: 'bob' }),
      await begun({ subject: 'alice', issuer: 'https://x.example' }),
    ];
    expect((await ended({ subject: 'alice', sid: null })).sessions).toBe(2);
    expect(await live()).toEqual(kept.sort());
  });

  test('may be about browser sessions only', async () => {
    await begun({ subject: 'alice', upstreamSid: 'one', kind: 'browser' });
    const kept = await begun({ subject: 'alice', upstreamSid: 'one' });
    await ended({ subject: null, sid: 'one', kind: 'browser' });
    expect(await live()).toEqual([kept]);
  });

  test('of nobody in particular is refused', async () => {
    await expect(ended({ subject: null, sid: null })).rejects.toThrow(TypeError);
  });
});
