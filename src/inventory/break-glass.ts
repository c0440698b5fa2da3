/**
 * Admins in an emergency: the operator of the server makes somebody one for a few hours, because nobody else is there
 * who could. It is an access rule like any other, with its reason beside it, and every use of it raises an alarm.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createAccessRule } from './access-rules.ts';

export const longestBreakGlassSeconds = 4 * 3600;

export interface BreakGlass {
  /** The account's name. */
  readonly account: string;
  readonly seconds: number;
  readonly reason: string;
}

/** @returns when it is over @throws not_found; settings_invalid */
export async function breakGlass(
  tx: Tx,
  { account, seconds, reason }: BreakGlass,
  now: Date,
): Promise<{ readonly organization: string; readonly expiresAt: Date }> {
  if (!(Number.isInteger(seconds) && seconds > 0 && seconds <= longestBreakGlassSeconds)) {
    throw new SallyportError(
      'settings_invalid',
      'An emergency admin is made for at most 4 hours, such as: --for 1h',
    );
  }
  if (!/^[^\p{Cc}\p{Cf}\p{Cs}]{3,500}$/u.test(reason.trim())) {
    throw new SallyportError(
      'settings_invalid',
      'Say why, in one line of 3 to 500 characters: --reason "..."',
    );
  }
  const found = await tx
    .selectFrom('accounts')
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .select(['accounts.id', 'accounts.organization_id', 'accounts.kind', 'accounts.disabled_at'])
    .select('organizations.slug')
    .where('accounts.name', '=', account)
    .executeTakeFirst();
  if (found === undefined) throw new SallyportError('not_found', `There is no account ${account}.`);
  if (found.kind !== 'person' || found.disabled_at !== null) {
    throw new SallyportError(
      'settings_invalid',
      `${account} ${found.kind === 'person' ? 'is disabled' : 'is a machine'} and can't log in. Name another account.`,
    );
  }
  const { id: accountId, organization_id: organizationId } = found;
  const expiresAt = new Date(now.getTime() + seconds * 1000);
  const subject = { accountId };
  const rule_id = await createAccessRule(tx, { organizationId, subject, role: 'admin', expiresAt });
  await tx
    .insertInto('break_glass')
    .values({ rule_id, account_id: accountId, reason: reason.trim(), created_at: now, expires_at: expiresAt })
    .execute();
  await recordEvent(tx, {
    event: 'break_glass.granted',
    organizationId,
    accountId,
    facts: { account, reason: reason.trim(), expires_at: Math.floor(expiresAt.getTime() / 1000) },
  });
  return { organization: found.slug, expiresAt };
}

/** The reason, while the account is an admin in an emergency. */
export async function breakGlassReason(
  db: Database,
  accountId: string,
  now: Date,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('break_glass')
    .select('reason')
    .where('account_id', '=', accountId)
    .where('expires_at', '>', now)
    .orderBy('expires_at', 'desc')
    .executeTakeFirst();
  return row?.reason;
}
