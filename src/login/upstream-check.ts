/**
 * Whether the person of a session is still known at their identity provider. Asked before each renewal; one answer is
 * good for five minutes, for every server process. Refresh tokens there rotate, so one process at a time asks, holding a
 * lease by compare-and-set, and no transaction is open while it does.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import type { DatabaseHandle, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { Sealer } from '../secrets/seal.ts';
import { endSession } from '../sessions/end-session.ts';
import { sessionEnded } from '../sessions/session.ts';
import type { IdentityProvider, UpstreamProfile } from './identity-provider.ts';
import type { IdentityProviders } from './identity-providers.ts';
import { opened, sealed } from './upstream-grant.ts';
import {
  isChecked,
  type Lease,
  noteOutage,
  type ProviderOutage,
  readUpstreamState,
  requireGrace,
  takeLease,
  type UpstreamState,
} from './upstream-lease.ts';

export interface UpstreamCheckParts {
  readonly database: Pick<DatabaseHandle, 'db'>;
  readonly providers: Pick<IdentityProviders, 'get'>;
  readonly sealer: Sealer;
  readonly clock: () => Date;
  /** An identity provider does not answer; told once in a while for each. */
  readonly onOutage?: (outage: ProviderOutage) => void;
}

/** How long a process waits for another's answer. */
const patienceMilliseconds = 30_000;
const pollMilliseconds = 50;

/** Why a session ends here. */
export type UpstreamEnd = 'upstream_ended' | 'upstream_refused' | 'provider_removed';

/**
 * @throws session_ended if the provider has ended it, which ends it here; unavailable if the provider has not answered
 *   for longer than the organization's grace
 */
export async function requireLiveUpstream(parts: UpstreamCheckParts, sessionId: string): Promise<void> {
  const { clock } = parts;
  const givenUp = performance.now() + patienceMilliseconds;
  for (;;) {
    const now = clock();
    const state = await readUpstreamState(parts.database.db, sessionId, now);
    if (state === undefined) throw sessionEnded();
    const { provider_slug: slug } = state;
    if (slug === null) return;
    const provider = await providerOf(parts, slug);
    if (provider === undefined) {
      await end(parts, sessionId, 'provider_removed');
      continue;
    }
    if (state.refresh_token === null) return;
    if (isChecked(state, now)) return;
    if (state.lease_until !== null && state.lease_until > now) {
      // Nobody asks just after a failure, and nobody waits for ever for who asks.
      if (state.lease === null || performance.now() > givenUp) return requireGrace(state, now);
      await wait(pollMilliseconds);
      continue;
    }
    const lease = await takeLease(parts.database.db, sessionId, now);
    if (lease !== undefined && (await ask(parts, { sessionId, lease, provider, state }))) return;
  }
}

/** Undefined: it is disabled or removed. */
async function providerOf({ providers }: UpstreamCheckParts, slug: string) {
  return await providers.get(slug).catch((error) => {
    if (isSallyportError(error) && error.code === 'not_found') return undefined;
    throw error;
  });
}

interface Asking {
  readonly sessionId: string;
  readonly lease: Lease;
  readonly provider: IdentityProvider;
  readonly state: UpstreamState;
}

/** Whether that settled it; false: somebody else has changed the grant meanwhile. @throws as requireLiveUpstream() */
async function ask(parts: UpstreamCheckParts, asking: Asking): Promise<boolean> {
  const { sessionId, lease, provider, state } = asking;
  const { subject } = state;
  if (subject === null) return await end(parts, sessionId, 'upstream_refused', lease.id);
  let profile: UpstreamProfile;
  try {
    if (lease.token === null) return false;
    const token = opened(parts.sealer, lease.token, sessionId);
    const keep = (successor: string) => keepSuccessor(parts, { sessionId, lease }, successor);
    profile = await provider.refresh(token, { subject, keep });
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    const why = ends[error.code];
    if (why !== undefined) return await end(parts, sessionId, why, lease.id);
    return await outlast(parts, asking, error);
  }
  return await apply(parts, asking, subject, profile).catch(async (error) => {
    const why = isSallyportError(error) ? ends[error.code] : undefined;
    if (why === undefined) throw error;
    return await end(parts, sessionId, why, lease.id);
  });
}

