import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { createGroupCommit, type GroupCommitOptions, Outcomes } from '../../src/database/group-commit.ts';
import { violatedConstraint } from '../../src/database/violated-constraint.ts';
import { type FreshDatabase, freshDatabase } from './fresh-database.ts';
import { type Signal, signal } from './signal.ts';

interface Item {
  readonly slug: string;
  readonly line?: string;
  /** Is refused before anything is written. */
  readonly refused?: boolean;
  /** Needs a transaction of its own. */
  readonly needsToWait?: boolean;
  /** Its transaction stands still until this fires. */
  readonly until?: Signal;
}

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** The slugs of each transaction that was begun. */
let transactions: string[][] = [];
beforeEach(async () => {
  transactions = [];
  await database.db.deleteFrom('organizations').execute();
});

/** Stores an organization for each item, all with one statement; the result is the transaction's number. */
async function store(tx: Tx, items: readonly Item[], { mayWait }: { mayWait: boolean }) {
  transactions.push(items.map(({ slug }) => slug));
  const outcomes = new Outcomes<Item, string>();
  for (const { until } of items) await until?.fired;
  const open = new Map(items.map((item) => [item, item]));
  const going = outcomes.step(open, (item) => {
    if (item.needsToWait && !mayWait) return outcomes.settle(item, { retry: 'alone' });
    if (item.refused) throw new Error(`no ${item.slug}`);
    return { slug: item.slug, name: item.slug };
  });
  if (going.size > 0) {
    await tx
      .insertInto('organizations')
      .values([...going.values()])
      .execute();
  }
  const { rows } = await sql<{ id: string }>`select txid_current()::text as id`.execute(tx);
  outcomes.step(going, (_, item) => outcomes.settle(item, { result: rows[0]?.id ?? '' }));
  return outcomes.settled;
}

function groupCommit(options: Partial<GroupCommitOptions<Item, string>> = {}) {
  const { db } = database;
  return createGroupCommit({ db, work: store, lineOf: ({ slug, line = slug }) => line, ...options });
}

async function stored(): Promise<string[]> {
  const rows = await database.db.selectFrom('organizations').select('slug').orderBy('slug').execute();
  return rows.map(({ slug }) => slug);
}

/** Submits them while a first one, `first`, is under way. */
async function behindTheFirst<Done>(
  submit: (item: Item) => Promise<string>,
  whatComesThen: () => readonly Promise<Done>[],
): Promise<PromiseSettledResult<Done>[]> {
  const until = signal();
  const first = submit({ slug: 'first', until });
  const rest = whatComesThen();
  until.fire();
  await first;
  return await Promise.allSettled(rest);
}

test('one that comes alone goes at once, and alone', async () => {
  const submit = groupCommit();
  await submit({ slug: 'a' });
  await submit({ slug: 'b' });
  expect(transactions).toEqual([['a'], ['b']]);
  expect(await stored()).toEqual(['a', 'b']);
});

test('those who come while a group is under way share the next transaction', async () => {
  const submit = groupCommit();
  const slugs = ['a', 'b', 'c'];
  const settled = await behindTheFirst(submit, () => slugs.map((slug) => submit({ slug })));
  expect(transactions).toEqual([['first'], slugs]);
  expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true);
  expect(new Set(settled.map((one) => (one as PromiseFulfilledResult<string>).value)).size).toBe(1);
  expect(await stored()).toEqual(['a', 'b', 'c', 'first']);
});

test('a group has a largest size', async () => {
  const submit = groupCommit({ largest: 2 });
  const slugs = ['a', 'b', 'c', 'd', 'e'];
  await behindTheFirst(submit, () => slugs.map((slug) => submit({ slug })));
  expect(transactions).toEqual([['first'], ['a', 'b'], ['c', 'd'], ['e']]);
});

test('after a group of several it may rest, and who comes meanwhile shares the next', async () => {
  const submit = groupCommit({ restMilliseconds: 20 });
  await behindTheFirst(submit, () => ['a', 'b'].map((slug) => submit({ slug })));
  await Promise.all(['c', 'd'].map((slug) => submit({ slug })));
  expect(transactions).toEqual([['first'], ['a', 'b'], ['c', 'd']]);
});

test('those of one line go one after the other, in their order, and let others pass', async () => {
  const submit = groupCommit();
  const items = [
    { slug: 'a1', line: 'a' },
    { slug: 'a2', line: 'a' },
    { slug: 'a3', line: 'a' },
    { slug: 'b1', line: 'b' },
  ];
  await behindTheFirst(submit, () => items.map((item) => submit(item)));
  expect(transactions).toEqual([['first'], ['a1', 'b1'], ['a2'], ['a3']]);
});

test('one that is refused hears why, and its neighbours are committed with it', async () => {
  const submit = groupCommit();
  const items = [{ slug: 'a' }, { slug: 'b', refused: true }, { slug: 'c' }];
  const settled = await behindTheFirst(submit, () => items.map((item) => submit(item)));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect((settled[1] as PromiseRejectedResult).reason).toEqual(new Error('no b'));
  expect(transactions).toHaveLength(2);
  expect(await stored()).toEqual(['a', 'c', 'first']);
});

test('a group that fails is tried one by one: only the bad one fails', async () => {
  const submit = groupCommit();
  const slugs = ['a', 'Not A Slug', 'c'];
  const settled = await behindTheFirst(submit, () => slugs.map((slug) => submit({ slug })));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(violatedConstraint((settled[1] as PromiseRejectedResult).reason)).toBe('organizations_slug_check');
  expect(transactions[1]).toEqual(slugs);
  expect(transactions.slice(2).flat().sort()).toEqual(slugs.toSorted());
  expect(await stored()).toEqual(['a', 'c', 'first']);
});

test('one that fails on its own is not tried again', async () => {
  await expect(groupCommit()({ slug: 'Not A Slug' })).rejects.toThrow('organizations_slug_check');
  expect(transactions).toEqual([['Not A Slug']]);
});

test('one that would have to wait gets a transaction of its own, in which it may', async () => {
  const submit = groupCommit();
  const [waiting, next] = await behindTheFirst(submit, () => [
    submit({ slug: 'a', needsToWait: true }),
    submit({ slug: 'b' }),
  ]);
  expect([waiting?.status, next?.status]).toEqual(['fulfilled', 'fulfilled']);
  expect(transactions).toEqual([['first'], ['a', 'b'], ['a']]);
});

test('of one that is refused on its own nothing stays, even if it had written something', async () => {
  const submit = groupCommit({
    work: async (tx, items, how) => {
      if (!how.mayWait) return new Map(items.map((item) => [item, { retry: 'alone' }]));
      await store(tx, items, how);
      return new Map(items.map((item) => [item, { error: new Error('late') }]));
    },
  });
  await expect(submit({ slug: 'a' })).rejects.toThrow('late');
  expect(transactions).toEqual([['a']]);
  expect(await stored()).toEqual([]);
});
