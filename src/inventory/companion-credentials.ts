import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';
import { type Companion, companionOf } from './companion.ts';

/**
 * Who presents `credential`, looked up by its digest.
 * @throws token_invalid, the same for an unknown credential and a revoked companion
 */
export async function companionByCredential(db: Database, credential: string): Promise<Companion> {
  const row = await db
    .selectFrom('companions')
    .selectAll()
    .where('credential_hash', '=', tokenHash(credential))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (row) return companionOf(row);
  throw new SallyportError(
    'token_invalid',
    'The credential is not that of an enrolled gateway or host, or it was revoked. Enrol the machine again.',
  );
}
