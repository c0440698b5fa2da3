/**
 * Further identities of an account. An account gets one only by somebody's explicit act: the person, proving both, or an
 * administrator. However alike names and addresses are, nothing is linked by itself.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { requireIdentifiers } from './identity.ts';
import { replaceGroups } from './replace-groups.ts';

export interface LinkedIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly linkedAt: Date;
}

interface Link {
  readonly accountId: string;
  readonly issuer: string;
  readonly subject: string;
  /** The account name of who does it. */
  readonly by: string;
}

export async function identitiesOf(db: Database, accountId: string): Promise<LinkedIdentity[]> {
  const rows = await db
    .selectFrom('identities')
    .select(['issuer', 'subject', 'created_at'])
    .where('account_id', '=', accountId)
    .orderBy('created_at')
    .orderBy('issuer')
    .orderBy('subject')
    .execute();
  return rows.map(({ issuer, subject, created_at }) => ({ issuer, subject, linkedAt: created_at }));
}

/** Whose the identity is in an organization; undefined: nobody's. */
export async function accountIdOfIdentity(
  db: Database,
  { organization, issuer, subject }: Pick<Link, 'issuer' | 'subject'> & { readonly organization: string },
): Promise<string | undefined> {
  const row = await db
    .selectFrom('identities')
    .innerJoin('organizations', 'organizations.id', 'identities.organization_id')
    .select('account_id')
    .where('organizations.slug', '=', organization)
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst();
  return row?.account_id;
}

/**
 * Returns whether it is new; linking it twice changes nothing.
 * @throws name_taken if it is another account's; login_rejected for a disabled account or one of a machine; not_found
 */
export async function linkIdentity(
  tx: Tx,
  { accountId, issuer, subject, by }: Link,
  now: Date,
): Promise<boolean> {
  requireIdentifiers({ issuer, subject });
  const account = await lockAccount(tx, accountId);
  if (account.disabled_at !== null || account.kind !== 'person') {
    throw new SallyportError(
      'login_rejected',
      `The account ${account.name} is ${account.kind === 'person' ? 'disabled' : 'of a machine'} and can have no ` +
        'further identity.',
    );
  }
  const linked = await tx
    .insertInto('identities')
    .values({
      organization_id: account.organization_id,
      issuer,
      subject,
      account_id: accountId,
      created_at: now,
    })
    .onConflict((conflict) => conflict.columns(['organization_id', 'issuer', 'subject']).doNothing())
    .returning('account_id')
    .executeTakeFirst();
  if (linked === undefined) {
    const own = await identitiesOf(tx, accountId);
    if (own.some((identity) => identity.issuer === issuer && identity.subject === subject)) return false;
    throw new SallyportError(
      'name_taken',
      'This identity belongs to another account. Unlink it there first, or ask an administrator of your organization.',
    );
  }
  await recordEvent(tx, {
    event: 'account.linked',
    organizationId: account.organization_id,
    accountId,
    facts: { name: account.name, issuer, subject, by },
  });
  return true;
}

/**
 * Takes the identity from the account. Groups go too, since they may have come with it: the next renewal or login brings
 * back those that are left. Whoever calls this has ended the identity's sessions.
 * @throws not_found
 */
export async function unlinkIdentity(
  tx: Tx,
  { accountId, issuer, subject, by, sessionsEnded }: Link & { readonly sessionsEnded: number },
  now: Date,
): Promise<void> {
  const account = await lockAccount(tx, accountId);
  const { numDeletedRows } = await tx
    .deleteFrom('identities')
    .where('account_id', '=', accountId)
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst();
  if (numDeletedRows === 0n) {
    throw new SallyportError('not_found', `The account ${account.name} has no such identity.`);
  }
  await recordEvent(tx, {
    event: 'account.unlinked',
    organizationId: account.organization_id,
    accountId,
    facts: { name: account.name, issuer, subject, by, sessions_ended: sessionsEnded },
  });
  if (await replaceGroups(tx, accountId, [])) await bumpStateVersion(tx, now, { krl: false });
}

/** Logins of the account wait until the transaction is over. @throws not_found */
export async function lockAccount(tx: Tx, accountId: string) {
  const row = await tx
    .selectFrom('accounts')
    .select(['name', 'organization_id', 'disabled_at', 'kind'])
    .where('id', '=', accountId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row) return row;
  throw new SallyportError('not_found', 'There is no such account.');
}
