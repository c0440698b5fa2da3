/** The database of a command that an operator types. */
import { readFile } from 'node:fs/promises';
import type { DatabaseHandle } from '../database/database.ts';
import { openPostgres } from '../database/open-postgres.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/**
 * Opens the database that DATABASE_URL or DATABASE_URL_FILE names, for as long as `work` takes.
 * @throws settings_invalid, database_unavailable
 */
export async function withDatabase<T>(
  environment: NodeJS.ProcessEnv,
  work: (database: DatabaseHandle) => Promise<T>,
): Promise<T> {
  const url = environment['DATABASE_URL'] || (await urlFromFile(environment['DATABASE_URL_FILE']));
  if (!url) {
    throw new SallyportError(
      'settings_invalid',
      'No database. Set DATABASE_URL, such as postgres://sallyport@localhost/sallyport (or DATABASE_URL_FILE).',
    );
  }
  const database = await openPostgres({ url });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function urlFromFile(file: string | undefined): Promise<string | undefined> {
  if (!file) return undefined;
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SallyportError('settings_invalid', `DATABASE_URL_FILE: ${file} can't be read (${error.code})`);
  });
  return text.trim();
}
