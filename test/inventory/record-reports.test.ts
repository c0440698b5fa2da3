import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { companionById } from '../../src/inventory/companion.ts';
import { type MachineReport, recordReports } from '../../src/inventory/record-reports.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { enrolMany } from '../feed/many-machines.ts';
import { createShop } from './shop.ts';

const now = new Date('2027-01-15T08:00:00Z');
let database: FreshDatabase;
let ids: readonly string[];
let version: bigint;
beforeAll(async () => {
  database = await freshDatabase();
  const shop = await inTransaction(database.db, (tx) => createShop(tx, now));
  ids = (await enrolMany(database.db, shop, { count: 8, now })).companionIds;
  version = await inTransaction(database.db, (tx) => bumpStateVersion(tx, now, { krl: true }));
});
afterAll(() => database.close());

const report = (index: number, installed: bigint, problem: string | null = null): MachineReport => ({
  companionId: ids[index] ?? '',
  installed: { version: installed, krlVersion: installed },
  acknowledgement: { connectionsEnded: index, problem },
});

async function record(...reports: MachineReport[]) {
  const outcomes = await inTransaction(database.db, (tx) =>
    recordReports(tx, reports, { now, mayWait: true }),
  );
  return reports.map((one) => {
    const outcome = outcomes.get(one);
    if (outcome === undefined) return undefined;
    if ('error' in outcome) return (outcome.error as { code?: string }).code;
    return 'result' in outcome ? outcome.result : 'retry';
  });
}

test('of many reports together each is judged as if it were alone', async () => {
  await record(report(4, version), report(5, version));
  const nobody = { ...report(6, version), companionId: '0190b3c4-aaaa-7bbb-8ccc-000000000009' };
  const greedy = { ...report(7, version), acknowledgement: { connectionsEnded: 2 ** 31, problem: null } };
  const found = await record(
    report(0, version),
    report(1, version + 5n),
    report(2, 10n ** 18n),
    report(3, version, 'the disk is full'),
    report(4, version - 1n),
    { ...report(5, version), acknowledgement: null },
    nobody,
    greedy,
  );
  expect(found).toEqual([
    'known',
    'unknown',
    'request_malformed',
    'known',
    'known',
    'known',
    'not_found',
    'request_malformed',
  ]);
  const companions = await Promise.all(ids.map((id) => companionById(database.db, id)));
  const installed = companions.map(({ acknowledged }) => acknowledged?.version ?? null);
  // Unknown, impossible and with a problem: nothing is installed. Late: the newer one stays.
  expect(installed).toEqual([version, null, null, null, version, version, null, null]);
  expect(companions.map(({ problem }) => problem)[3]).toBe('the disk is full');
  expect(companions[5]?.acknowledged?.connectionsEnded).toBe(5);
  const ahead = await database.db
    .selectFrom('companions')
    .select('id')
    .where('ahead_version', 'is not', null)
    .execute();
  expect(ahead).toEqual([{ id: ids[1] }]);
});

test('what was installed clears the problem, and a problem clears nothing', async () => {
  await record(report(6, version, 'no space'));
  expect(await companionById(database.db, ids[6] ?? '')).toMatchObject({
    problem: 'no space',
    acknowledged: null,
  });
  await record(report(6, version));
  expect(await companionById(database.db, ids[6] ?? '')).toMatchObject({
    problem: null,
    acknowledged: { version, connectionsEnded: 6 },
  });
  await record(report(6, version, 'no space again'));
  expect(await companionById(database.db, ids[6] ?? '')).toMatchObject({
    problem: 'no space again',
    acknowledged: { version },
  });
});
