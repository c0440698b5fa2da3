/** Many sessions ended at once: of an account, of a credential, of a person or a session at the identity provider. */
import type { SelectQueryBuilder } from 'kysely';
import type { Tx } from '../database/database.ts';
import type { Tables } from '../database/rows.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import {
  type EndedSessions,
  endLockedSessions,
  type LockedRow,
  type SessionsEnd,
} from './end-locked-sessions.ts';

/** Every session of the account but `except`. */
export async function endSessionsOfAccount(
  tx: Tx,
  { accountId, except, ...end }: SessionsEnd & { readonly accountId: string; readonly except?: string },
  now: Date,
): Promise<EndedSessions> {
  const query = unended(tx).where('login_sessions.account_id', '=', accountId);
  return await endAll(
    tx,
    except === undefined ? query : query.where('login_sessions.id', '<>', except),
    end,
    now,
  );
}

/** Every session of the organization that began before a moment, those of machines too. */
export async function endSessionsBefore(
  tx: Tx,
  {
    organizationId,
    before,
    by,
  }: { readonly organizationId: string; readonly before: Date; readonly by: string },
  now: Date,
): Promise<EndedSessions> {
  const query = unended(tx)
    .where('accounts.organization_id', '=', organizationId)
    .where('login_sessions.created_at', '<', before);
  return await endAll(tx, query, { reason: 'revoked', by }, now);
}

export interface UpstreamEnd extends SessionsEnd {
  /** Another organization may have the same issuer; nobody speaks for it. By its slug. */
  readonly within: { readonly organization: string } | { readonly accountId: string };
  readonly issuer: string;
  /** `sub` there; null: whosever session it is. */
  readonly subject: string | null;
  /** `sid` there; null: every session of the person. */
  readonly sid: string | null;
  /** Left out: every kind. */
  readonly kind?: 'browser';
}

/**
 * Those of a session at the identity provider, or of a person there. A session of the person that came without a `sid`
 * may be any of theirs, so it ends with each.
 */
export async function endSessionsOfUpstream(
  tx: Tx,
  { within, issuer, subject, sid, kind, ...end }: UpstreamEnd,
  now: Date,
): Promise<EndedSessions> {
  if (subject === null && sid === null) throw new TypeError('names neither a session nor a person');
  let query = unended(tx).where('login_sessions.issuer', '=', issuer);
  query =
    'accountId' in within
      ? query.where('login_sessions.account_id', '=', within.accountId)
      : query.where('accounts.organization_id', '=', (of) =>
          of.selectFrom('organizations').select('id').where('slug', '=', within.organization),
        );
  if (kind !== undefined) query = query.where('login_sessions.kind', '=', kind);
  if (subject !== null) query = query.where('login_sessions.subject', '=', subject);
  if (sid !== null) {
    query = query.where((where) =>
      where.or([
        where('login_sessions.upstream_sid', '=', sid),
        ...(subject === null ? [] : [where('login_sessions.upstream_sid', 'is', null)]),
      ]),
    );
  }
  return await endAll(tx, query, end, now);
}

/** Every session that came by an identity provider which is no more. */
export async function endSessionsOfProvider(
  tx: Tx,
  { providerSlug, ...end }: SessionsEnd & { readonly providerSlug: string },
  now: Date,
): Promise<EndedSessions> {
  return await endAll(tx, unended(tx).where('login_sessions.provider_slug', '=', providerSlug), end, now);
}

/** Every session that an API token or a CI rule gave. */
export async function endSessionsOfCredential(
  tx: Tx,
  { credentialId, ...end }: SessionsEnd & { readonly credentialId: string },
  now: Date,
): Promise<EndedSessions> {
  return await endAll(tx, unended(tx).where('login_sessions.credential_id', '=', credentialId), end, now);
}

type UnendedQuery = SelectQueryBuilder<Tables, 'login_sessions' | 'accounts', LockedRow>;

/** Those past their time are among them: connections of theirs may live. */
function unended(tx: Tx): UnendedQuery {
  return tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['login_sessions.id', 'login_sessions.account_id', 'login_sessions.grant_id'])
    .select('accounts.organization_id')
    .where('login_sessions.ended_at', 'is', null);
}

async function endAll(
  tx: Tx,
  query: UnendedQuery,
  { reason, by }: SessionsEnd,
  now: Date,
): Promise<EndedSessions> {
  // In one order everywhere, so that two of these can't wait for each other.
  const rows = await query.orderBy('login_sessions.id').forUpdate('login_sessions').execute();
  if (rows.length > 0) return await endLockedSessions(tx, rows, { reason, by }, now);
  const { version } = await readStateVersion(tx);
  return { version, sessions: 0, certificatesRevoked: 0 };
}
