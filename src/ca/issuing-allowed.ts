/** Issuing stops, and companions are sent nothing, while the database may have forgotten revocations. */
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { changeSentence, readStanding, type Standing } from './database-identity.ts';

/**
 * Throws unless the database is the one that was accepted. New serials ask by themselves (nextSerial); this is for what
 * needs none: signing again what is stored, and telling companions.
 * @throws recovery_needed, database_unavailable
 */
export async function requireIssuingAllowed(db: Database): Promise<void> {
  requireUnchanged(await readStanding(db));
}

/** @throws recovery_needed */
export function requireUnchanged({ accepted, changes }: Standing): void {
  if (accepted !== undefined && changes.length === 0) return;
  const what =
    accepted === undefined ? 'it holds no record of itself' : changes.map(changeSentence).join('; ');
  throw new SallyportError(
    'recovery_needed',
    `No certificates are issued: the server's database may have forgotten who was revoked (${what}). ` +
      'Certificates that you have go on working until they end. Whoever runs the server: sallyport recover',
  );
}
