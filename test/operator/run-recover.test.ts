import { spawnSync } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readStanding } from '../../src/ca/database-identity.ts';
import { type RecoverOptions, runRecover } from '../../src/operator/run-recover.ts';
import { sampleAuthority, startTime } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';

describe.skipIf(!hasPostgres)('the command (needs postgresql)', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    const sample = await sampleAuthority(database);
    await sample.person('alice');
  });
  afterAll(() => database.close());

  beforeEach(async () => {
    await sql`update database_identity set timeline = timeline + 1, written_by = pg_current_xact_id()`.execute(
      database.db,
    );
  });

  /** @param typed what somebody types; undefined: there is no terminal */
  async function run(options: RecoverOptions, typed?: string) {
    const stdout = new PassThrough();
    const output = text(stdout);
    const stdin = Object.assign(Readable.from(typed ? [typed] : []), { isTTY: typed !== undefined });
    const environment = { DATABASE_URL: String(database.url) };
    const failure = await runRecover(options, { environment, stdin, stdout, clock: () => startTime }).then(
      () => undefined,
      (error: unknown) => error,
    );
    stdout.end();
    return { failure, output: await output };
  }

  const isNeeded = async () => (await readStanding(database.db)).changes.length > 0;

  test('says what happened and what it will do, and does it once somebody types yes', async () => {
    const { failure, output } = await run({}, 'yes\n');
    expect(failure).toBeUndefined();
    expect(output).toMatch(/^This database is cluster \d+, timeline 1, database \d+\./);
    expect(output).toContain('- Postgres is on another timeline than before');
    expect(output).toContain('- ends 1 login sessions: everybody logs in again');
    expect(output).toMatch(
      /Recovered with state version \d+:\nserials up to \d+ are revoked, 1 sessions ended/,
    );
    expect(await isNeeded()).toBe(false);

    const again = await run({}, 'yes\n');
    expect(again.failure).toBeUndefined();
    expect(again.output).toContain('there is nothing to do');
    expect(again.output).not.toContain('Type yes');
  });

  test.each(['no\n', 'y\n', '\n', 'YES\n', ''])('does nothing for another answer (%j)', async (answer) => {
    const { failure } = await run({}, answer);
    expect(failure).toMatchObject({ code: 'recovery_needed' });
    expect(await isNeeded()).toBe(true);
  });

  test('asks nobody where there is no terminal: it wants --yes', async () => {
    const { failure, output } = await run({});
    expect(failure).toMatchObject({
      code: 'recovery_needed',
      message: expect.stringContaining('sallyport recover --yes'),
    });
    expect(output).not.toContain('Type yes');
    expect(await isNeeded()).toBe(true);
    expect((await run({ yes: true })).failure).toBeUndefined();
    expect(await isNeeded()).toBe(false);
  });

  test('where nothing happened it wants --anyway', async () => {
    await run({ yes: true });
    expect((await run({ yes: true })).output).not.toContain('Recovered');
    expect((await run({ yes: true, anyway: true })).output).toContain('Recovered');
  });

  test('who said nothing is told the command with the options that were given', async () => {
    const told = async (options: RecoverOptions) => (await run(options)).failure;
    expect(await told({ nothingWasLost: true })).toMatchObject({
      message: 'Nothing was done. To accept it as it is: sallyport recover --nothing-was-lost --yes',
    });
    expect(await told({ anyway: true })).toMatchObject({
      message: 'Nothing was done. To recover: sallyport recover --anyway --yes',
    });
  });

  test('prints no line over 80 columns', async () => {
    const outputs = [
      await run({}),
      await run({ nothingWasLost: true }),
      await run({ yes: true }),
      await run({}),
    ];
    const lines = outputs.flatMap(({ output }) => output.split('\n'));
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  test('with --json prints one document, and changes nothing without --yes', async () => {
    const asked = await run({ json: true }, 'yes\n');
    expect(asked.failure).toMatchObject({ code: 'recovery_needed' });
    expect(JSON.parse(asked.output)).toMatchObject({
      needed: true,
      found: [{ kind: 'other_timeline' }],
      accepted: { timeline: 2 },
      present: { timeline: 1 },
      done: null,
    });
    const done = JSON.parse((await run({ json: true, yes: true })).output);
    expect(done.done).toEqual({
      version: expect.stringMatching(/^\d+$/),
      revoked_up_to: expect.stringMatching(/^\d+$/),
      sessions_ended: expect.any(Number),
      enrolment_tokens_expired: 0,
      api_tokens_revoked: 0,
    });
    expect(JSON.parse((await run({ json: true })).output)).toMatchObject({ needed: false, done: null });
  });

  test('after a planned switch-over revokes nothing and ends no session', async () => {
    const before = await readStanding(database.db);
    const { failure, output } = await run({ yes: true, nothingWasLost: true });
    expect(failure).toBeUndefined();
    expect(output).toContain('- revokes nothing and ends no session');
    expect(output).toMatch(/Accepted with state version \d+\./);
    const after = await readStanding(database.db);
    expect(after.changes).toEqual([]);
    // The old primary may live on.
    expect(after.serialOffsetSeconds).toBeGreaterThan(before.serialOffsetSeconds);
    expect((await run({ nothingWasLost: true })).output).toContain('there is nothing to do');
  });

  test('is a command of sallyport that fails where nobody said yes', () => {
    const sallyport = fileURLToPath(new URL('../../bin/sallyport.js', import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [sallyport, 'recover'], {
      env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: String(database.url) },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'sallyport: Nothing was done. To recover: sallyport recover --yes\n',
    });
    expect(stdout).toContain('What happened:');
  });
});
