import { createHash } from 'node:crypto';
import type { Database } from '../database/database.ts';

/**
 * Notes that an identifier was used. One statement: of two requests with the same one, one gets false.
 * @param scope what it is unique within, such as the issuer and the kind of token
 * @param expiresAt when it would be refused for its age
 */
export async function useOnce(
  db: Database,
  { scope, identifier }: { readonly scope: string; readonly identifier: string },
  expiresAt: Date,
): Promise<boolean> {
  const inserted = await db
    .insertInto('used_identifiers')
    .values({
      scope,
      identifier_hash: createHash('sha256').update(identifier, 'utf8').digest(),
      expires_at: expiresAt,
    })
    .onConflict((conflict) => conflict.columns(['scope', 'identifier_hash']).doNothing())
    .returning('scope')
    .executeTakeFirst();
  return inserted !== undefined;
}
