import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openEmbedded } from '../../src/database/open-embedded.ts';
import { inTransaction } from '../../src/database/transaction.ts';

test('the embedded database keeps its folder between starts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-embedded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const first = await openEmbedded({ folder: join(folder, 'data') });
  await migrateToLatest(first.db);
  await inTransaction(first.db, (tx) =>
    tx.insertInto('organizations').values({ slug: 'acme', name: 'Acme' }).execute(),
  );
  await first.close();

  const second = await openEmbedded({ folder: join(folder, 'data') });
  onTestFinished(() => second.close());
  await migrateToLatest(second.db);
  expect(await second.db.selectFrom('organizations').select('slug').execute()).toEqual([{ slug: 'acme' }]);
});
