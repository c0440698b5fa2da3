import { createHash } from 'node:crypto';
import type { Database } from '../database/database.ts';

/**
 * Notes a DPoP proof as used (RFC 9449 section 11.1). One statement: of two requests with one proof, one gets false.
 * @param scope what the `jti` is unique within: the key, and the endpoint that keeps apart from the others
 * @param expiresAt when a proof of this age is no longer accepted for its age
 */
export async function useProofOnce(
  db: Database,
  { scope, jti }: { readonly scope: string; readonly jti: string },
  expiresAt: Date,
): Promise<boolean> {
  const proof_hash = createHash('sha256').update(`${scope}\n${jti}`).digest();
  const inserted = await db
    .insertInto('dpop_proofs')
    .values({ proof_hash, expires_at: expiresAt })
    .onConflict((conflict) => conflict.column('proof_hash').doNothing())
    .returning('proof_hash')
    .executeTakeFirst();
  return inserted !== undefined;
}
