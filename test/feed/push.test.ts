import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createFeed } from '../../src/feed/feed.ts';
import { stateText } from '../../src/feed/state-text.ts';
import { companionById } from '../../src/inventory/companion.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { enrolMany } from './many-machines.ts';

/** More than are sent their states together. */
const count = 120;
let server: TestServer;
let ids: readonly string[];
beforeAll(async () => {
  server = await startTestServer();
  ids = (await enrolMany(server.database.db, server.shop, { count, now: server.clock.now })).companionIds;
});
afterAll(() => server.close());

test('a machine with a connection of the ended session hears before those that only have to remember it', async () => {
  const { db } = server.database;
  const bob = await server.person('bob', 'contributor');
  const last = ids.at(-1) ?? '';
  const sent: string[] = [];
  const done = Promise.withResolvers<void>();
  const feed = await createFeed({
    database: server.database,
    authority: server.authority,
    publicUrl: server.publicUrl,
    clock: () => server.clock.now,
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => feed.close());
  for (const companionId of ids) {
    const { enrolledAt } = await companionById(db, companionId);
    await feed.subscribe(
      { companionId, enrolledAt: enrolledAt ?? server.clock.now },
      {
        send: ({ ended_sessions }) => {
          if (ended_sessions.includes(bob.sessionId)) sent.push(companionId);
          if (sent.length === count) done.resolve();
        },
        end: () => {},
      },
    );
  }
  await db
    .insertInto('connections')
    .values({
      companion_id: last,
      connection_key: 'boot:7:7',
      account_name: bob.account,
      session_id: bob.sessionId,
      serial: '7',
      target_name: null,
      started_at: server.clock.now,
      ended_at: null,
      end_reason: null,
    })
    .execute();
  await inTransaction(db, (tx) =>
    endSession(tx, { sessionId: bob.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
  );
  await done.promise;
  expect(sent[0]).toBe(last);
  expect(new Set(sent)).toEqual(new Set(ids));
});

test('a state that shares its parts with others reads as if it were written alone', async () => {
  const states = await Promise.all(ids.slice(0, 3).map((id) => server.feed.stateFor(id)));
  for (const state of [...states, ...states]) {
    expect(JSON.parse(stateText(state))).toEqual(JSON.parse(JSON.stringify(state)));
    expect(stateText(state)).toBe(JSON.stringify(state));
  }
  const [first, second] = states;
  expect(first?.krl).toBe(second?.krl);
  expect(first?.accounts).toBe(second?.accounts);
});
