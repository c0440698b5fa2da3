import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
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
 * identity is never given to another, however alike the e-mail addresses are.
 * @throws name_refused, login_rejected
 */
export async function accountForIdentity(tx: Tx, claimed: Identity, now: Date): Promise<AccountOfIdentity> {
  const identity = checkedIdentity(claimed);
  const organizationId = await organizationBySlug(tx, identity.organizationSlug);
  const linked = await linkedAccount(tx, identity);
  const name = linked?.name ?? identity.accountName;
  await requireDomain(tx, name, organizationId);
  if (linked === undefined) return await createAccount(tx, identity, organizationId, now);

  if (linked.organization_id !== organizationId) {
    throw new SallyportError('login_rejected', `The account ${name} belongs to another organization.`);
  }
  if (linked.disabled_at !== null) {
    throw new SallyportError(
      'login_rejected',
      `The account ${name} is disabled. Ask an administrator of your organization to enable it.`,
    );
  }
  await tx
    .updateTable('accounts')
    .set({ display_name: identity.displayName })
    .where('id', '=', linked.id)
    .execute();
  if (await replaceGroups(tx, linked.id, identity.groups)) await bumpStateVersion(tx, now, { krl: false });
  return { accountId: linked.id, name, organizationId };
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

/** Locks the account, so that two logins of one person replace its groups one after the other. */
async function linkedAccount(tx: Tx, { issuer, subject }: Identity) {
  return await tx
    .selectFrom('identities')
    .innerJoin('accounts', 'accounts.id', 'identities.account_id')
    .select(['accounts.id', 'accounts.name', 'accounts.organization_id', 'accounts.disabled_at'])
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .forNoKeyUpdate('accounts')
    .executeTakeFirst();
}

/** An identity provider speaks only for the domains that the operator gave to its organization. */
async function requireDomain(tx: Tx, name: string, organizationId: string): Promise<void> {
  const domain = name.slice(name.indexOf('@') + 1);
  const row = await tx
    .selectFrom('organization_domains')
    .select('domain')
    .where('domain', '=', domain)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst();
  if (row) return;
  throw new SallyportError(
    'login_rejected',
    `Accounts of ${domain} may not log in through this identity provider. Use an account of your organization, ` +
      'or ask the operator of this server to add the domain to it.',
  );
}

async function createAccount(
  tx: Tx,
  identity: Identity,
  organizationId: string,
  now: Date,
): Promise<AccountOfIdentity> {
  const { accountName: name, issuer, subject } = identity;
  const created = await tx
    .insertInto('accounts')
    .values({ organization_id: organizationId, name, display_name: identity.displayName, created_at: now })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (created === undefined) return await afterLostRace(tx, identity, organizationId);

  await tx
    .insertInto('identities')
    .values({ issuer, subject, account_id: created.id, created_at: now })
    .execute();
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

/** The name is there already: by this person's other first login a moment ago, or by somebody else's. */
async function afterLostRace(tx: Tx, identity: Identity, organizationId: string): Promise<AccountOfIdentity> {
  const linked = await linkedAccount(tx, identity);
  if (linked) return { accountId: linked.id, name: linked.name, organizationId };
  throw new SallyportError(
    'login_rejected',
    `The account ${identity.accountName} belongs to another identity. If your identity at the provider is new, ` +
      'ask an administrator of your organization.',
    { detail: `claimed by subject ${identity.subject} of ${identity.issuer}` },
  );
}
