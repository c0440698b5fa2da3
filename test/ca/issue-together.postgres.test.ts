import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UserCertificateRequest } from '../../src/ca/issue-user-certificate.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import {
  certificatesOf,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

describe.skipIf(!hasPostgres)('requests that come together', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let people = 0;
  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
  });
  afterAll(async () => {
    await sample.authority.close();
    await database.close();
  });

  async function asking(count: number): Promise<UserCertificateRequest[]> {
    const asked: UserCertificateRequest[] = [];
    for (let number = 0; number < count; number += 1) {
      people += 1;
      const { sessionId } = await sample.person(`person${people}`);
      asked.push({ sessionId, request: await requestFor(sample.authority, sessionId) });
    }
    return asked;
  }

  const issue = (asked: UserCertificateRequest) => sample.authority.issueUserCertificate(asked);

  /** The transactions that stored these sessions' certificates. */
  async function transactionsOf(asked: readonly UserCertificateRequest[]): Promise<string[]> {
    const rows = await database.db
      .selectFrom('certificates')
      .select(sql<string>`xmin::text`.as('transaction'))
      .where(
        'session_id',
        'in',
        asked.map(({ sessionId }) => sessionId),
      )
      .execute();
    return rows.map(({ transaction }) => transaction);
  }

  test('one goes at once, the 99 that come meanwhile share two commits; each has its own certificate', async () => {
    const asked = await asking(100);
    const replies = await Promise.all(asked.map(issue));
    expect(new Set(replies.map(({ serial }) => serial)).size).toBe(100);
    replies.forEach(({ certificate, account }, index) => {
      const { keyId, publicKey } = parseCertificateLine(certificate);
      expect(keyId).toBe(`${account}/${asked[index]?.sessionId}`);
      expect(asked[index]?.request.public_key).toContain(publicKey.toString('base64'));
    });
    const sizes = Object.values(Object.groupBy(await transactionsOf(asked), (transaction) => transaction));
    expect(sizes.map((group) => group?.length).sort()).toEqual([1, 35, 64]);
  });

  test('what is refused to one is refused to that one alone', async () => {
    const [first, ended, spent, stranger, good, shared, twin] = await asking(7);
    if (!first || !ended || !spent || !stranger || !good || !shared || !twin) throw new Error('too few');
    await inTransaction(database.db, (tx) =>
      endSession(tx, { sessionId: ended.sessionId, reason: 'revoked', by: 'test' }, startTime),
    );
    await database.db
      .updateTable('possession_challenges')
      .set({ used_at: startTime })
      .where('session_id', '=', spent.sessionId)
      .execute();
    const foreign = { sessionId: stranger.sessionId, request: good.request };
    // Two people with the same key: the second is refused as it would be a moment later.
    const key = generateEd25519();
    const mine = { ...shared, request: await requestFor(sample.authority, shared.sessionId, key) };
    const theirs = { ...twin, request: await requestFor(sample.authority, twin.sessionId, key) };

    const [, ...results] = await Promise.allSettled(
      [first, ended, spent, foreign, good, mine, theirs].map(issue),
    );
    expect(results.map((one) => (one.status === 'rejected' ? one.reason.code : 'issued'))).toEqual([
      'session_ended',
      'key_possession_unproven',
      'key_possession_unproven',
      'issued',
      'issued',
      'key_reserved',
    ]);
    expect(new Set(await transactionsOf([good, mine])).size).toBe(1);
  });

  test('a record that Postgres refuses to store fails its own request, and none beside it', async () => {
    const asked = await asking(5);
    const bad = asked[2]?.sessionId ?? '';
    await sql
      .raw(`alter table certificates add constraint bad check (session_id is distinct from '${bad}')`)
      .execute(database.db);
    const results = await Promise.allSettled(asked.map(issue));
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    for (const { sessionId } of asked) {
      expect(await certificatesOf(database, sessionId)).toBe(sessionId === bad ? 0 : 1);
    }
    await sql.raw('alter table certificates drop constraint bad').execute(database.db);
  });

  test('a session that somebody holds holds up nobody else, however often it asks', async () => {
    const [held, ...others] = await asking(12);
    if (!held) throw new Error('too few');
    const more = await Promise.all(
      Array.from({ length: 30 }, () => requestFor(sample.authority, held.sessionId)),
    );
    const { waiting } = await inTransaction(database.db, async (tx) => {
      await sql`select from login_sessions where id = ${held.sessionId} for update`.execute(tx);
      // In an object: the transaction would wait for promises that wait for it.
      const waiting = [held, ...more.map((request) => ({ ...held, request }))].map(issue);
      await lockAwaited(database.db);
      for (const other of others) expect((await issue(other)).serial).toMatch(/^\d+$/);
      return { waiting };
    });
    expect(await Promise.all(waiting)).toHaveLength(31);
  });

  test('one that waits for a session that is being ended finds it ended', async () => {
    const [one] = await asking(1);
    if (!one) throw new Error('too few');
    const { waiting } = await inTransaction(database.db, async (tx) => {
      await endSession(tx, { sessionId: one.sessionId, reason: 'revoked', by: 'test' }, startTime);
      const attempt = refusalCode(issue(one));
      await lockAwaited(database.db);
      return { waiting: attempt };
    });
    expect(await waiting).toBe('session_ended');
  });
});
