import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Role } from '../policy/facts.ts';
import { tokenHash } from '../secrets/token.ts';
import { type ApiToken, lockApiToken } from './api-token-store.ts';
import { hintOf, newApiTokenText } from './api-token-text.ts';
import { checkSourceRanges } from './source-ranges.ts';

export interface Creator {
  readonly accountId: string;
  readonly account: string;
  readonly organizationId: string;
  /** On the whole organization. */
  readonly role: Role | null;
}

export interface NewApiToken {
  /** Who makes it, in their own organization. */
  readonly creator: Creator;
  /** Whose it will be: the creator's own account, or a machine account's name. */
  readonly owner?: string;
  readonly name: string;
  readonly roleLimit: Role;
  readonly sourceRanges: readonly string[];
  readonly expiresAt: Date;
}

const mostLiveTokens = 50;

/**
 * @returns the token's text, which is nowhere stored and never told again
 * @throws forbidden, not_found, name_taken, request_malformed
 */
export async function createApiToken(
  tx: Tx,
  asked: NewApiToken,
  now: Date,
): Promise<{ text: string; token: ApiToken }> {
  const { creator, name, roleLimit, sourceRanges, expiresAt } = asked;
  checkSourceRanges(sourceRanges);
  const owner = await lockOwner(tx, asked);
  await requireRoom(tx, owner, name, now);

  const text = newApiTokenText();
  const hash = tokenHash(text);
  await tx
    .insertInto('api_tokens')
    .values({
      organization_id: creator.organizationId,
      account_id: owner.id,
      name,
      token_hash: hash,
      hint: hintOf(text),
      role_limit: roleLimit,
      source_ranges: [...sourceRanges],
      created_by: creator.account,
      created_at: now,
      expires_at: expiresAt,
    })
    .execute();
  const token = await lockApiToken(tx, { hash });
  if (token === undefined) throw new TypeError('the token that was stored is not there');
  await recordEvent(tx, {
    event: 'api_token.created',
    organizationId: creator.organizationId,
    accountId: owner.id,
    facts: {
      token: token.id,
      name,
      account: owner.name,
      role_limit: roleLimit,
      by: creator.account,
      expires_at: Math.floor(expiresAt.getTime() / 1000),
      source_ranges: sourceRanges,
    },
  });
  return { text, token };
}

/** Locked, so that two tokens of one name are made one after the other, and none for an account being disabled. */
async function lockOwner(tx: Tx, { creator, owner }: NewApiToken) {
  const isOwn = owner === undefined || owner === creator.account;
  if (!isOwn && creator.role !== 'admin') {
    throw new SallyportError('forbidden', 'Only admins make API tokens for machine accounts.');
  }
  const query = tx
    .selectFrom('accounts')
    .select(['id', 'name', 'kind', 'disabled_at'])
    .where('organization_id', '=', creator.organizationId)
    .where((row) => (isOwn ? row('id', '=', creator.accountId) : row('name', '=', owner)))
    .forNoKeyUpdate();
  const account = await query.executeTakeFirst();
  if (account === undefined || (!isOwn && account.kind !== 'machine')) {
    throw new SallyportError('not_found', 'There is no machine account of this name. Make it first.');
  }
  if (account.disabled_at !== null) {
    throw new SallyportError('forbidden', `The account ${account.name} is disabled.`);
  }
  return account;
}

async function requireRoom(
  tx: Tx,
  owner: { readonly id: string; readonly name: string },
  name: string,
  now: Date,
): Promise<void> {
  const live = await tx
    .selectFrom('api_tokens')
    .select('name')
    .where('account_id', '=', owner.id)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .execute();
  if (live.some((token) => token.name === name)) {
    throw new SallyportError(
      'name_taken',
      `There is a live token ${name} of ${owner.name}. Choose another name.`,
    );
  }
  if (live.length >= mostLiveTokens) {
    throw new SallyportError(
      'forbidden',
      `${owner.name} has ${mostLiveTokens} live API tokens, the most there may be. Revoke those that nobody uses.`,
    );
  }
}
