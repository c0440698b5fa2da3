import { loadAccount } from '../accounts/account.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { endSession } from '../sessions/end-session.ts';
import { sessionByGrant } from '../sessions/find-session.ts';
import { clientId } from './client.ts';
import { deleteRecord } from './record-store.ts';

export type GrantEnd = 'logout' | 'refresh_reused' | 'code_reused';

/** Ends the session of a grant, with its tokens and certificates. Idempotent. */
export async function endGrant(db: Database, grantId: string, reason: GrantEnd, now: Date): Promise<void> {
  const session = await sessionByGrant(db, grantId);
  if (session === undefined) {
    await deleteRecord(db, 'Grant', grantId);
    return;
  }
  const { sessionId, accountId } = session;
  await inTransaction(db, async (tx) => {
    const { organizationId, facts } = await loadAccount(tx, accountId);
    if (reason === 'refresh_reused' && !session.facts.ended) {
      const event = { organizationId, accountId, sessionId, facts: { client: clientId } };
      await recordEvent(tx, { event: 'refresh.reused', ...event });
    }
    await endSession(tx, { sessionId, reason, by: reason === 'logout' ? facts.name : 'system' }, now);
  });
}
