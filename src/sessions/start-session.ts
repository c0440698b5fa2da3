import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { MfaSource, Role } from '../policy/facts.ts';
import type { SessionKind } from './session.ts';

export interface NewSession {
  readonly accountId: string;
  readonly kind: SessionKind;
  readonly issuer: string;
  readonly amr: readonly string[];
  readonly acr: string | null;
  readonly authTime: Date;
  readonly mfa: boolean;
  /** Who vouched for the second factor; if it is left out, the provider did, by the login's own methods and time. */
  readonly mfaBy?: MfaSource | null;
  /** RFC 8176 names. */
  readonly mfaMethods?: readonly string[];
  readonly mfaTime?: Date | null;
  /** The identity provider's name in this installation; none for a machine's session. */
  readonly providerSlug?: string | null;
  readonly subject?: string | null;
  /** `sid` at the issuer. */
  readonly upstreamSid?: string | null;
  readonly expiresAt: Date;
  /** It is over after this time without use; null or left out: it has no such limit. */
  readonly idleSeconds?: number | null;
  readonly clientAddress: string | null;
  readonly clientName: string | null;
  /** The authorization server's grant, of helper sessions. */
  readonly grantId?: string;
  /** tokenHash() of the cookie, of browser sessions. */
  readonly cookieHash?: Buffer;
  /** Thumbprint of the key that its tokens are bound to (RFC 7638). */
  readonly dpopJkt?: string | null;
  /** The API token or CI rule that gives it. */
  readonly credentialId?: string;
  /** The highest role it may use. */
  readonly roleLimit?: Role;
}

/**
 * One login, recorded. What the client says of itself is cut to printable ASCII: it is shown in terminals and pages.
 * @returns the session's id @throws not_found if there is no such account; login_rejected if it is disabled
 */
export async function startSession(tx: Tx, session: NewSession, now: Date): Promise<string> {
  const { accountId, kind, issuer, amr } = session;
  const { mfa, mfa_by: mfaBy } = authenticationColumns(session);
  const account = await tx
    .selectFrom('accounts')
    .select(['organization_id', 'name', 'disabled_at'])
    .where('id', '=', accountId)
    // Whoever disables the account then ends its sessions waits for this one, or this one finds it disabled.
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (account === undefined) throw new SallyportError('not_found', 'There is no such account.');
  if (account.disabled_at !== null) {
    throw new SallyportError(
      'login_rejected',
      `The account ${account.name} is disabled. Ask an administrator of your organization to enable it.`,
    );
  }
  const client_address = printable(session.clientAddress);
  const client_name = printable(session.clientName);
  const { id } = await tx
    .insertInto('login_sessions')
    .values({
      account_id: accountId,
      kind,
      ...authenticationColumns(session),
      created_at: now,
      last_used_at: now,
      expires_at: session.expiresAt,
      idle_seconds: session.idleSeconds ?? null,
      client_address,
      client_name,
      grant_id: session.grantId ?? null,
      cookie_hash: session.cookieHash ?? null,
      dpop_jkt: session.dpopJkt ?? null,
      credential_id: session.credentialId ?? null,
      role_limit: session.roleLimit ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await recordEvent(tx, {
    event: 'session.started',
    organizationId: account.organization_id,
    accountId,
    sessionId: id,
    facts: { kind, issuer, mfa, mfa_by: mfaBy, amr: [...amr], client_address, client_name },
  });
  return id;
}

export type Authentication = Pick<
  NewSession,
  | 'issuer'
  | 'providerSlug'
  | 'subject'
  | 'upstreamSid'
  | 'amr'
  | 'acr'
  | 'authTime'
  | 'mfa'
  | 'mfaBy'
  | 'mfaMethods'
  | 'mfaTime'
>;

/** What a row says of how the person proved who they are: set when a session starts and when it is renewed. */
export function authenticationColumns(login: Authentication) {
  const { mfaBy = login.mfa ? 'provider' : null } = login;
  const { mfaMethods = login.amr, mfaTime = login.authTime } = login;
  return {
    issuer: login.issuer,
    provider_slug: login.providerSlug ?? null,
    subject: login.subject ?? null,
    upstream_sid: login.upstreamSid ?? null,
    amr: [...login.amr],
    acr: login.acr,
    auth_time: login.authTime,
    mfa: mfaBy !== null,
    mfa_by: mfaBy,
    mfa_methods: mfaBy === null ? [] : [...mfaMethods],
    mfa_time: mfaBy === null ? null : mfaTime,
  };
}

function printable(text: string | null): string | null {
  return text === null ? null : text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
