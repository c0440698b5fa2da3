/** Once per run: a private Postgres with a migrated template database, which freshDatabase() clones. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { postgresPrograms, startPostgresCluster } from './postgres-cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the maintenance database; null if Postgres is not installed. */
    postgresUrl: string | null;
    /** Where the embedded database's template is kept once a test has made it. */
    embeddedTemplate: string;
  }
}

export const templateDatabase = 'sallyport_template';

/** Where what the tests start finds our own code compiled: most of a short program's time is reading TypeScript. */
const compiled = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'sallyport');

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.env['NODE_COMPILE_CACHE'] ??= compiled;
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-tests-'));
  project.provide('embeddedTemplate', join(folder, 'embedded-template.tar'));
  const programs = await postgresPrograms();
  if (programs === undefined) {
    console.log(
      'Postgres is not installed (apt-get install postgresql): tests run on the embedded database.',
    );
    project.provide('postgresUrl', null);
    return () => rm(folder, { recursive: true, force: true });
  }
  const cluster = await startPostgresCluster(programs);
  try {
    await createTemplate(cluster.url('postgres'), cluster.url(templateDatabase));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  project.provide('postgresUrl', cluster.url('postgres'));
  return async () => {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

async function createTemplate(maintenanceUrl: string, templateUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: maintenanceUrl });
  await client.connect();
  try {
    await client.query(`create database ${templateDatabase}`);
    const template = await openPostgres({ url: templateUrl });
    await migrateToLatest(template.db).finally(() => template.close());
    // A session on it would keep others from cloning it.
    await client.query(`alter database ${templateDatabase} with allow_connections false`);
  } finally {
    await client.end();
  }
}
