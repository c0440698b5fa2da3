/**
 * What could be learned from how long an answer takes is not measured but read off: a secret is looked up by its digest,
 * so nothing is compared that somebody could guess piece by piece, and who exists or not goes the same way through the
 * database, statement by statement.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { newApiTokenText } from '../../src/credentials/api-token-text.ts';
import { createApiToken } from '../../src/credentials/create-api-token.ts';
import { exchangeApiToken } from '../../src/credentials/exchange-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { enrolmentBody, startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let alice: TestPerson;
let credential: string;
beforeAll(async () => {
  server = await startTestServer();
  alice = await server.person('ann', 'admin');
  await server.database.db.updateTable('organizations').set({ ssh_codes: true }).execute();
});
afterAll(() => server.close());
beforeEach(async () => {
  watchStatements();
  credential = await server.enrol();
});
afterEach(() => vi.restoreAllMocks());

interface Sent {
  readonly text: string;
  readonly values: string;
}

const asked = new AsyncLocalStorage<Sent[]>();

/** Every statement that it sends to Postgres; not what the server does in the background meanwhile. */
async function statementsOf(work: () => Promise<unknown>): Promise<Sent[]> {
  const sent: Sent[] = [];
  await asked.run(sent, work);
  return sent;
}

/** Notes statements with whoever asked for them. */
function watchStatements(): void {
  const { query } = pg.Client.prototype;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...call: unknown[]) {
    const [first, values] = call as [string | { text: string; values?: unknown[] }, unknown];
    const [text, given] = typeof first === 'string' ? [first, values] : [first.text, first.values];
    asked.getStore()?.push({ text, values: readable(typeof given === 'function' ? [] : given) });
    return Reflect.apply(query, this, call);
  });
}

/** Bytes as text: a secret must not hide in them. */
function readable(value: unknown): string {
  return JSON.stringify(value ?? null, (_, part) => {
    if (typeof part === 'bigint') return `${part}`;
    return part?.type === 'Buffer' ? Buffer.from(part.data).toString('latin1') : part;
  });
}

const texts = (sent: readonly Sent[]) => sent.map(({ text }) => text);

const exchange = (token: string, address = '192.0.2.7') =>
  exchangeApiToken(
    { database: server.database, publicUrl: server.publicUrl, clock: () => server.clock.now },
    { token, address, clientName: null, dpopJkt: 'a key' },
  ).catch((error: Error) => error.message);

/** Each takes a secret and presents it where it belongs. */
const presenting: Record<string, (secret: string) => Promise<unknown>> = {
  'API token': (secret) => exchange(secret),
  'companion credential': (secret) => server.call('GET', '/v1/companions/state', { credential: secret }),
  'console cookie': (secret) =>
    server.call('GET', '/console/sessions', { cookie: `__Host-sallyport-session=${secret}` }),
  'SSH code': (secret) => verify(secret),
  // Last: the machine that enrols with a good one takes the place of the one before.
  'enrolment token': async (secret) =>
    server.call('POST', '/v1/companions/enrol', {
      body: await enrolmentBody(secret, server.publicUrl.hostname),
    }),
};

const verify = (code: string) =>
  server.call('POST', '/v1/companions/ssh-codes/verify', {
    credential,
    body: { code, target: 'shop-production--web' },
  });

async function goodSecrets(): Promise<Record<keyof typeof presenting, string>> {
  const { organizationId } = server.shop;
  const now = server.clock.now;
  const creator = {
    accountId: alice.accountId,
    account: alice.account,
    organizationId,
    role: 'admin' as const,
  };
  const expiresAt = new Date(now.getTime() + 86_400_000);
  const name = randomBytes(8).toString('hex');
  const { text } = await inTransaction(server.database.db, (tx) =>
    createApiToken(tx, { creator, name, roleLimit: 'viewer', sourceRanges: [], expiresAt }, now),
  );
  const code = await server.call('POST', '/v1/ssh-codes', {
    as: alice,
    body: { target: 'shop-production--web' },
  });
  return {
    'API token': text,
    'companion credential': credential,
    'console cookie': alice.cookie.slice(alice.cookie.indexOf('=') + 1),
    'enrolment token': await inTransaction(server.database.db, (tx) =>
      createEnrolmentToken(tx, server.shop.gatewayId, { now, lifetimeSeconds: 600 }),
    ),
    'SSH code': code.json().code,
  };
}

