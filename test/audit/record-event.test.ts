import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordEvent } from '../../src/audit/record-event.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const refused = {
  event: 'login.refused',
  facts: { code: 'login_rejected', message: 'quote " newline \n and \u0007', account: 'mallory@example.com' },
} as const;

test('an event is stored with its facts as they were', async () => {
  await inTransaction(database.db, (tx) => recordEvent(tx, refused));
  const rows = await database.db.selectFrom('audit_events').selectAll().execute();
  expect(rows).toEqual([
    {
      id: '1',
      at: expect.any(Date),
      event: 'login.refused',
      organization_id: null,
      account_id: null,
      session_id: null,
      facts: refused.facts,
    },
  ]);
});

test('an event of a transaction that rolls back is not stored', async () => {
  const work = inTransaction(database.db, async (tx) => {
    await recordEvent(tx, refused);
    throw new Error('stop');
  });
  await expect(work).rejects.toThrow('stop');
  expect(await database.db.selectFrom('audit_events').select('id').execute()).toHaveLength(1);
});

test('what can not be recorded did not happen', async () => {
  const work = inTransaction(database.db, async (tx) => {
    await tx.insertInto('organizations').values({ slug: 'acme', name: '' }).execute();
    await recordEvent(tx, { ...refused, organizationId: 'not a uuid' });
  });
  await expect(work).rejects.toThrow();
  expect(await database.db.selectFrom('organizations').select('id').execute()).toEqual([]);
});
