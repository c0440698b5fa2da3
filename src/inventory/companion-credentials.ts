/** Who presents a credential, looked up by its digest. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { createGather } from '../database/gather.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';

export interface EnrolledCompanion {
  readonly id: string;
  readonly organizationId: string;
  readonly enrolledAt: Date;
}

/** At every change all machines answer within a second: they are looked up together. */
const together = { largest: 400, mostWaiting: 5_000, restMilliseconds: 10 };

/**
 * Returns the function that finds the machine.
 * @throws token_invalid, the same for an unknown credential and a revoked companion; unavailable if too many ask at once
 */
export function createCredentialCheck(db: Database): (credential: string) => Promise<EnrolledCompanion> {
  const find = createGather({ ...together, read: (digests) => companionsByDigest(db, digests) });
  return async (credential) => {
    const found = await find(tokenHash(credential).toString('hex'));
    if (found !== null) return found;
    throw new SallyportError(
      'token_invalid',
      'The credential is not that of an enrolled gateway or host, or it was revoked. Enrol the machine again.',
    );
  };
}

/** Null for those that are nobody's. */
async function companionsByDigest(
  db: Database,
  digests: readonly string[],
): Promise<ReadonlyMap<string, EnrolledCompanion | null>> {
  const rows = await db
    .selectFrom('companions')
    .selectAll()
    .where(
      'credential_hash',
      '=',
      sql<Buffer>`any(${digests.map((hex) => Buffer.from(hex, 'hex'))}::bytea[])`,
    )
    .where('revoked_at', 'is', null)
    .execute();
  const found = new Map<string, EnrolledCompanion | null>(digests.map((digest) => [digest, null]));
  for (const { id, organization_id: organizationId, enrolled_at: enrolledAt, credential_hash } of rows) {
    // Credential and moment are written together.
    if (enrolledAt === null || credential_hash === null) continue;
    found.set(credential_hash.toString('hex'), { id, organizationId, enrolledAt });
  }
  return found;
}
