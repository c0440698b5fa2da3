import { defineConfig } from 'vitest/config';

/** Folders whose tests run a second time on the embedded database. */
const twice =
  'test/{database,audit,revocation,accounts,inventory,sessions,secrets,oauth,ca,feed,connections}/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    // Each core: much of a test is waiting for other programs.
    maxWorkers: '100%',
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
          exclude: [
            '**/*.postgres.test.ts',
            'test/ca/signers/**',
            'test/oauth/{matrix,device-in-browser,ci-exchange}.test.ts',
          ],
          env: { TEST_DATABASE: 'embedded' },
        },
      },
    ],
  },
});
