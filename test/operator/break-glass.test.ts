import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { runBreakGlass } from '../../src/operator/run-break-glass.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';

const now = new Date('2026-06-01T12:00:00Z');

describe.skipIf(!hasPostgres)('sallyport break-glass (needs postgresql)', () => {
  let database: FreshDatabase;
  let shop: Shop;
  beforeAll(async () => {
    database = await freshDatabase();
    shop = await inTransaction(database.db, (tx) => createShop(tx, now));
  });
  afterAll(() => database.close());

  async function run(given: { account?: string; duration?: string; reason?: string } = {}) {
    let text = '';
    const stdout = new Writable({
      write: (chunk, _encoding, done) => {
        text += chunk;
        done();
      },
    });
    const environment = { DATABASE_URL: String(database.url) };
    const what = { account: 'alice@example.com', duration: '90m', reason: 'nobody is left', ...given };
    await runBreakGlass({ ...what, environment, stdout, clock: () => now });
    return text;
  }

  test('makes an admin for that time, and says until when', async () => {
    expect(await run()).toContain('alice@example.com is an admin of acme until 2026-06-01T13:30:00.000Z');
    const rules = await database.db.selectFrom('access_rules').selectAll().execute();
    expect(rules).toMatchObject([
      {
        account_id: shop.accountId,
        role: 'admin',
        project_id: null,
        environment_id: null,
        expires_at: new Date('2026-06-01T13:30:00Z'),
      },
    ]);
  });

  test.each([
    ['for a day', { duration: '24h' }, 'settings_invalid'],
    ['for more than four hours', { duration: '241m' }, 'settings_invalid'],
    ['for ever', { duration: 'ever' }, 'settings_invalid'],
    ['for no time', { duration: '0h' }, 'settings_invalid'],
    ['without a reason', { reason: '  ' }, 'settings_invalid'],
    ['with a reason of two lines', { reason: 'one\ntwo' }, 'settings_invalid'],
    ['of an account that there is not', { account: 'nobody@example.com' }, 'not_found'],
  ])('%s makes none', async (_what, given, code) => {
    const before = await database.db.selectFrom('break_glass').selectAll().execute();
    await expect(run(given)).rejects.toMatchObject({ code });
    expect(await database.db.selectFrom('break_glass').selectAll().execute()).toEqual(before);
  });

  test('makes none of an account that is disabled', async () => {
    await database.db.updateTable('accounts').set({ disabled_at: now }).execute();
    await expect(run()).rejects.toMatchObject({ code: 'settings_invalid' });
  });
});
