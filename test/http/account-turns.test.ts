import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { accountTurns } from '../../src/http/account-turns.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

describe('turns of accounts', () => {
  test('so many of one account go at a time and so many wait, in order; others do not wait for them', async () => {
    const inTurn = accountTurns({ atATime: 1, mayWait: 2 });
    const gate = Promise.withResolvers<void>();
    const done: string[] = [];
    const ask = (accountId: string, name: string, until = gate.promise) =>
      inTurn(accountId, async () => {
        await until;
        done.push(name);
      });
    const asked = ['first', 'second', 'third'].map((name) => ask('alice', name));
    await expect(ask('alice', 'fourth')).rejects.toMatchObject({ code: 'unavailable' });
    await ask('bob', 'other', Promise.resolve());
    gate.resolve();
    await Promise.all(asked);
    expect(done).toEqual(['other', 'first', 'second', 'third']);
  });

  test('work that fails gives its turn back', async () => {
    const inTurn = accountTurns({ atATime: 1, mayWait: 0 });
    for (let time = 0; time < 3; time += 1) {
      await expect(inTurn('alice', () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
    }
  });
});

describe.skipIf(!hasPostgres)('certificates of one account', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  test('leave connections to the database for everybody else, however many of its logins ask', async () => {
    const { clock, database } = server;
    const [busy, other] = [await server.person('busy', 'viewer'), await server.person('other', 'viewer')];
    const logins: TestPerson[] = [];
    for (let number = 0; number < 20; number += 1) {
      const sessionId = await inTransaction(database.db, (tx) =>
        startedSession(tx, busy.accountId, clock.now),
      );
      logins.push({ ...busy, sessionId });
    }
    const holder = await openPostgres({ url: database.url ?? '' });
    try {
      const { asked } = await inTransaction(holder.db, async (tx) => {
        await sql`lock table possession_challenges in exclusive mode`.execute(tx);
        const asked = logins.map((as) => server.call('POST', '/v1/certificates/challenge', { as }));
        await lockAwaited(holder.db, 4);
        expect((await server.call('GET', '/v1/session', { as: other })).statusCode).toBe(200);
        return { asked };
      });
      expect((await Promise.all(asked)).every(({ statusCode }) => statusCode === 200)).toBe(true);
    } finally {
      await holder.close();
    }
  });
});
