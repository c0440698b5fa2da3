import { mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serialFloor } from '../../src/ca/serials.ts';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import {
  type PostgresCluster,
  postgresPrograms,
  startPostgresCluster,
} from '../database/postgres-cluster.ts';
import { until } from '../gateway/ssh-client.ts';
import { serverOn } from './copies.ts';
import {
  type Person,
  refusalCode,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

/** Where `serve` finds the database, whichever of the two that is: the name that a failover moves. */
class ServiceName {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async leadTo(cluster: PostgresCluster): Promise<void> {
    const socket = '.s.PGSQL.5432';
    await symlink(join(cluster.folder, socket), join(this.folder, 'next'));
    await rename(join(this.folder, 'next'), join(this.folder, socket));
  }

  get url(): string {
    return `postgresql://sallyport@localhost/sallyport?host=${encodeURIComponent(this.folder)}`;
  }
}

describe.skipIf(!hasPostgres)('a primary and a standby (needs postgresql)', () => {
  const clock = { now: startTime };
  const now = () => clock.now;
  const handles: DatabaseHandle[] = [];
  let primary: PostgresCluster;
  let programs = '';
  let standby: PostgresCluster | undefined;
  let service: ServiceName;
  let maintenance: DatabaseHandle;
  let onPrimary: DatabaseHandle;
  let sample: SampleAuthority;
  let alice: Person;
  let bob: Person;
  /** Its database's address is the primary's own: it never hears of the failover. */
  let oldServer: Awaited<ReturnType<typeof serverOn>>;
  let server: Awaited<ReturnType<typeof serverOn>>;
  const serials: bigint[] = [];

  async function open(url: string): Promise<DatabaseHandle> {
    const handle = await openPostgres({ url, poolSize: 2 });
    handles.push(handle);
    return handle;
  }

  beforeAll(async () => {
    programs = (await postgresPrograms()) ?? '';
    primary = await startPostgresCluster(programs);
    service = new ServiceName(await mkdtemp(join(tmpdir(), 'sp-service-')));
    maintenance = await open(primary.url('postgres'));
    await sql`create database sallyport`.execute(maintenance.db);
    onPrimary = await open(primary.url('sallyport'));
    await migrateToLatest(onPrimary.db);
    sample = await sampleAuthority(onPrimary);
    [alice, bob] = [await sample.person('alice'), await sample.person('bob')];
    await service.leadTo(primary);
    oldServer = await serverOn(onPrimary, sample, now);
    server = await serverOn(await open(service.url), sample, now);
  });
  afterAll(async () => {
    for (const handle of handles) await handle.close();
    await standby?.stop();
    await primary?.stop();
    await rm(service.folder, { recursive: true });
  });

  /** Cuts whoever is connected to a database of the primary: they come back to where their URL leads by then. */
  async function cutConnections(): Promise<void> {
    await sql`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = 'sallyport' and backend_type = 'client backend'`.execute(maintenance.db);
  }

  /** Every serial that was given, and how many of them: equal if none was given twice. */
  const counts = (): [number, number] => [new Set(serials).size, serials.length];

  test('[abuse 18] serials go on after Postgres was cut off from its power', async () => {
    // The people stay; what comes after may be lost, as this Postgres does not wait for its disk.
    await sql`checkpoint`.execute(maintenance.db);
    serials.push((await server.issue(alice.sessionId)).serial, ...(await server.serials(100)));
    await primary.crash();
    clock.now = new Date(clock.now.getTime() + 1000);
    const first = (await server.issue(alice.sessionId)).serial;
    expect(first).toBeGreaterThanOrEqual(serialFloor(clock.now, 0n));
    serials.push(first, (await oldServer.issue(bob.sessionId)).serial, ...(await oldServer.serials(100)));
    expect(counts()).toEqual([203, 203]);
  });

  test('[abuse 134] [abuse 18] no serial is given twice: a read-only database, a failover, two primaries at once', async () => {
    // Read only, by an administrator's hand.
    await sql`alter database sallyport set default_transaction_read_only = on`.execute(maintenance.db);
    await cutConnections();
    expect(await refusalCode(server.issue(alice.sessionId))).toBe('database_unavailable');
    await sql`alter database sallyport reset default_transaction_read_only`.execute(maintenance.db);
    await cutConnections();
    serials.push((await server.issue(alice.sessionId)).serial);

    // Read only, because it is the standby.
    standby = await startPostgresCluster(programs, primary);
    const onStandby = await open(standby.url('sallyport'));
    await service.leadTo(standby);
    await cutConnections();
    expect(await refusalCode(server.issue(alice.sessionId))).toBe('database_unavailable');
    expect(await refusalCode(serverOn(onStandby, sample, now))).toBe('database_unavailable');

    // The standby loses the primary, which goes on, and then takes over.
    await sql`alter system set primary_conninfo = ''`.execute(onStandby.db);
    await sql`select pg_reload_conf()`.execute(onStandby.db);
    await until(async () => {
      const { rows } = await sql`select from pg_stat_wal_receiver`.execute(onStandby.db);
      return rows.length === 0;
    }, 'the standby stops following');
    const lost = await oldServer.issue(alice.sessionId);
    await inTransaction(onPrimary.db, (tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'revoked', by: 'admin' }, now()),
    );
    serials.push(lost.serial, ...(await oldServer.serials(100)));
    await sql`select pg_promote()`.execute(onStandby.db);

    // A server that was never restarted notices, and one that starts does too. The old primary knows of nothing.
    for (const attempt of [
      () => server.issue(alice.sessionId),
      async () => (await serverOn(onStandby, sample, now)).issue(bob.sessionId),
    ]) {
      const failure = await attempt().catch((error) => error);
      expect(failure).toMatchObject({ code: 'recovery_needed', message: expect.stringMatching(/timeline/) });
    }
    serials.push((await oldServer.issue(bob.sessionId)).serial);

    const recovery = await server.recover();
    expect(recovery?.sessionsEnded).toBe(2);
    const again = await server.login(alice.accountId);
    serials.push((await server.issue(again)).serial, ...(await server.serials(100)));
    const astray = await oldServer.issue(bob.sessionId);
    serials.push(astray.serial, ...(await oldServer.serials(100)));

    // Both start in the same second, the worst that can be.
    clock.now = new Date(clock.now.getTime() + 60_000);
    const both = [await serverOn(onPrimary, sample, now), await serverOn(onStandby, sample, now)];
    for (const { serials: draw } of both) serials.push(...(await draw(1000)));
    expect(counts()).toEqual([2_508, 2_508]);

    // What the old primary has issued and still issues is refused by whoever has the new one's list.
    const krl = parseKrl((await server.authority.currentKrl()).data);
    const isRefused = ({ serial }: { serial: bigint }) =>
      isRevoked(krl, sample.userKey.publicKeyBlob, serial);
    const mine = await server.issue(again);
    expect([lost, astray, mine].map(isRefused)).toEqual([true, true, false]);
  });
});
