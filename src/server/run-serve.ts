/** `sallyport serve`: one server process on Postgres. */
import type { Database } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { openPostgres } from '../database/open-postgres.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readReleaseFile } from './release-file.ts';
import { readServeSettings } from './settings.ts';
import { startServer } from './start-server.ts';

export interface ServeSurroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly onStop: (stop: () => Promise<void>) => void;
}

/** Returns when it listens; runs until stopped. @throws settings_invalid with every problem, database_unavailable, in_use */
export async function runServe({ environment, onStop }: ServeSurroundings): Promise<void> {
  const settings = await readServeSettings(environment);
  const { releaseFile } = settings;
  const database = await openPostgres({ url: settings.databaseUrl });
  try {
    await migrateToLatest(database.db);
    await requireOrganization(database.db, settings.organizationSlug, 'SALLYPORT_ORGANIZATION');
    for (const { slug, settings: provider } of settings.identityProviders) {
      await requireOrganization(database.db, provider.organization, `identity provider ${slug}`);
    }
    const server = await startServer({
      database,
      keys: settings.keys,
      weakKeys: settings.weakKeys,
      ...(releaseFile !== undefined && { readRelease: () => readReleaseFile(releaseFile) }),
      publicUrl: settings.publicUrl,
      listen: settings.listen,
      identityProviders: settings.identityProviders,
      privateProviderNetworks: settings.privateProviderNetworks,
      acceptDemoIdentityProvider: false,
      trustedProxies: settings.trustedProxies,
      proxyHops: settings.proxyHops,
      operators: settings.operators,
      logger: { level: 'info' },
      clock: () => new Date(),
    });
    onStop(async () => {
      await server.close();
      await database.close();
    });
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Otherwise everybody's first login would fail, which nobody at the server would see. */
async function requireOrganization(db: Database, slug: string, where: string): Promise<void> {
  const found = await db.selectFrom('organizations').select('id').where('slug', '=', slug).executeTakeFirst();
  if (found) return;
  throw new SallyportError(
    'settings_invalid',
    `${where}: the database holds no organization "${slug}". Create it with: sallyport setup FILE (see deploy/setup.example.json)`,
  );
}
