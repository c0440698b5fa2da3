/** The only way from a proven login to a session, in the caller's transaction. */
import { type AccountOfIdentity, accountForIdentity } from '../accounts/account-for-identity.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { MfaSource } from '../policy/facts.ts';
import type { Sealer } from '../secrets/seal.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { type Authentication, authenticationColumns, startSession } from '../sessions/start-session.ts';
import type { LoginResult } from './login-result.ts';
import { requireNotLoggedOut } from './logout-tombstones.ts';
import { requireInUse } from './provider-in-use.ts';
import { saveUpstreamGrant } from './upstream-grant.ts';

/** A login that brought what was asked of it, and who vouched for its second factor. */
export interface SessionLogin extends Omit<LoginResult, 'purpose'> {
  readonly mfaBy: MfaSource | null;
  readonly mfaTime: Date | null;
}

export interface NewLoginSession {
  readonly login: SessionLogin;
  readonly kind: 'helper' | 'browser';
  readonly clientAddress: string | null;
  readonly clientName: string | null;
  /** The authorization server's grant, of helper sessions. */
  readonly grantId?: string;
  /** tokenHash() of the cookie, of browser sessions. */
  readonly cookieHash?: Buffer;
  /** Thumbprint of the key that its tokens are bound to (RFC 7638). */
  readonly dpopJkt?: string;
}

export interface RenewedLogin {
  readonly sessionId: string;
  readonly login: SessionLogin;
  readonly grantId?: string;
  readonly cookieHash?: Buffer;
  readonly dpopJkt?: string;
}

export interface LoginSession {
  readonly sessionId: string;
  readonly accountId: string;
  readonly accountName: string;
  readonly organizationId: string;
  readonly expiresAt: Date;
}

/** The console is left open on machines that are not one's own. */
const browserSecondsAtMost = 8 * 3600;

/**
 * Starts the session of a login: its person's account, the organization's lifetimes, and what the identity provider
 * gave for renewing it, sealed.
 * @throws login_rejected, also if the provider has logged the person out meanwhile, or was removed; name_refused
 */
export async function startLoginSession(
  tx: Tx,
  { sealer }: { readonly sealer: Sealer },
  { login, kind, clientAddress, clientName, grantId, cookieHash, dpopJkt }: NewLoginSession,
  now: Date,
): Promise<LoginSession> {
  await requireNotLoggedOut(tx, login);
  await requireInUse(tx, login.provider.slug);
  const account = await accountForIdentity(tx, login, now);
  const { expiresAt, idleSeconds } = await lifetimeOf(tx, account.organizationId, kind, now);
  const sessionId = await startSession(
    tx,
    {
      ...authenticationOf(login),
      accountId: account.accountId,
      kind,
      expiresAt,
      idleSeconds,
      clientAddress,
      clientName,
      ...(grantId === undefined ? {} : { grantId }),
      ...(cookieHash === undefined ? {} : { cookieHash }),
      ...(dpopJkt === undefined ? {} : { dpopJkt }),
    },
    now,
  );
  await saveUpstreamGrant(tx, sealer, { sessionId, login }, now);
  return loginSession(sessionId, account, expiresAt);
}

/**
 * A step-up: the session goes on with a new login, a new grant or cookie and a new end. The tokens of its old grant are
 * deleted, so the caller holds no lock on them.
 * @throws session_ended if it is not live; forbidden if the login is another account's, or of another kind or key;
 *   login_rejected, name_refused
 */
export async function renewLoginSession(
  tx: Tx,
  { sealer }: { readonly sealer: Sealer },
  { sessionId, login, grantId, cookieHash, dpopJkt }: RenewedLogin,
  now: Date,
): Promise<LoginSession> {
  await requireNotLoggedOut(tx, login);
  await requireInUse(tx, login.provider.slug);
  await lockAccountOf(tx, sessionId);
  const session = await lockLiveSession(tx, sessionId, 'update', now);
  // Each by a login of its own kind: `sally` can't give a browser's session, whose cookie stays the same, a newer second
  // factor.
  const kind = cookieHash === undefined ? 'helper' : 'browser';
  if (session.kind !== kind) throw forbidden('is of another kind');
  if (kind === 'helper' && (dpopJkt === undefined || dpopJkt !== session.dpopJkt)) {
    throw forbidden('belongs to another key');
  }
  const account = await accountForIdentity(tx, login, now);
  if (account.accountId !== session.accountId) throw forbidden('belongs to another account');
  const { expiresAt, idleSeconds } = await lifetimeOf(tx, account.organizationId, kind, now);
  const authentication = authenticationColumns(authenticationOf(login));
  const before = await tx
    .selectFrom('login_sessions')
    .select('grant_id')
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('login_sessions')
    .set({
      ...authentication,
      expires_at: expiresAt,
      idle_seconds: idleSeconds,
      last_used_at: now,
      ...(grantId === undefined ? {} : { grant_id: grantId }),
      ...(cookieHash === undefined ? {} : { cookie_hash: cookieHash }),
    })
    .where('id', '=', sessionId)
    .execute();
  if (grantId !== undefined && before.grant_id !== null && before.grant_id !== grantId) {
    await tx.deleteFrom('oauth_records').where('grant_id', '=', before.grant_id).execute();
  }
  await saveUpstreamGrant(tx, sealer, { sessionId, login }, now);
  const { issuer, mfa, mfa_by, amr } = authentication;
  await recordEvent(tx, {
    event: 'session.renewed',
    organizationId: account.organizationId,
    accountId: account.accountId,
    sessionId,
    facts: { issuer, mfa, mfa_by, amr },
  });
  return loginSession(sessionId, account, expiresAt);
}

/** Locks are taken in the order of disabling: account, sessions, and the state version, which new groups make. */
async function lockAccountOf(tx: Tx, sessionId: string): Promise<void> {
  if (!isUuid(sessionId)) return;
  await tx
    .selectFrom('accounts')
    .select('id')
    .where('id', '=', (of) =>
      of.selectFrom('login_sessions').select('account_id').where('login_sessions.id', '=', sessionId),
    )
    .forNoKeyUpdate()
    .execute();
}

/** By the organization's policy as it is now. */
async function lifetimeOf(tx: Tx, organizationId: string, kind: 'helper' | 'browser', now: Date) {
  const { session_max_seconds, session_idle_seconds } = await tx
    .selectFrom('organizations')
    .select(['session_max_seconds', 'session_idle_seconds'])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow();
  const seconds =
    kind === 'browser' ? Math.min(session_max_seconds, browserSecondsAtMost) : session_max_seconds;
  return { expiresAt: new Date(now.getTime() + seconds * 1000), idleSeconds: session_idle_seconds };
}

function authenticationOf(login: SessionLogin): Authentication {
  return {
    issuer: login.issuer,
    providerSlug: login.provider.slug,
    subject: login.subject,
    upstreamSid: login.upstreamSid,
    amr: login.amr,
    acr: login.acr,
    authTime: login.authTime,
    mfa: login.mfaBy !== null,
    mfaBy: login.mfaBy,
    mfaMethods: login.mfaMethods,
    mfaTime: login.mfaTime,
  };
}

function loginSession(sessionId: string, account: AccountOfIdentity, expiresAt: Date): LoginSession {
  const { accountId, name: accountName, organizationId } = account;
  return { sessionId, accountId, accountName, organizationId, expiresAt };
}

function forbidden(why: string): SallyportError {
  return new SallyportError(
    'forbidden',
    `This login can’t renew the session: it ${why}. Log in anew: sally login`,
  );
}
