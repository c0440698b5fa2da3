import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { consumeEnrolmentToken, createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { createShop, type Shop } from './shop.ts';

const now = new Date('2026-06-01T12:00:00Z');

describe.skipIf(!hasPostgres)('enrolment at once (needs postgresql)', () => {
  let first: FreshDatabase;
  let second: DatabaseHandle;
  let shop: Shop;
  beforeAll(async () => {
    first = await freshDatabase();
    second = await openPostgres({ url: String(first.url) });
    shop = await inTransaction(first.db, (tx) => createShop(tx, now));
  });
  afterAll(async () => {
    await second.close();
    await first.close();
  });

  test('50 parallel uses of one token from two handles have exactly one winner', async () => {
    const token = await inTransaction(first.db, (tx) =>
      createEnrolmentToken(tx, shop.gatewayId, { now, lifetimeSeconds: 600 }),
    );
    const uses = Array.from({ length: 50 }, (_, index) =>
      inTransaction((index % 2 === 0 ? first : second).db, (tx) => consumeEnrolmentToken(tx, token, now)),
    );
    const results = await Promise.allSettled(uses);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(new Set(codes)).toEqual(new Set(['enrolment_refused']));
  });
});
