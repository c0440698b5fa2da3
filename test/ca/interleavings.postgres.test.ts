import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateReply } from '../../src/api/certificates.ts';
import {
  createUserCertificateIssuer,
  type UserCertificateIssuer,
} from '../../src/ca/issue-user-certificate.ts';
import type { CaKey, CaKeys } from '../../src/ca/issuing.ts';
import type { Database } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import { pruneRevokedSerials } from '../../src/revocation/revoked-serials.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { type Interleavings, interleavingsOn, type Run } from './interleavings.ts';
import {
  domain,
  memorySigner,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

describe.skipIf(!hasPostgres)('in every order that the statements can come in', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let orders: Interleavings;
  let accountId: string;
  let key: CaKey;
  let first: { db: Database; issue: UserCertificateIssuer };
  let second: { db: Database; issue: UserCertificateIssuer };
  let other: Database;

  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    accountId = (await sample.person('alice')).accountId;
    orders = interleavingsOn(database.url ?? '');
    const { id, generation } = await database.db
      .selectFrom('ca_keys')
      .select(['id', 'generation'])
      .where('purpose', '=', 'user')
      .executeTakeFirstOrThrow();
    const signer = memorySigner(sample.userKey);
    key = { id, purpose: 'user', generation, publicKey: signer.publicKey, signer };
    first = issuerOn('first');
    second = issuerOn('second');
    other = orders.replica('other', 1).db;
  });
  afterAll(async () => {
    await orders.close();
    await sample.authority.close();
    await database.close();
  });

  /** A server process of its own. Signing reads and writes nothing of the database: when it comes does not matter. */
  function issuerOn(name: string, rewrite?: (statement: string) => string) {
    const { db } = orders.replica(name, 3, rewrite);
    const keys: CaKeys = {
      active: () => key,
      byId: (id) => (id === key.id ? key : undefined),
      vouching: () => [],
      refresh: async () => {},
    };
    return { db, issue: createUserCertificateIssuer({ db, domain, clock: () => startTime, keys }) };
  }

  async function asking() {
    const { sessionId } = await sample.login(accountId);
    return { sessionId, request: await requestFor(sample.authority, sessionId) };
  }

  function end(sessionId: string, db = other) {
    return inTransaction(db, (tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime));
  }

  /** What must hold of these sessions whatever came first; returns the certificates that got out. */
  async function consistent(
    sessionIds: readonly string[],
    results: readonly PromiseSettledResult<unknown>[],
  ): Promise<CertificateReply[]> {
    for (const result of results) {
      if (result.status === 'rejected' && !isSallyportError(result.reason)) throw result.reason;
    }
    const rows = await database.db
      .selectFrom('certificates')
      .innerJoin('login_sessions', 'login_sessions.id', 'certificates.session_id')
      .leftJoin('revoked_serials', 'revoked_serials.serial', 'certificates.serial')
      .select(['certificates.serial', 'certificates.request_id', 'certificates.to_be_signed'])
      .select(['certificates.session_id', 'login_sessions.ended_at', 'revoked_serials.serial as revoked'])
      .select((row) =>
        row
          .selectFrom('audit_events')
          .select((count) => count.fn.countAll<string>().as('events'))
          .where('event', '=', 'certificate.issued')
          .where(sql`facts ->> 'serial'`, '=', sql`certificates.serial::text`)
          .as('events'),
      )
      .where('certificates.session_id', 'in', sessionIds)
      .execute();
    for (const row of rows) {
      // Stored, signed or not: whoever ended the session has revoked it.
      if (row.ended_at !== null) expect(row.revoked).toBe(row.serial);
      expect(row.events).toBe('1');
    }
    expect(new Set(rows.map((row) => row.request_id)).size).toBe(rows.length);

    const replies = results.flatMap((result) =>
      result.status === 'fulfilled' && isReply(result.value) ? [result.value] : [],
    );
    for (const { certificate, serial } of replies) {
      const stored = rows.find((row) => row.serial === serial);
      expect(stored?.to_be_signed).toEqual(parseCertificateLine(certificate).toBeSigned);
    }
    return replies;
  }

  function isReply(value: unknown): value is CertificateReply {
    return typeof value === 'object' && value !== null && 'certificate' in value;
  }

  const codes = (results: readonly PromiseSettledResult<unknown>[]) =>
    results.flatMap((result) =>
      result.status === 'rejected' && isSallyportError(result.reason) ? [result.reason.code] : [],
    );

  /** How many orders there were, in the log and for whoever wonders what "every" means. */
  async function everyOrder(begin: () => Promise<Run>): Promise<number> {
    const count = await orders.all(begin);
    console.log(`${expect.getState().currentTestName}: ${count} orders`);
    return count;
  }

  async function issueAndEnd(issue = first.issue, db = other): Promise<Run> {
    const asked = await asking();
    return {
      actors: [() => issue(asked), () => end(asked.sessionId, db)],
      check: async (results) => {
        await consistent([asked.sessionId], results);
        expect(results[1]?.status).toBe('fulfilled');
        if (results[0]?.status === 'rejected') expect(codes(results)).toEqual(['session_ended']);
      },
    };
  }

  test('issuing and the end of its session: no serial is missed', async () => {
    expect(await everyOrder(() => issueAndEnd())).toBeGreaterThan(50);
  });

  test('if issuing did not lock the session, one of the orders would miss a serial, and be found', async () => {
    const careless = issuerOn('careless', (statement) => statement.replace(/ for no key update.*$/, ''));
    const attempt = orders.all(() => issueAndEnd(careless.issue));
    await expect(attempt).rejects.toThrow(/expected null to be '\d+'/);
  });

  test('if ending did not lock the session, one of the orders would miss a serial, and be found', async () => {
    const careless = orders.replica('careless_end', 1, (statement) =>
      statement.replace(/ for update.*$/, ''),
    );
    const attempt = orders.all(() => issueAndEnd(first.issue, careless.db));
    await expect(attempt).rejects.toThrow(/expected null to be '\d+'/);
  });

  test('the same request at two replicas: one certificate, byte for byte', async () => {
    const run = async (): Promise<Run> => {
      const asked = await asking();
      return {
        actors: [() => first.issue(asked), () => second.issue(asked)],
        check: async (results) => {
          const replies = await consistent([asked.sessionId], results);
          expect(replies).toHaveLength(2);
          expect(replies[0]).toEqual(replies[1]);
        },
      };
    };
    expect(await everyOrder(run)).toBeGreaterThan(200);
  });

  test('issuing while the revocation list forgets what is over: what is in force stays on it', async () => {
    const run = async (): Promise<Run> => {
      const ended = await asking();
      const { serial } = await sample.authority.issueUserCertificate(ended);
      await end(ended.sessionId, database.db);
      const old = `${BigInt(serial) + 1n}`;
      await database.db
        .insertInto('revoked_serials')
        .values({ serial: old, ca_key_id: key.id, version: 1n, valid_before: new Date(0), reason: 'test' })
        .execute();
      const asked = await asking();
      return {
        actors: [
          () => first.issue(asked),
          () => inTransaction(other, (tx) => pruneRevokedSerials(tx, startTime)),
        ],
        check: async (results) => {
          expect(results[1]).toEqual({ status: 'fulfilled', value: 1 });
          expect(await consistent([ended.sessionId, asked.sessionId], results)).toHaveLength(1);
        },
      };
    };
    expect(await everyOrder(run)).toBeGreaterThan(50);
  });

  // The most orders of all; on a busy machine they take longer than other tests may.
  const patience = { timeout: 240_000 };
  test(
    'a group of two while the session of one ends: the other has its certificate, and no serial is missed',
    patience,
    async () => {
      const run = async (): Promise<Run> => {
        const [plug, one, two] = [await asking(), await asking(), await asking()];
        return {
          // The first goes alone; the two that come while it is under way share a transaction.
          freeUntilCommit: 'first',
          actors: [
            () => first.issue(plug),
            () => first.issue(one),
            () => first.issue(two),
            () => end(one.sessionId),
          ],
          check: async (results) => {
            await consistent([plug.sessionId, one.sessionId, two.sessionId], results);
            expect(results.map(({ status }) => status).toSpliced(1, 1)).toEqual(Array(3).fill('fulfilled'));
            if (results[1]?.status === 'rejected') expect(codes(results)).toEqual(['session_ended']);
          },
        };
      };
      expect(await everyOrder(run)).toBeGreaterThan(200);
    },
  );
});