/** The same but for its end, and the same but for its beginning: whoever guesses piece by piece would go that way. */
function guesses(secret: string): [string, string] {
  const other = (letter: string | undefined) => (letter === 'A' ? 'B' : 'A');
  const start = secret.lastIndexOf('_') + 1;
  return [
    secret.slice(0, -1) + other(secret.at(-1)),
    secret.slice(0, start) + other(secret[start]) + secret.slice(start + 1),
  ];
}

test.skipIf(!hasPostgres)(
  '[abuse 89] a secret is looked up by its digest: it reaches the database in no statement, and a guess that is almost right goes the way of one that is all wrong',
  async () => {
    const secrets = await goodSecrets();
    for (const [kind, present] of Object.entries(presenting)) {
      const secret = secrets[kind] ?? '';
      const [almost, wrong] = guesses(secret);
      const ways = [await statementsOf(() => present(almost)), await statementsOf(() => present(wrong))];
      expect([kind, texts(ways[0] ?? [])]).toEqual([kind, texts(ways[1] ?? [])]);
      const good = await statementsOf(() => present(secret));
      expect([kind, good.length > 0, ways.every(({ length }) => length > 0)]).toEqual([kind, true, true]);
      for (const { text, values } of [...ways.flat(), ...good]) {
        expect(`${text} ${values}`).not.toContain(secret.slice(-12));
        expect(`${text} ${values}`).not.toContain(secret.replace('-', ''));
      }
    }
  },
);

test.skipIf(!hasPostgres)(
  '[abuse 89] whether an account, its token or its code exists, the same statements are made and the same is told',
  async () => {
    const ways = [];
    const { 'SSH code': used = '' } = await goodSecrets();
    await verify(used);
    for (const code of [used, '2'.repeat(28)]) {
      const replies: string[] = [];
      const sent = await statementsOf(async () => replies.push((await verify(code)).body));
      ways.push({ replies, texts: texts(sent) });
    }
    expect(ways[0]).toEqual(ways[1]);
    expect(ways[0]?.replies).toEqual(['{"accepted":false}']);

    const { 'API token': revoked = '' } = await goodSecrets();
    await server.database.db.updateTable('api_tokens').set({ revoked_at: server.clock.now }).execute();
    const tokens = [];
    for (const token of [revoked, newApiTokenText()]) {
      const replies: unknown[] = [];
      const sent = await statementsOf(async () => replies.push(await exchange(token)));
      tokens.push({ replies, texts: texts(sent) });
    }
    expect(tokens[0]).toEqual(tokens[1]);
  },
);

test('[abuse 89] what is kept of a secret is a digest', async () => {
  const secrets = await goodSecrets();
  const tables = [
    'api_tokens',
    'companions',
    'login_sessions',
    'enrolment_tokens',
    'ssh_codes',
    'audit_events',
  ] as const;
  for (const table of tables) {
    const rows = await server.database.db.selectFrom(table).selectAll().execute();
    const kept = readable(rows);
    for (const [kind, secret] of Object.entries(secrets)) {
      expect([table, kind, kept.includes(secret.slice(-12))]).toEqual([table, kind, false]);
    }
  }
  const columns = await server.database.db
    .selectFrom('api_tokens')
    .select((row) => row.fn<number>('octet_length', ['token_hash']).as('length'))
    .execute();
  expect(new Set(columns.map(({ length }) => length))).toEqual(new Set([32]));
});
