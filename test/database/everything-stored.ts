/** The whole database as text, for tests of what must not be in it or must not have changed. */
import type { DatabaseHandle } from '../../src/database/database.ts';

export async function everythingStored({ db }: Pick<DatabaseHandle, 'db'>): Promise<string> {
  const tables = await db.introspection.getTables();
  const rows = tables
    .filter(({ name }) => !name.startsWith('kysely_'))
    .map(async ({ name }) => [
      name,
      await db
        .selectFrom(name as never)
        .selectAll()
        .execute(),
    ]);
  return JSON.stringify(await Promise.all(rows), (_key, value) => {
    if (typeof value === 'bigint') return `${value}`;
    // Bytes as they are, so that a secret in them is found.
    return value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value;
  });
}
