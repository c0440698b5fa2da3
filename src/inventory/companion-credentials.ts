import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';
import { type Companion, companionOf } from './companion.ts';

export interface EnrolledCompanion extends Companion {
  readonly enrolledAt: Date;
}

/**
 * Who presents `credential`, looked up by its digest.
 * @throws token_invalid, the same for an unknown credential and a revoked companion
 */
export async function companionByCredential(db: Database, credential: string): Promise<EnrolledCompanion> {
  const row = await db
    .selectFrom('companions')
    .selectAll()
    .where('credential_hash', '=', tokenHash(credential))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  // Credential and moment are written together.
  if (row?.enrolled_at) return { ...companionOf(row), enrolledAt: row.enrolled_at };
  throw new SallyportError(
    'token_invalid',
    'The credential is not that of an enrolled gateway or host, or it was revoked. Enrol the machine again.',
  );
}
