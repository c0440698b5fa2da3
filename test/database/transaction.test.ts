import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inRehearsal, inSnapshot, inTransaction } from '../../src/database/transaction.ts';
import { violatedConstraint } from '../../src/database/violated-constraint.ts';
import { type FreshDatabase, freshDatabase } from './fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const slugs = async () =>
  (await database.db.selectFrom('organizations').select('slug').execute()).map((row) => row.slug);

test('what is returned is committed', async () => {
  const id = await inTransaction(database.db, async (tx) => {
    const row = await tx
      .insertInto('organizations')
      .values({ slug: 'kept', name: 'Kept' })
      .returning('id')
      .executeTakeFirstOrThrow();
    return row.id;
  });
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await slugs()).toContain('kept');
});

test('what throws is rolled back, and the error comes out as it is', async () => {
  const stop = new Error('stop');
  const work = inTransaction(database.db, async (tx) => {
    await tx.insertInto('organizations').values({ slug: 'dropped', name: 'Dropped' }).execute();
    throw stop;
  });
  await expect(work).rejects.toBe(stop);
  expect(await slugs()).not.toContain('dropped');
});

test('a rehearsal returns what would be so, or throws what speaks against it, and nothing has happened', async () => {
  const insert = (slug: string) =>
    inRehearsal(database.db, async (tx) => {
      await tx.insertInto('organizations').values({ slug, name: 'Rehearsed' }).execute();
      return (await tx.selectFrom('organizations').select('slug').execute()).map((row) => row.slug);
    });
  expect(await insert('rehearsed')).toContain('rehearsed');
  await expect(insert('Not A Slug')).rejects.toMatchObject({ constraint: 'organizations_slug_check' });
  expect(await slugs()).not.toContain('rehearsed');
});

test('a broken constraint is known by its name', async () => {
  const insert = database.db.insertInto('organizations').values({ slug: 'Not A Slug', name: '' }).execute();
  const error = await insert.catch((thrown) => thrown);
  expect(violatedConstraint(error)).toBe('organizations_slug_check');
  expect(violatedConstraint(new Error('other'))).toBeUndefined();
});

test('a snapshot refuses to write', async () => {
  const write = inSnapshot(database.db, (tx) =>
    tx.insertInto('organizations').values({ slug: 'written', name: '' }).execute(),
  );
  await expect(write).rejects.toMatchObject({ detail: expect.stringContaining('read-only transaction') });
  expect(await slugs()).not.toContain('written');
});

test('both databases give the same types', async () => {
  const { rows } = await sql`select
    9007199254740993::bigint as big, 7::int as small, '\\x00ff'::bytea as bytes, array['a,b', '']::text[] as texts,
    '{"a": [1]}'::jsonb as json, timestamptz '2026-01-02 03:04:05.678+00' as time`.execute(database.db);
  expect(rows).toEqual([
    {
      big: '9007199254740993',
      small: 7,
      bytes: Buffer.from([0, 255]),
      texts: ['a,b', ''],
      json: { a: [1] },
      time: new Date('2026-01-02T03:04:05.678Z'),
    },
  ]);
});
