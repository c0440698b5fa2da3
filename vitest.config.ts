import { defineConfig } from 'vitest/config';

/** Folders whose tests run a second time on the embedded database: what has most of the SQL. */
const twice = 'test/{database,revocation,accounts,inventory,sessions,connections,ca}/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    // More than cores: much of a test is waiting for other programs.
    maxWorkers: '150%',
    globalSetup: 'test/database/global-setup.ts',
    // Real programs on a busy machine: a limit against hanging, not a measure of anything.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'postgres', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'embedded',
          include: [twice],
          // Races between connections, of which the embedded database has only one; and what uses no database, or asks it
          // nothing that others do not ask.
          exclude: ['**/*.postgres.test.ts', 'test/ca/signers/**'],
          env: { TEST_DATABASE: 'embedded' },
        },
      },
    ],
  },
});
