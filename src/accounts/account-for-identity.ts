import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { requireDomain } from './domains.ts';
import { checkedIdentity, type Identity } from './identity.ts';
import { replaceGroups } from './replace-groups.ts';

export interface AccountOfIdentity {
  readonly accountId: string;
  readonly name: string;
  readonly organizationId: string;
}

/**
 * The account of a person who has just proved at an identity provider who they are; made at their first login. A person
 * is (issuer, subject) and nothing else: an account keeps the name of its first login, and a name that is linked to one
 * identity is never given to another, however alike the e-mail addresses are. What another organization has linked with
 * the same provider says nothing here: it could name anybody there.
 * @throws name_refused, login_rejected
 */
export async function accountForIdentity(tx: Tx, claimed: Identity, now: Date): Promise<AccountOfIdentity> {
  const identity = checkedIdentity(claimed);
  const organizationId = await organizationBySlug(tx, identity.organizationSlug);
  const known = await linkedAccount(tx, identity, organizationId);
  await requireDomain(tx, known?.name ?? identity.accountName, organizationId);
  if (known === undefined) {
    const created = await createAccount(tx, identity, organizationId, now);
    if (created !== undefined) return created;
  }
  // Name or identity are there already: this person's, from another first login a moment ago, or somebody else's.
  const account = known ?? (await linkedAccount(tx, identity, organizationId));
  if (account === undefined) throw nameOfAnother(identity);
  return await logInAgain(tx, account, identity, organizationId, now);
}

async function logInAgain(
  tx: Tx,
  account: LinkedAccount,
  { displayName, groups }: Identity,
  organizationId: string,
  now: Date,
): Promise<AccountOfIdentity> {
  const { id, name } = account;
  if (account.disabled_at !== null) {
    throw new SallyportError(
      'login_rejected',
      `The account ${name} is disabled. Ask an administrator of your organization to enable it.`,
    );
  }
  await tx.updateTable('accounts').set({ display_name: displayName }).where('id', '=', id).execute();
  if (await replaceGroups(tx, id, groups)) await bumpStateVersion(tx, now, { krl: false });
  return { accountId: id, name, organizationId };
}

async function organizationBySlug(tx: Tx, slug: string): Promise<string> {
  const row = await tx.selectFrom('organizations').select('id').where('slug', '=', slug).executeTakeFirst();
  if (row) return row.id;
  throw new SallyportError(
    'login_rejected',
    'The identity provider is set up for an organization that does not exist here. Ask the operator of this server.',
    { detail: `no organization ${slug}` },
  );
}

type LinkedAccount = NonNullable<Awaited<ReturnType<typeof linkedAccount>>>;

/** Locks the account until the login is through: it is not disabled meanwhile, and another login of it waits. */
async function linkedAccount(tx: Tx, { issuer, subject }: Identity, organizationId: string) {
  const account = await tx
    .selectFrom('identities')
    .innerJoin('accounts', 'accounts.id', 'identities.account_id')
    .select(['accounts.id', 'accounts.name', 'accounts.disabled_at'])
    .where('identities.organization_id', '=', organizationId)
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .forNoKeyUpdate('accounts')
    .executeTakeFirst();
  if (account === undefined) return undefined;
  // While it waited for the lock, the identity may have been unlinked: that changes another row than the one it locked.
  const stillLinked = await tx
    .selectFrom('identities')
    .select('account_id')
    .where('organization_id', '=', organizationId)
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .where('account_id', '=', account.id)
    .executeTakeFirst();
  return stillLinked && account;
}

/** Undefined if the name is taken, or if the identity got an account under another name a moment ago. */
async function createAccount(
  tx: Tx,
  identity: Identity,
  organizationId: string,
  now: Date,
): Promise<AccountOfIdentity | undefined> {
  const { accountName: name, issuer, subject } = identity;
  const created = await tx
    .insertInto('accounts')
    .values({ organization_id: organizationId, name, display_name: identity.displayName, created_at: now })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (created === undefined) return undefined;

  const linked = await tx
    .insertInto('identities')
    .values({ organization_id: organizationId, issuer, subject, account_id: created.id, created_at: now })
    .onConflict((conflict) => conflict.columns(['organization_id', 'issuer', 'subject']).doNothing())
    .returning('account_id')
    .executeTakeFirst();
  if (linked === undefined) {
    await tx.deleteFrom('accounts').where('id', '=', created.id).execute();
    return undefined;
  }
  await replaceGroups(tx, created.id, identity.groups);
  await recordEvent(tx, {
    event: 'account.created',
    organizationId,
    accountId: created.id,
    facts: { name, issuer, subject },
  });
  await bumpStateVersion(tx, now, { krl: false });
  return { accountId: created.id, name, organizationId };
}

function nameOfAnother({ accountName, issuer, subject }: Identity): SallyportError {
  return new SallyportError(
    'login_rejected',
    `The account ${accountName} belongs to another identity. If it is yours too, log in with the one you used before ` +
      'and link this one in the console, under Security; if your identity at the provider is new, ask an ' +
      'administrator of your organization.',
    { detail: `claimed by subject ${subject} of ${issuer}` },
  );
}
