/**
 * Certificates a second, and how long one takes, when 1, 8 and 64 requests are under way at once: with group commit and
 * without, beside the floor, which is one insert with its commit and nothing else for each request. The same private
 * Postgres for all, with its data on this machine's disk and fsync on. Needs Postgres.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createUserCertificateIssuer } from '../src/ca/issue-user-certificate.ts';
import type { CaKey, Issuing } from '../src/ca/issuing.ts';
import type { Database, DatabaseHandle } from '../src/database/database.ts';
import { migrateToLatest } from '../src/database/migrate.ts';
import { openPostgres } from '../src/database/open-postgres.ts';
import { tokenHash } from '../src/secrets/token.ts';
import { generateEd25519 } from '../src/ssh/openssh-private-key.ts';
import {
  domain,
  lineOf,
  memorySigner,
  provePossession,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from '../test/ca/sample-authority.ts';
import { postgresPrograms, startPostgresCluster } from '../test/database/postgres-cluster.ts';

/** How many at once, and how many in all. */
const loads = [
  { atOnce: 1, requests: 300 },
  { atOnce: 8, requests: 1_600 },
  { atOnce: 64, requests: 3_200 },
];

type Request = () => Promise<unknown>;

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

const programs = await postgresPrograms();
if (programs === undefined) throw new Error('Postgres is not installed: apt-get install postgresql');
const cluster = await startPostgresCluster(programs, undefined, { durable: true });
try {
  const database = await openPostgres({ url: cluster.url('postgres') });
  await migrateToLatest(database.db);
  const sample = await sampleAuthority(database);
  const issuing = await issuingOf(sample, database);
  for (const load of loads) await compare(sample, issuing, load);
  await sample.authority.close();
  await database.close();
} finally {
  await cluster.stop();
}

async function compare(sample: SampleAuthority, issuing: Issuing, load: (typeof loads)[number]) {
  const { atOnce, requests } = load;
  const together = createUserCertificateIssuer(issuing);
  // One that is never shared has nobody to form a group with.
  const apart = Array.from({ length: atOnce }, () => createUserCertificateIssuer(issuing));
  const asked = await askedBy(sample, issuing.db, load);
  const askedToo = await askedBy(sample, issuing.db, load);

  const floor = await measure(
    asked.map((ones) => ones.map(() => () => insertOne(issuing.db, sample.organizationId))),
  );
  const without = await measure(
    asked.map((ones, worker) => ones.map((one) => async () => apart[worker]?.(one))),
  );
  const grouped = await measure(askedToo.map((ones) => ones.map((one) => () => together(one))));

  console.log(`${atOnce} at once, ${requests} requests`);
  print('one insert and commit', floor);
  print('without group commit', without, floor);
  print('with group commit', grouped, floor);
  console.log(
    `  with group commit to without: ${(grouped.perSecond / without.perSecond).toFixed(2)} x as many a second\n`,
  );
}

/** Each worker sends its requests one after the other. */
async function measure(workers: readonly (readonly Request[])[]): Promise<Measured> {
  const milliseconds: number[] = [];
  const begin = performance.now();
  await Promise.all(
    workers.map(async (requests) => {
      for (const request of requests) {
        const sent = performance.now();
        await request();
        milliseconds.push(performance.now() - sent);
      }
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  milliseconds.sort((a, b) => a - b);
  const at = (part: number) => milliseconds[Math.floor((milliseconds.length - 1) * part)] ?? Number.NaN;
  return { perSecond: milliseconds.length / seconds, p50: at(0.5), p99: at(0.99) };
}

function print(name: string, { perSecond, p50, p99 }: Measured, floor?: Measured): void {
  const ratio = floor ? `, ${(perSecond / floor.perSecond).toFixed(2)} of the floor` : '';
  console.log(
    `  ${name.padEnd(22)} ${perSecond.toFixed(0).padStart(6)}/s  p50 ${p50.toFixed(1).padStart(6)} ms  ` +
      `p99 ${p99.toFixed(1).padStart(6)} ms${ratio}`,
  );
}

async function insertOne(db: Database, organizationId: string): Promise<void> {
  const facts = JSON.stringify({ bytes: 'x'.repeat(800) });
  await db
    .insertInto('audit_events')
    .values({ event: 'certificate.issued', organization_id: organizationId, facts })
    .execute();
}

/** Every worker's requests, from a login session of its own; each with a new key and its proof. */
async function askedBy(
  sample: SampleAuthority,
  db: Database,
  { atOnce, requests }: { atOnce: number; requests: number },
) {
  return await Promise.all(
    Array.from({ length: atOnce }, async () => {
      const { sessionId } = await sample.person(`person-${randomUUID()}`);
      const challenges = Array.from({ length: requests / atOnce }, () =>
        randomBytes(32).toString('base64url'),
      );
      const expiresAt = new Date(startTime.getTime() + 300_000);
      await db
        .insertInto('possession_challenges')
        .values(
          challenges.map((challenge) => ({
            challenge_hash: tokenHash(challenge),
            session_id: sessionId,
            expires_at: expiresAt,
          })),
        )
        .execute();
      return await Promise.all(
        challenges.map(async (challenge) => {
          const key = generateEd25519();
          const possession = await provePossession(key, { sessionId, challenge, namespace: `pop@${domain}` });
          return {
            sessionId,
            request: { public_key: lineOf(key), request_id: randomUUID(), possession },
          };
        }),
      );
    }),
  );
}

async function issuingOf(sample: SampleAuthority, { db }: DatabaseHandle): Promise<Issuing> {
  const { id, generation } = await db
    .selectFrom('ca_keys')
    .select(['id', 'generation'])
    .where('purpose', '=', 'user')
    .executeTakeFirstOrThrow();
  const signer = memorySigner(sample.userKey);
  const key: CaKey = { id, purpose: 'user', generation, publicKey: signer.publicKey, signer };
  const keys = { active: () => key, byId: () => key, vouching: () => [], refresh: async () => {} };
  return { db, domain, clock: () => startTime, keys };
}
