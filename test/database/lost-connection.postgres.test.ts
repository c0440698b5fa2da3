import { createServer } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { notify } from '../../src/database/notify.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from './fresh-database.ts';
import { signal } from './signal.ts';

describe.skipIf(!hasPostgres)('a lost connection (needs postgresql)', () => {
  let database: FreshDatabase;
  let killer: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    killer = await freshDatabase();
  });
  afterAll(async () => {
    await database.close();
    await killer.close();
  });

  const ownPid = async (db: FreshDatabase['db']) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    return rows[0]?.pid ?? 0;
  };
  const terminate = (pid: number) => sql`select pg_terminate_backend(${pid}, 5000)`.execute(killer.db);

  test('an idle one is replaced and nobody notices', async () => {
    await terminate(await ownPid(database.db));
    expect(await ownPid(database.db)).toBeGreaterThan(0);
  });

  test('one that dies inside a transaction is database_unavailable, and nothing of it is stored', async () => {
    const work = inTransaction(database.db, async (tx) => {
      await tx.insertInto('organizations').values({ slug: 'half', name: '' }).execute();
      await terminate(await ownPid(tx));
      await tx.insertInto('organizations').values({ slug: 'whole', name: '' }).execute();
    });
    await expect(work).rejects.toMatchObject({ name: 'SallyportError', code: 'database_unavailable' });
    expect(await database.db.selectFrom('organizations').select('slug').execute()).toEqual([]);
  });

  test('one that dies before the commit is database_unavailable', async () => {
    const work = inTransaction(database.db, async (tx) => {
      await tx.insertInto('organizations').values({ slug: 'half', name: '' }).execute();
      await terminate(await ownPid(tx));
    });
    await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await database.db.selectFrom('organizations').select('slug').execute()).toEqual([]);
  });

  test('a listener comes back, says so with an empty message, and hears again', async () => {
    const back = signal();
    const again = signal();
    const listener = await database.listen('news', (payload) => (payload === '' ? back : again).fire());
    onTestFinished(() => listener.close());
    const { rows } = await sql<{ pid: number }>`
      select pid from pg_stat_activity
      where datname = current_database() and query like 'listen %'`.execute(database.db);
    expect(rows).toHaveLength(1);
    await terminate(rows[0]?.pid ?? 0);
    await back.fired;
    await inTransaction(database.db, (tx) => notify(tx, 'news', 'still there?'));
    await again.fired;
  });

  test('a database that is not there is named without its address or password', async () => {
    const { url } = database;
    const gone = await openPostgres({ url: 'postgresql://someone:hunter2@127.0.0.1:1/db' });
    onTestFinished(() => gone.close());
    const missing = await openPostgres({ url: String(url).replace(/\/test_[a-z0-9]+/, '/no_such_database') });
    onTestFinished(() => missing.close());
    for (const handle of [gone, missing]) {
      for (const attempt of [
        () => handle.db.selectFrom('state_version').selectAll().execute(),
        () => inTransaction(handle.db, async () => {}),
        () => handle.listen('news', () => {}),
      ]) {
        const error = await attempt().then(
          () => undefined,
          (thrown) => thrown,
        );
        expect(error).toMatchObject({ name: 'SallyportError', code: 'database_unavailable' });
        expect(`${error.message}${error.detail}`).not.toMatch(/hunter2|someone/);
        expect(error.message).not.toMatch(/127\.0\.0\.1/);
      }
    }
  });

  test('a server that accepts and says nothing is given up on', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const handle = await openPostgres({ url: `postgresql://u:p@127.0.0.1:${port}/db` });
    onTestFinished(() => handle.close());
    await expect(handle.db.selectFrom('state_version').selectAll().execute()).rejects.toMatchObject({
      code: 'database_unavailable',
    });
  });

  test.each(['', 'mysql://db', 'db.example.com', 'postgres://['])('%j is not a Postgres URL', async (url) => {
    await expect(openPostgres({ url })).rejects.toMatchObject({ code: 'settings_invalid' });
  });
});
