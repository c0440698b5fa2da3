import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireIssuingAllowed } from '../../src/ca/issuing-allowed.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { noteInstalled } from '../../src/inventory/companion-contact.ts';
import { runRevokeCompanion } from '../../src/operator/run-revoke-companion.ts';
import { refusalCode, sampleAuthority, startTime } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { createShop } from '../inventory/shop.ts';

describe.skipIf(!hasPostgres)('the command (needs postgresql)', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await sampleAuthority(database);
  });
  afterAll(() => database.close());

  async function run(name: string): Promise<string> {
    const stdout = new PassThrough();
    const output = text(stdout);
    const environment = { DATABASE_URL: String(database.url) };
    await runRevokeCompanion({ name, environment, stdout, clock: () => startTime }).finally(() =>
      stdout.end(),
    );
    return await output;
  }

  test('ends a machine that claims what was never given: its word counts no more', async () => {
    const { gatewayId } = await inTransaction(database.db, (tx) =>
      createShop(tx, startTime, { domain: 'shop.example' }),
    );
    const claim = { version: BigInt(startTime.getTime()) + 1_000_000n, krlVersion: 1n };
    await inTransaction(database.db, (tx) => noteInstalled(tx, gatewayId, claim, startTime));
    expect(await refusalCode(requireIssuingAllowed(database.db))).toBe('recovery_needed');
    expect(await run('gate')).toContain('The gateway gate is revoked');
    await requireIssuingAllowed(database.db);
  });

  test('names a machine that is not there', async () => {
    await expect(run('gat')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/"gat"/),
    });
  });
});
