import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { pruneRevokedRanges } from '../../src/revocation/revoked-ranges.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { emptyPostgres, type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { postgresPrograms } from '../database/postgres-cluster.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { type Issued, serverOn } from './copies.ts';
import { type Person, refusalCode, type SampleAuthority, sampleAuthority } from './sample-authority.ts';
import { hasSsh, TrustingMachine } from './trusting-machine.ts';

type Server = Awaited<ReturnType<typeof serverOn>>;
type Held = Issued & { readonly key: GeneratedKey };

describe.skipIf(!hasPostgres || !hasSsh)(
  'a backup that is restored (needs postgresql, openssh-server)',
  () => {
    const folder = temporaryFolder();
    const machine = new TrustingMachine(folder);
    const dump = folder.path('backup');
    // sshd asks the machine's clock.
    const clock = { now: new Date() };
    const now = () => clock.now;
    let programs = '';
    let original: FreshDatabase;
    let sample: SampleAuthority;
    let server: Server;
    let alice: Person;
    let bob: Person;
    let carol: Person;
    let beforeBackup: Held;
    let afterBackup: Held;
    /** The list's version that machines have, which revokes bob. */
    let installed: bigint;

    async function held(by: Server, sessionId: string): Promise<Held> {
      const key = generateEd25519();
      return { key, ...(await by.issue(sessionId, key)) };
    }

    async function postgresProgram(name: string, args: readonly string[]): Promise<void> {
      const { status, stderr } = await runProgram(join(programs, name), args);
      if (status !== 0) throw new Error(`${name}: ${stderr}`);
    }

    beforeAll(async () => {
      programs = (await postgresPrograms()) ?? '';
      original = await freshDatabase();
      sample = await sampleAuthority(original, {}, undefined, clock.now);
      server = await serverOn(original, sample, now);
      [alice, bob] = [await sample.person('alice'), await sample.person('bob')];
      beforeBackup = await held(server, bob.sessionId);
      await postgresProgram('pg_dump', ['--format=custom', `--file=${dump}`, String(original.url)]);

      // All that the backup does not know.
      afterBackup = await held(server, alice.sessionId);
      carol = await sample.person('carol');
      const ended = await inTransaction(original.db, (tx) =>
        endSession(tx, { sessionId: bob.sessionId, reason: 'revoked', by: 'admin' }, clock.now),
      );
      installed = ended.version;
      const { data } = await server.authority.currentKrl();
      const principals = ['alice@example.com', 'bob@example.com'];
      await machine.start(sample.userKey.publicKeyBlob, data, principals);
      clock.now = new Date(clock.now.getTime() + 5_000);
    });
    afterAll(async () => {
      await machine.stop();
      await original?.close();
    });

    async function restoredIntoNewDatabase(): Promise<string> {
      const empty = await emptyPostgres();
      if (empty === null) throw new Error('no Postgres');
      onTestFinished(() => empty.drop());
      await postgresProgram('pg_restore', ['--no-owner', `--dbname=${empty.url}`, dump]);
      return empty.url;
    }

    /** A database that a server has accepted, and works with. */
    async function accepted(): Promise<string> {
      const url = await restoredIntoNewDatabase();
      const handle = await openPostgres({ url });
      await sql`delete from database_identity`.execute(handle.db);
      const { authority, issue } = await serverOn(handle, sample, now);
      await issue(alice.sessionId);
      await authority.close();
      await handle.close();
      return url;
    }

    async function copiedAsTemplate(): Promise<string> {
      const source = await accepted();
      const [, name = ''] = /\/(test_[0-9a-f]+)\?/.exec(source) ?? [];
      const client = new pg.Client({ connectionString: source.replace(name, 'postgres') });
      await client.connect();
      onTestFinished(async () => {
        await client.query(`drop database ${name}_copy with (force)`);
        await client.end();
      });
      await client.query(`create database ${name}_copy template ${name}`);
      return source.replace(name, `${name}_copy`);
    }

    /** The same cluster, timeline and database. */
    async function restoredOverItself(): Promise<string> {
      const url = await accepted();
      const own = folder.path('own-backup');
      await postgresProgram('pg_dump', ['--format=custom', `--file=${own}`, url]);
      await postgresProgram('pg_restore', ['--no-owner', '--clean', `--dbname=${url}`, own]);
      return url;
    }

    async function openRestored(url: string): Promise<{ db: FreshDatabase['db']; server: Server }> {
      const handle = await openPostgres({ url, poolSize: 3 });
      onTestFinished(() => handle.close());
      const restored = await serverOn(handle, sample, now);
      onTestFinished(() => restored.authority.close());
      return { db: handle.db, server: restored };
    }

    test('the machine refuses who was revoked, and lets the others in', async () => {
      expect(await machine.letsIn(afterBackup)).toBe(true);
      expect(await machine.letsIn(beforeBackup)).toBe(false);
    });

    test.each([
      ['a copy within the cluster', copiedAsTemplate, /copy of the database/],
      ['a dump over the same database', restoredOverItself, /restored from a dump/],
    ] as const)('[abuse 18] %s is noticed: nothing is issued from it', async (_what, restore, message) => {
      const { server: restored } = await openRestored(await restore());
      const failure = await restored.issue(alice.sessionId).catch((error) => error);
      expect(failure).toMatchObject({ code: 'recovery_needed', message: expect.stringMatching(message) });
    });

    test('[abuse 141] [abuse 18] after recover no serial comes twice, the list never goes back, and what the backup forgot is refused', async () => {
      const { db, server: restored } = await openRestored(await restoredIntoNewDatabase());
      // bob's session lives again, and so does what he may have asked for.
      for (const { sessionId } of [alice, bob]) {
        expect(await refusalCode(restored.issue(sessionId))).toBe('recovery_needed');
      }

      const recovery = await restored.recover();
      expect(recovery).toMatchObject({ sessionsEnded: 2 });
      expect(await restored.recover()).toBeUndefined();

      const krl = await restored.authority.currentKrl();
      expect(BigInt(krl.version)).toBeGreaterThan(installed);
      await machine.install(krl.data);
      expect(await machine.letsIn(beforeBackup)).toBe(false);
      expect(await machine.letsIn(afterBackup)).toBe(false);

      // Ended, and unknown.
      for (const { sessionId } of [alice, bob, carol]) {
        expect(await refusalCode(restored.issue(sessionId))).toBe('session_ended');
      }
      const again = await held(restored, await restored.login(alice.accountId));
      expect(await machine.letsIn(again)).toBe(true);
      const earlier = [beforeBackup, afterBackup].map(({ serial }) => serial);
      expect(earlier.every((serial) => serial < again.serial)).toBe(true);

      // The range is needed as long as certificates live, and then it goes.
      const soon = (milliseconds: number) => new Date(clock.now.getTime() + milliseconds);
      expect(await inTransaction(db, (tx) => pruneRevokedRanges(tx, soon(86_400_000)))).toBe(0);
      const { krlVersion } = await readStateVersion(db);
      expect(await inTransaction(db, (tx) => pruneRevokedRanges(tx, soon(31 * 86_400_000)))).toBe(2);
      expect((await readStateVersion(db)).krlVersion).toBeGreaterThan(krlVersion);
    });
  },
);