/** Before anything else is asked: whatever fails then, the old token is used up. */
async function keepSuccessor(
  { database, sealer }: UpstreamCheckParts,
  { sessionId, lease }: Pick<Asking, 'sessionId' | 'lease'>,
  successor: string,
): Promise<void> {
  await database.db
    .updateTable('upstream_grants')
    .set({ refresh_token: sealed(sealer, successor, sessionId) })
    .where('session_id', '=', sessionId)
    .where('lease', '=', lease.id)
    .execute();
}

/** @throws unavailable */
async function outlast(
  { database, clock, onOutage }: UpstreamCheckParts,
  { sessionId, lease, provider, state }: Asking,
  { code, detail, message }: SallyportError,
): Promise<true> {
  const now = clock();
  const outage = { provider: provider.slug, detail: detail ?? message };
  const isNews = await inTransaction(database.db, (tx) =>
    noteOutage(tx, { sessionId, lease, outage, code }, now),
  );
  if (isNews) onOutage?.(outage);
  requireGrace({ ...state, outage_since: state.outage_since ?? now }, now);
  return true;
}

/** Only the provider's own word that the grant is over, or that the person is not who may log in, is a refusal. */
const ends: Partial<Record<ErrorCode, UpstreamEnd>> = {
  grant_invalid: 'upstream_ended',
  login_rejected: 'upstream_refused',
  name_refused: 'upstream_refused',
};

/** Groups and name as the provider has them now. @throws login_rejected */
async function apply(
  { database, clock }: UpstreamCheckParts,
  { sessionId, lease, provider, state }: Asking,
  subject: string,
  profile: UpstreamProfile,
): Promise<boolean> {
  const { issuer, account_id } = state;
  const { accountName, displayName, groups } = profile;
  const now = clock();
  return await inTransaction(database.db, async (tx) => {
    // Locks in the order of a login that renews the session: account, grant, state version.
    await lockLinkedAccount(tx, { issuer, subject, accountId: account_id });
    const { numUpdatedRows } = await tx
      .updateTable('upstream_grants')
      .set({
        checked_at: now,
        outage_since: null,
        lease: null,
        lease_until: null,
      })
      .where('session_id', '=', sessionId)
      .where('lease', '=', lease.id)
      .executeTakeFirstOrThrow();
    const { organizationSlug } = provider;
    await accountForIdentity(
      tx,
      { issuer, subject, accountName, displayName, groups, organizationSlug },
      now,
    );
    return numUpdatedRows > 0n;
  });
}

async function lockLinkedAccount(
  tx: Tx,
  {
    issuer,
    subject,
    accountId,
  }: { readonly issuer: string; readonly subject: string; readonly accountId: string },
): Promise<void> {
  const linked = await tx
    .selectFrom('identities')
    .innerJoin('accounts', 'accounts.id', 'identities.account_id')
    .select('accounts.id')
    .where('identities.issuer', '=', issuer)
    .where('identities.subject', '=', subject)
    .where('accounts.id', '=', accountId)
    .forNoKeyUpdate('accounts')
    .executeTakeFirst();
  if (linked !== undefined) return;
  throw new SallyportError(
    'login_rejected',
    'Your identity is no longer one of this account. Run: sally login',
  );
}

/** Ends the session, if `lease` is still ours where there is one. @throws session_ended */
async function end(
  { database, clock }: UpstreamCheckParts,
  sessionId: string,
  reason: UpstreamEnd,
  lease?: string,
): Promise<false> {
  const ended = await inTransaction(database.db, async (tx) => {
    await tx.selectFrom('login_sessions').select('id').where('id', '=', sessionId).forUpdate().execute();
    const grant = await tx
      .selectFrom('upstream_grants')
      .select('lease')
      .where('session_id', '=', sessionId)
      .executeTakeFirst();
    // A new login of the session has brought a new grant.
    if (lease !== undefined && grant?.lease !== lease) return false;
    await endSession(tx, { sessionId, reason, by: 'system' }, clock());
    return true;
  });
  if (ended) throw sessionEnded();
  return false;
}
