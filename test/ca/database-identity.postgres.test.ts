import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { acceptDatabase } from '../../src/ca/accept-database.ts';
import { readStanding } from '../../src/ca/database-identity.ts';
import { acceptRestart } from '../../src/ca/serials.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { serverOn } from './copies.ts';
import { type SampleAuthority, sampleAuthority } from './sample-authority.ts';

describe.skipIf(!hasPostgres)('which Postgres it is (needs postgresql)', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  const now = () => sample.clock.now;
  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
  });
  afterAll(() => database.close());

  test('an ordinary role may ask; one that may not is told what to run, at the start', async () => {
    const role = `role_${Math.random().toString(36).slice(2)}`;
    await sql`create role ${sql.id(role)} login`.execute(database.db);
    await sql`grant all on all tables in schema public to ${sql.id(role)}`.execute(database.db);
    const handle = await openPostgres({ url: String(database.url).replace('sallyport@', `${role}@`) });
    onTestFinished(async () => {
      await handle.close();
      await sql`drop owned by ${sql.id(role)}`.execute(database.db);
      await sql`drop role ${sql.id(role)}`.execute(database.db);
    });
    expect(await readStanding(handle.db)).toMatchObject({ changes: [] });
    await sql`revoke execute on function pg_control_system() from public`.execute(database.db);
    await expect(readStanding(handle.db)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringMatching(/grant execute on function pg_control_system\(\)/),
    });
    await sql`grant execute on function pg_control_system() to public`.execute(database.db);
  });

  test('what Postgres does to its own rows is no other writer', async () => {
    await sql`vacuum (full, freeze) database_identity`.execute(database.db);
    expect(await readStanding(database.db)).toMatchObject({ changes: [] });
  });

  test('[abuse 18] many who notice a start of Postgres at once raise the serials once, and get none twice', async () => {
    await sql`
      update database_identity set postmaster_started_at = postmaster_started_at - interval '1 day',
        written_by = pg_current_xact_id()`.execute(database.db);
    const before = await readStateVersion(database.db);
    const server = await serverOn(database, sample, now).then(async (started) => {
      await sql`
        update database_identity set postmaster_started_at = postmaster_started_at - interval '1 day',
          written_by = pg_current_xact_id()`.execute(database.db);
      return started;
    });
    const drawn = await Promise.all(Array.from({ length: 8 }, () => server.serials(3)));
    expect(new Set(drawn.flat()).size).toBe(24);
    const after = await readStateVersion(database.db);
    // One by the start of the server, one by the first of the eight.
    expect(after.version - before.version).toBe(2n);
    const standing = await inTransaction(database.db, readStanding);
    expect(standing).toMatchObject({ changes: [], restarted: false });
  });

  test('who starts waits for who notices a start of Postgres: only one of them raises the serials at a time', async () => {
    const { starting } = await inTransaction(database.db, async (tx) => {
      await sql`
        update database_identity set postmaster_started_at = postmaster_started_at - interval '1 day',
          written_by = pg_current_xact_id()`.execute(tx);
      await acceptRestart(tx, now());
      const starting = inTransaction(database.db, (other) => acceptDatabase(other, now()));
      await lockAwaited(database.db);
      return { starting };
    });
    await starting;
    expect(await readStanding(database.db)).toMatchObject({ changes: [], restarted: false });
  });
});
