import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { reportingPool } from '../../src/database/reporting-pool.ts';
import type { Tables } from '../../src/database/rows.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import {
  certificatesOf,
  domain,
  heldInMemory,
  memorySigner,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

/** Looks at every statement: `before` may break the connection, `after` may lose the answer. */
interface Fault {
  before?(statement: string, number: number, processId: number): Promise<void>;
  after?(statement: string): void;
}

describe.skipIf(!hasPostgres)('[abuse 133] the database is lost', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let pool: pg.Pool;
  let fault: Fault = {};
  let signed = 0;
  let statements: string[] = [];
  let faulty: Awaited<ReturnType<typeof createCertificateAuthority>>;

  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    pool = new pg.Pool({ connectionString: database.url ?? '', max: 1 });
    pool.on('error', () => {});
    pool.on('connect', (client) => {
      client.on('error', () => {});
      watchStatements(client);
    });
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reportingPool(pool) }) });
    const { sign, ...named } = memorySigner(sample.userKey);
    faulty = await createCertificateAuthority({
      database: { ...database, db } satisfies DatabaseHandle,
      ...heldInMemory({
        user: {
          ...named,
          sign: (bytes) => {
            signed += 1;
            return sign(bytes);
          },
        },
        host: sample.hostSigner,
      }),
      // Only what issuing says to the database is looked at.
      pollMilliseconds: 2 ** 30,
      domain,
      clock: () => startTime,
    });
  });
  afterAll(async () => {
    await pool.end();
    await database.close();
  });

  function watchStatements(client: pg.PoolClient): void {
    const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
    const processId = (client as unknown as { processID: number }).processID;
    client.query = (async (statement: string, ...parameters: unknown[]) => {
      statements.push(statement);
      await fault.before?.(statement, statements.length, processId);
      const answer = await query(statement, ...parameters);
      fault.after?.(statement);
      return answer;
    }) as typeof client.query;
  }

  async function disconnect(processId: number): Promise<void> {
    const admin = new pg.Client({ connectionString: database.url ?? '' });
    await admin.connect();
    await admin.query('select pg_terminate_backend($1, 5000)', [processId]);
    await admin.end();
  }

  async function asked() {
    const { sessionId } = await sample.login((await alice).accountId);
    return { sessionId, request: await requestFor(sample.authority, sessionId) };
  }
  let alice: ReturnType<SampleAuthority['person']>;
  beforeAll(() => {
    alice = sample.person('alice');
  });

  /** Issues with this fault in force; what the signer did before does not count. */
  async function issueWith(nextFault: Fault, asking: Awaited<ReturnType<typeof asked>>) {
    statements = [];
    signed = 0;
    fault = nextFault;
    try {
      return await faulty.issueUserCertificate(asking);
    } finally {
      fault = {};
    }
  }

  test('before any one statement of issuing: nothing is stored, signed or returned, and the next try works', async () => {
    await issueWith({}, await asked());
    const all = [...statements];
    const commit = all.indexOf('commit');
    expect(all[0]).toMatch(/^(begin|start transaction)/);
    expect(all.filter((statement) => statement.startsWith('insert into "certificates"'))).toHaveLength(1);
    expect(commit).toBe(all.length - 1);

    for (let number = 1; number <= all.length; number += 1) {
      const asking = await asked();
      const before = async (_: string, at: number, processId: number) => {
        if (at === number) await disconnect(processId);
      };
      expect(await refusalCode(issueWith({ before }, asking)), all[number - 1]).toBe('database_unavailable');
      expect(await certificatesOf(database, asking.sessionId), all[number - 1]).toBe(0);
      expect(signed).toBe(0);
      expect((await issueWith({}, asking)).account).toBe('alice@example.com');
    }
  });

  test('after the commit, whose answer is lost: nothing is returned, and the request sent again gets what was stored', async () => {
    const asking = await asked();
    const after = (statement: string) => {
      if (statement === 'commit') throw new Error('Connection terminated unexpectedly');
    };
    expect(await refusalCode(issueWith({ after }, asking))).toBe('database_unavailable');
    expect(signed).toBe(0);
    const { serial } = await database.db
      .selectFrom('certificates')
      .select('serial')
      .where('session_id', '=', asking.sessionId)
      .executeTakeFirstOrThrow();

    const first = await issueWith({}, asking);
    expect(first.serial).toBe(serial);
    expect(parseCertificateLine(first.certificate).serial).toBe(BigInt(serial));
    expect(await sample.authority.issueUserCertificate(asking)).toEqual(first);
    expect(await certificatesOf(database, asking.sessionId)).toBe(1);
  });

  test('after any one statement, whose answer is lost: nothing is returned, and the next try gives one certificate', async () => {
    await issueWith({}, await asked());
    const all = [...statements];
    for (let number = 1; number <= all.length; number += 1) {
      const asking = await asked();
      let at = 0;
      const after = () => {
        at += 1;
        if (at === number) throw new Error('Connection terminated unexpectedly');
      };
      expect(await refusalCode(issueWith({ after }, asking)), all[number - 1]).toBe('database_unavailable');
      expect(signed).toBe(0);
      // Only the commit can have come about; then what it stored is what the next try signs.
      const stored = await certificatesOf(database, asking.sessionId);
      expect(stored, all[number - 1]).toBe(number === all.length ? 1 : 0);
      await issueWith({}, asking);
      expect(await certificatesOf(database, asking.sessionId)).toBe(1);
    }
  });

  test('while three share a transaction, before or after any of its statements: each is tried again and has one certificate', async () => {
    // A group has the statements that one alone has.
    await issueWith({}, await asked());
    const size = statements.length;
    for (let number = 1; number <= size; number += 1) {
      for (const when of ['before', 'after'] as const) {
        const [first, ...group] = [await asked(), await asked(), await asked(), await asked()];
        if (first === undefined) throw new Error('there is none');
        // The first goes alone; with its commit the others' transaction begins.
        let at = -1;
        const lost = new Error('Connection terminated unexpectedly');
        fault = {
          before: async (statement, _, processId) => {
            if (at >= 0) at += 1;
            if (at === number && when === 'before') await disconnect(processId);
            if (statement === 'commit' && at < 0) at = 0;
          },
          after: () => {
            if (at === number && when === 'after') throw lost;
          },
        };
        statements = [];
        const replies = await Promise.all([first, ...group].map((one) => faulty.issueUserCertificate(one)));
        fault = {};
        // The first's, the group's, and one for each that was tried again.
        expect(
          statements.filter((statement) => /^start/.test(statement)),
          `${when} ${number}`,
        ).toHaveLength(5);
        for (const [index, { sessionId }] of [first, ...group].entries()) {
          expect(await certificatesOf(database, sessionId)).toBe(1);
          expect(parseCertificateLine(replies[index]?.certificate ?? '').keyId).toContain(sessionId);
        }
      }
    }
  });

  test('before anything: no challenge, no certificate and no revocation list', async () => {
    const asking = await asked();
    const before = async (_: string, __: number, processId: number) => disconnect(processId);
    fault = { before };
    try {
      expect(await refusalCode(faulty.createChallenge(asking.sessionId))).toBe('database_unavailable');
      expect(await refusalCode(faulty.issueUserCertificate(asking))).toBe('database_unavailable');
      expect(await refusalCode(faulty.currentKrl())).toBe('database_unavailable');
    } finally {
      fault = {};
    }
  });
});
