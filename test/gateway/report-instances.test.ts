/** A real companion of a host at the real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withDefaults } from '../../src/api/inventory-members.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createCompanion } from '../../src/gateway/companion.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import type { LogEntry } from '../../src/gateway/log.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { applyChanges } from '../../src/inventory/apply-changes.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { targetByName } from '../../src/inventory/target.ts';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { hasSshd } from './test-world.ts';

describe.skipIf(!hasSshd)('a host that reports what runs on it (needs openssh-server and curl)', () => {
  let site: WholeSite;
  let folder: string;
  beforeAll(async () => {
    site = await startWholeSite();
    folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  });
  afterAll(async () => {
    await site?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('is there when its companion runs, and stopped when that is stopped in order', async () => {
    const announces = [{ app: 'shop.production.web', login: 'web' }];
    const members = withDefaults('host', { address: '10.0.0.8', announces });
    const item = { kind: 'host', name: 'self', path: ['self'], members } as const;
    const token = await inTransaction(site.database.db, async (tx) => {
      const { now } = site.clock;
      const { organizationId } = site.shop;
      await applyChanges({ tx, organizationId, by: 'alice@acme.test', now }, [
        { action: 'create', before: null, after: item },
      ]);
      const { id } = await tx
        .selectFrom('companions')
        .select('id')
        .where('name', '=', 'self')
        .executeTakeFirstOrThrow();
      return await createEnrolmentToken(tx, id, { now, lifetimeSeconds: 600 });
    });
    const paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
    const { sshKeygen } = findPrograms();
    const serverUrl = site.publicUrl.href;
    const enrolment = await enrol({ paths, serverUrl, token, sshKeygen, kind: 'host' });
    const reported = Promise.withResolvers<LogEntry>();
    const companion = createCompanion({
      paths,
      enrolment,
      programs: findPrograms(),
      sshdPidFile: join(folder, 'sshd.pid'),
      clock: () => new Date(),
      log: (entry) => {
        if (entry.event === 'instances.reported') reported.resolve(entry);
        if (entry.event === 'instances.not_reported') reported.reject(new Error(entry.message));
      },
      reportInstances: true,
    });
    const name = 'shop-production--web--self';
    await companion.start();
    try {
      expect((await reported.promise).message).toBe(`This machine is ${name}: running.`);
      expect(await targetByName(site.database.db, name)).toMatchObject({
        state: 'running',
        host: 'self',
        login: 'web',
        address: '10.0.0.8',
      });
    } finally {
      await companion.stop();
    }
    expect(await targetByName(site.database.db, name)).toMatchObject({ state: 'stopped' });
  });
});
