/** `sallyport serve`: one server process on Postgres. */
import { migrateToLatest } from '../database/migrate.ts';
import { openPostgres } from '../database/open-postgres.ts';
import { openServerKeys } from './keys-folder.ts';
import { readServeSettings } from './settings.ts';
import { startServer } from './start-server.ts';

export interface ServeSurroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly onStop: (stop: () => Promise<void>) => void;
}

/** Returns when it listens; runs until stopped. @throws settings_invalid with every problem, database_unavailable, in_use */
export async function runServe({ environment, onStop }: ServeSurroundings): Promise<void> {
  const settings = await readServeSettings(environment);
  const keys = await openServerKeys(settings.keysFolder);
  const database = await openPostgres({ url: settings.databaseUrl });
  try {
    await migrateToLatest(database.db);
    const server = await startServer({
      database,
      keys,
      publicUrl: settings.publicUrl,
      listen: settings.listen,
      organizationSlug: settings.organizationSlug,
      identityProvider: settings.identityProvider,
      acceptDemoIdentityProvider: false,
      trustedProxies: settings.trustedProxies,
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
