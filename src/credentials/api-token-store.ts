/** The rows of API tokens. */
import type { Selectable } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import type { ApiTokenRow } from '../database/rows.ts';
import type { Role } from '../policy/facts.ts';

export interface ApiToken {
  readonly id: string;
  readonly organizationId: string;
  readonly accountId: string;
  /** Of the owner. */
  readonly account: string;
  readonly ownerDisabled: boolean;
  readonly name: string;
  readonly hint: string;
  readonly roleLimit: Role;
  readonly sourceRanges: readonly string[];
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly lastUsedAddress: string | null;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
}

export type TokenScope = { readonly organizationId: string } | { readonly accountId: string };

const listedAtMost = 1_000;
/** Those that are over stay listed for a month. */
const overShownMilliseconds = 30 * 86_400_000;

/** Live ones first, by name. */
export async function listApiTokens(db: Database, scope: TokenScope, now: Date): Promise<ApiToken[]> {
  const since = new Date(now.getTime() - overShownMilliseconds);
  const rows = await tokenQuery(db)
    .where((where) =>
      'accountId' in scope
        ? where('api_tokens.account_id', '=', scope.accountId)
        : where('api_tokens.organization_id', '=', scope.organizationId),
    )
    .where((where) =>
      where.and([
        where.or([where('revoked_at', 'is', null), where('revoked_at', '>', since)]),
        where('expires_at', '>', since),
      ]),
    )
    .orderBy((order) => order.or([order('revoked_at', 'is not', null), order('expires_at', '<=', now)]))
    .orderBy('api_tokens.name')
    .orderBy('api_tokens.id')
    .limit(listedAtMost)
    .execute();
  return rows.map(tokenOf);
}

/**
 * Whoever holds the lock uses the token or revokes it; the other waits and sees what became of it. Its owner's row is
 * locked too: nobody disables the account between this look at it and what follows.
 */
export async function lockApiToken(
  tx: Tx,
  by: { readonly hash: Buffer } | { readonly id: string },
): Promise<ApiToken | undefined> {
  const row = await tokenQuery(tx)
    .where((where) => ('hash' in by ? where('token_hash', '=', by.hash) : where('api_tokens.id', '=', by.id)))
    .forNoKeyUpdate(['api_tokens', 'accounts'])
    .executeTakeFirst();
  return row && tokenOf(row);
}

const noteUseEveryMilliseconds = 60_000;

/** Notes when and from where it was used, at most once a minute. */
export async function touchApiToken(
  tx: Tx,
  { id, lastUsedAt }: ApiToken,
  address: string,
  now: Date,
): Promise<void> {
  if (lastUsedAt !== null && now.getTime() - lastUsedAt.getTime() < noteUseEveryMilliseconds) return;
  await tx
    .updateTable('api_tokens')
    .set({ last_used_at: now, last_used_address: address })
    .where('id', '=', id)
    .execute();
}

function tokenQuery(db: Database) {
  return db
    .selectFrom('api_tokens')
    .innerJoin('accounts', 'accounts.id', 'api_tokens.account_id')
    .select([
      'api_tokens.id',
      'api_tokens.organization_id',
      'api_tokens.account_id',
      'api_tokens.name',
      'hint',
      'role_limit',
      'source_ranges',
      'created_by',
      'api_tokens.created_at',
      'expires_at',
      'last_used_at',
      'last_used_address',
      'revoked_at',
      'revoked_by',
    ])
    .select(['accounts.name as account', 'accounts.disabled_at']);
}

type TokenRow = Omit<Selectable<ApiTokenRow>, 'token_hash'> & { account: string; disabled_at: Date | null };

function tokenOf(row: TokenRow): ApiToken {
  return {
    id: row.id,
    organizationId: row.organization_id,
    accountId: row.account_id,
    account: row.account,
    ownerDisabled: row.disabled_at !== null,
    name: row.name,
    hint: row.hint,
    roleLimit: row.role_limit,
    sourceRanges: row.source_ranges,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    lastUsedAddress: row.last_used_address,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
  };
}
