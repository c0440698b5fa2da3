import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests that run a second time on the embedded database: what has most of the SQL. */
const twice = [
  'test/{database,revocation,accounts,inventory,sessions,connections}/**/*.test.ts',
  'test/ca/{certificate-authority,current-krl,issue-refusals,issue-user-certificate}.test.ts',
];

/** Tests that leave nothing behind in their process: loading the server, or sally, once will do for many of them. */
const together = [
  'test/{accounts,audit,connections,console,credentials,feed,http,inventory,login,oauth}/**/*.test.ts',
  'test/{pages,policy,revocation,sessions,ssh}/**/*.test.ts',
  'test/{cli,docs,files,gateway,limits,operator,outbound,property,secrets,structure}/**/*.test.ts',
  'test/ca/*.test.ts',
];

/** Whole crowds of logins, each of which takes the whole machine. */
const alone = ['test/netns/rush.test.ts', 'test/tour/fifty-ssh.test.ts'];

/** Small files that take long: begun last, they would keep one core busy alone. */
const slow = /\/test\/(netns|build|tour|dev\/npm-start|fuzz\/fuzz-parser|cli\/reach|cli\/tunnels\/tunnels)/;

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification) => slow.test(moduleId);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    // Half of the embedded database's time would be spent on making WASM faster that has ended by then.
    execArgv: ['--liftoff-only'],
    // One more than processors: much of a test is waiting for other programs, and more only get into each other's way.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: SlowFirst },
    globalSetup: 'test/database/global-setup.ts',
    // Real programs on a busy machine: a limit against hanging, not a measure of anything.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...together, ...alone],
        },
      },
      { extends: true, test: { name: 'together', include: together, isolate: false } },
      // After all others, one after the other.
      { extends: true, test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: 'embedded',
          include: twice,
          // Races between connections, of which the embedded database has only one.
          exclude: ['**/*.postgres.test.ts'],
          env: { TEST_DATABASE: 'embedded' },
        },
      },
    ],
  },
});
