/** A certificate that is in its time and opens nothing: its CA key is not trusted any more. */
import type { Tx } from '../database/database.ts';

/** Whether the session's newest certificate is one; a renewal helps then. */
export async function hasLostCertificate(tx: Tx, sessionId: string, now: Date): Promise<boolean> {
  const newest = await tx
    .selectFrom('certificates')
    .innerJoin('ca_keys', 'ca_keys.id', 'certificates.ca_key_id')
    .select('ca_keys.state')
    .where('certificates.session_id', '=', sessionId)
    .where('certificates.kind', '=', 'user')
    .where('certificates.valid_before', '>', now)
    .orderBy('certificates.valid_before', 'desc')
    .orderBy('certificates.serial', 'desc')
    .limit(1)
    .executeTakeFirst();
  return newest?.state === 'retired';
}
