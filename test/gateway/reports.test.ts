import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createCompanion } from '../../src/gateway/companion.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { TestAuthority } from './test-authority.ts';
import { hasSshd } from './test-world.ts';

const authority = new TestAuthority();
beforeAll(() => authority.start());
afterAll(() => authority.stop());

test.skipIf(!hasSshd)('a report that was not taken is sent again when the server is heard of', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  const paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
  const programs = findPrograms();
  const enrolment = await enrol({
    paths,
    serverUrl: authority.url,
    token: authority.token('gateway', 'gateway'),
    sshKeygen: programs.sshKeygen,
    kind: 'gateway',
  });
  const refused = Promise.withResolvers<void>();
  const companion = createCompanion({
    paths,
    enrolment,
    programs,
    sshdPidFile: join(folder, 'sshd.pid'),
    clock: () => new Date(),
    log: ({ event }) => event === 'feed.not_reported' && refused.resolve(),
  });
  onTestFinished(async () => {
    await companion.stop();
    await rm(folder, { recursive: true });
  });
  authority.refusesReports = true;
  await companion.start();
  await refused.promise;
  authority.refusesReports = false;
  const reported = once(authority.heard, 'report', { signal: AbortSignal.timeout(20_000) });
  authority.push();
  await reported;
  expect(authority.reports).toEqual([{ connections: [] }]);
});
