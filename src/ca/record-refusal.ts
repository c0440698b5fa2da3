import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';

/**
 * Records why no certificate was given, in a transaction of its own since the refused one was rolled back. What the
 * client sent is not recorded: it may be a private key. Never throws: the caller is about to, with the real reason.
 */
export async function recordRefusal(db: Database, sessionId: string, error: unknown): Promise<void> {
  if (!isSallyportError(error) || error.code === 'database_unavailable') return;
  const { code, message, members } = error;
  const reasons = members['reasons'] as readonly string[] | undefined;
  const recorded = inTransaction(db, async (tx) => {
    const owner = await tx
      .selectFrom('login_sessions')
      .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
      .select(['accounts.id', 'accounts.organization_id'])
      .where('login_sessions.id', '=', sessionId)
      .executeTakeFirst();
    await recordEvent(tx, {
      event: 'certificate.refused',
      organizationId: owner?.organization_id ?? null,
      accountId: owner?.id ?? null,
      sessionId,
      facts: { code, message, ...(reasons ? { reasons } : {}) },
    });
  });
  await recorded.catch(() => {});
}
