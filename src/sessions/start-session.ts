import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionKind } from './session.ts';

export interface NewSession {
  readonly accountId: string;
  readonly kind: SessionKind;
  readonly issuer: string;
  readonly amr: readonly string[];
  readonly acr: string | null;
  readonly authTime: Date;
  readonly mfa: boolean;
  readonly expiresAt: Date;
  readonly clientAddress: string | null;
  readonly clientName: string | null;
  /** The authorization server's grant, of helper sessions. */
  readonly grantId?: string;
  /** tokenHash() of the cookie, of browser sessions. */
  readonly cookieHash?: Buffer;
}

/**
 * One login, recorded. What the client says of itself is cut to printable ASCII: it is shown in terminals and pages.
 * @returns the session's id @throws not_found if there is no such account; login_rejected if it is disabled
 */
export async function startSession(tx: Tx, session: NewSession, now: Date): Promise<string> {
  const { accountId, kind, issuer, amr, mfa } = session;
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
      issuer,
      amr: [...amr],
      acr: session.acr,
      auth_time: session.authTime,
      mfa,
      created_at: now,
      last_used_at: now,
      expires_at: session.expiresAt,
      client_address,
      client_name,
      grant_id: session.grantId ?? null,
      cookie_hash: session.cookieHash ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await recordEvent(tx, {
    event: 'session.started',
    organizationId: account.organization_id,
    accountId,
    sessionId: id,
    facts: { kind, issuer, mfa, amr: [...amr], client_address, client_name },
  });
  return id;
}

function printable(text: string | null): string | null {
  return text === null ? null : text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
