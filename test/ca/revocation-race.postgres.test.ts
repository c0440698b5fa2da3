import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import {
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

describe.skipIf(!hasPostgres)('a session that is ended while a certificate is being issued', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
  });
  afterAll(() => database.close());

  function end(sessionId: string) {
    return inTransaction(database.db, (tx) =>
      endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
    );
  }

  /** Statements of this database that wait for a lock. */
  async function waiting(): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::integer as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `.execute(database.db);
    return rows[0]?.count ?? 0;
  }

  /** Postgres tells nobody when a statement begins to wait, so this asks again. */
  async function until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await wait(5);
  }

  test('does not miss it: the end waits for the certificate and revokes it', async () => {
    const { sessionId } = await sample.person('alice');
    const request = await requestFor(sample.authority, sessionId);
    let ended = false;
    const [issuing, ending] = await inTransaction(database.db, async (tx) => {
      // Stops issuing between its look at the session and the storing of the certificate.
      await sql`lock table certificates in share mode`.execute(tx);
      const issuing = sample.authority.issueUserCertificate({ sessionId, request });
      await until(async () => (await waiting()) === 1);
      const ending = end(sessionId).finally(() => {
        ended = true;
      });
      await until(async () => ended || (await waiting()) === 2);
      return [[issuing], [ending]] as const;
    });
    const { serial } = await issuing[0];
    expect((await ending[0]).certificatesRevoked).toBe(1);
    const krl = parseKrl((await sample.authority.currentKrl()).data);
    expect(isRevoked(krl, sample.userKey.publicKeyBlob, BigInt(serial))).toBe(true);
  });

  test('is not certified once the end has begun', async () => {
    const { sessionId } = await sample.person('bob');
    const request = await requestFor(sample.authority, sessionId);
    const [issuing] = await inTransaction(database.db, async (tx) => {
      await endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime);
      const issuing = refusalCode(sample.authority.issueUserCertificate({ sessionId, request }));
      await until(async () => (await waiting()) === 1);
      return [issuing] as const;
    });
    expect(await issuing).toBe('session_ended');
  });
});
