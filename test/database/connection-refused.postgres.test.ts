import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseUnavailable } from '../../src/database/connection-failure.ts';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { emptyPostgres, hasPostgres } from './fresh-database.ts';

describe.skipIf(!hasPostgres)('a Postgres that is up (needs postgresql)', () => {
  let postgres: Awaited<ReturnType<typeof emptyPostgres>>;
  beforeAll(async () => {
    postgres = await emptyPostgres();
  });
  afterAll(() => postgres?.drop());

  test.each([
    [
      'has no such database',
      /\/test_[0-9a-f]+\?/,
      '/nowhere?',
      /^Postgres is up but has no database of this name\./,
    ],
    ['has no such user', '//sallyport@', '//stranger@', /^Postgres does not let this user in\./],
  ])('and %s is not said to be silent', async (_what, part, other, message) => {
    const url = String(postgres?.url).replace(part, other);
    expect(url).not.toBe(postgres?.url);
    const database = await openPostgres({ url });
    const failure = await migrateToLatest(database.db).catch((error: unknown) => error);
    await database.close();
    expect(failure).toMatchObject({
      code: 'database_unavailable',
      message: expect.stringMatching(message),
    });
  });
});

test("an error of the driver's own about a password is told apart from silence", () => {
  const error = new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string');
  expect(databaseUnavailable(error).message).toContain('the user and the password in DATABASE_URL');
});
