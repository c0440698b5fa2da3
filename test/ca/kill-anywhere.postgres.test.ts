import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateReply } from '../../src/api/certificates.ts';
import {
  createUserCertificateIssuer,
  type UserCertificateRequest,
} from '../../src/ca/issue-user-certificate.ts';
import type { CaKey, CaKeys, Issuing } from '../../src/ca/issuing.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { mortalServer } from './mortal-server.ts';
import {
  domain,
  memorySigner,
  refusalCode,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

const deaths = 1_000;
/** Points at which a server of these tests touches the world in its life, at most. */
const longestLife = 84;

describe.skipIf(!hasPostgres)('servers that are killed anywhere', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let key: CaKey;
  let accountId: string;
  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    accountId = (await sample.person('alice')).accountId;
    const { id, generation } = await database.db
      .selectFrom('ca_keys')
      .select(['id', 'generation'])
      .where('purpose', '=', 'user')
      .executeTakeFirstOrThrow();
    const signer = memorySigner(sample.userKey);
    key = { id, purpose: 'user', generation, publicKey: signer.publicKey, signer };
  });
  afterAll(async () => {
    await sample.authority.close();
    await database.close();
  });

  /** What one client asks for, and every answer that it got. */
  interface Asked extends UserCertificateRequest {
    readonly replies: CertificateReply[];
  }

  function issuingOn(server: ReturnType<typeof mortalServer>): Issuing {
    const sign = async (bytes: Uint8Array) => {
      await server.passes();
      const signature = await key.signer.sign(bytes);
      await server.passes();
      return signature;
    };
    const held: CaKey = { ...key, signer: { ...key.signer, sign } };
    const keys: CaKeys = {
      active: () => held,
      byId: () => held,
      vouching: () => [],
      refresh: async () => {},
    };
    return { db: server.db, domain, clock: () => startTime, keys };
  }

  test('[abuse 140] at 1,000 random points: no certificate without its record, none twice, none missed', async () => {
    const random = numbersFrom(140);
    const sessions: string[] = [];
    const unanswered: Asked[] = [];
    const answered: Asked[] = [];
    let left = deaths;

    /** One machine: a server, clients that ask it and an admin; when it dies the next one is started. */
    async function machine(): Promise<void> {
      while (left > 0) {
        left -= 1;
        const server = mortalServer(database.url ?? '', 1 + Math.floor(random() * longestLife));
        const issue = createUserCertificateIssuer(issuingOn(server));
        while (!server.isDead) {
          // Those who heard nothing ask again; others are new.
          const clients = unanswered.splice(0, Math.floor(random() * 4));
          while (clients.length < 3) clients.push(await newcomer());
          const ended = random() < 0.3 ? sessions[Math.floor(random() * sessions.length)] : undefined;
          const work = [
            ...clients.map(async (client) => {
              const reply = await issue(client).catch(() => undefined);
              await server.passes();
              if (reply) client.replies.push(reply);
            }),
            ended && end(server.db, ended),
          ];
          await Promise.race([Promise.allSettled(work), server.death]);
          for (const client of clients) (client.replies.length > 0 ? answered : unanswered).push(client);
        }
      }
    }

    async function newcomer(): Promise<Asked> {
      if (sessions.length < 10 || random() < 0.2) sessions.push((await sample.login(accountId)).sessionId);
      const live = sessions.slice(-10);
      const sessionId = live[Math.floor(random() * live.length)] ?? '';
      const request = await requestFor(sample.authority, sessionId).catch(async () => {
        // Ended meanwhile; its successor is not.
        sessions.push((await sample.login(accountId)).sessionId);
        return undefined;
      });
      return request ? { sessionId, request, replies: [] } : await newcomer();
    }

    await Promise.all([machine(), machine()]);
    await nothingOpen();

    const endedSessions = new Set(
      (
        await database.db
          .selectFrom('login_sessions')
          .select('id')
          .where('ended_at', 'is not', null)
          .execute()
      ).map(({ id }) => id),
    );
    expect(endedSessions.size).toBeGreaterThan(deaths / 50);
    // Many died where it matters most: with the certificate stored, and before its requester had it.
    expect(await certificatesFor(unanswered)).toBeGreaterThan(deaths / 20);
    // Whoever was never answered asks once more, and some that were.
    const askers = [...unanswered, ...answered.slice(-200)];
    while (askers.length > 0)
      await Promise.all(askers.splice(0, 50).map((client) => askAgain(client, endedSessions)));
    await consistent([...unanswered, ...answered], endedSessions);
  }, 180_000);

  async function askAgain(client: Asked, endedSessions: ReadonlySet<string>): Promise<void> {
    const again = sample.authority.issueUserCertificate(client);
    if (endedSessions.has(client.sessionId)) expect(await refusalCode(again)).toBe('session_ended');
    else client.replies.push(await again);
  }

  async function certificatesFor(clients: readonly Asked[]): Promise<number> {
    const rows = await database.db.selectFrom('certificates').select('request_id').execute();
    const stored = new Set(rows.map((row) => row.request_id));
    return clients.filter(({ request }) => stored.has(request.request_id)).length;
  }

  async function end(db: FreshDatabase['db'], sessionId: string): Promise<void> {
    await inTransaction(db, (tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime));
  }

  /** Postgres finds out that a client is gone when it next hears nothing from it. */
  async function nothingOpen(): Promise<void> {
    for (;;) {
      const { rows } = await sql`
        select from pg_stat_activity
        where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
      `.execute(database.db);
      if (rows.length === 0) return;
    }
  }

  async function consistent(clients: readonly Asked[], endedSessions: ReadonlySet<string>): Promise<void> {
    const rows = await database.db
      .selectFrom('certificates')
      .leftJoin('revoked_serials', 'revoked_serials.serial', 'certificates.serial')
      .select(['certificates.serial', 'session_id', 'request_id', 'to_be_signed'])
      .select('revoked_serials.serial as revoked')
      .where('kind', '=', 'user')
      .execute();
    const bySerial = new Map(rows.map((row) => [row.serial, row]));
    const byRequest = new Map(rows.map((row) => [`${row.session_id} ${row.request_id}`, row]));
    expect(byRequest.size).toBe(rows.length);

    let got = 0;
    for (const { sessionId, request, replies } of clients) {
      for (const { certificate, serial } of replies) {
        got += 1;
        expect(byRequest.get(`${sessionId} ${request.request_id}`)?.serial).toBe(serial);
        expect(bySerial.get(serial)?.to_be_signed.equals(parseCertificateLine(certificate).toBeSigned)).toBe(
          true,
        );
      }
    }
    expect(got).toBeGreaterThan(deaths / 2);

    // Every certificate of an ended session is revoked, handed out or not; no other is.
    for (const row of rows) expect(row.revoked !== null).toBe(endedSessions.has(row.session_id ?? ''));

    const issued = await serialsIn('certificate.issued');
    expect(issued.filter((serial) => bySerial.has(serial)).toSorted()).toEqual(
      [...bySerial.keys()].toSorted(),
    );
    const ends = await database.db
      .selectFrom('audit_events')
      .select('session_id')
      .where('event', '=', 'session.ended')
      .execute();
    expect(ends.map((row) => row.session_id).toSorted()).toEqual([...endedSessions].toSorted());
    const { used } = await database.db
      .selectFrom('possession_challenges')
      .select((row) => row.fn.count<string>('used_at').as('used'))
      .executeTakeFirstOrThrow();
    expect(Number(used)).toBe(rows.length);
  }

  async function serialsIn(event: string): Promise<string[]> {
    const { rows } = await sql<{ serial: string }>`
      select facts ->> 'serial' as serial from audit_events
      where event = ${event} and facts ->> 'kind' = 'user'
    `.execute(database.db);
    return rows.map(({ serial }) => serial);
  }
});

/** Numbers from 0 to below 1 that are the same in every run (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
