/** After a login at the identity provider: a browser session with a cookie of its own. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import { inTransaction } from '../database/transaction.ts';
import type { AppParts } from '../http/app-parts.ts';
import { readSessionCookie, setSessionCookie } from '../http/session-cookie.ts';
import type { LoginResult } from '../login/login-result.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { endSession } from '../sessions/end-session.ts';
import { sessionByCookie } from '../sessions/find-session.ts';
import { startSession } from '../sessions/start-session.ts';
import { returnPath } from './return-path.ts';

const lifeMilliseconds = 8 * 3_600_000;

/**
 * Starts the session, always with a fresh cookie, and sends the browser to where it wanted to go. A session that the
 * browser had before ends with this.
 * @throws login_rejected, name_refused
 */
export async function signInBrowser(
  { database, publicUrl, clock }: Pick<AppParts, 'database' | 'publicUrl' | 'clock'>,
  login: LoginResult,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const now = clock();
  const cookie = newToken('console');
  const before = readSessionCookie(request, publicUrl);
  await inTransaction(database.db, async (tx) => {
    const { accountId, name } = await accountForIdentity(tx, login, now);
    const replaced = before === undefined ? undefined : await sessionByCookie(tx, before, now);
    if (replaced) await endSession(tx, { sessionId: replaced.sessionId, reason: 'replaced', by: name }, now);
    await startSession(
      tx,
      {
        accountId,
        kind: 'browser',
        issuer: login.issuer,
        amr: login.amr,
        acr: login.acr,
        authTime: login.authTime,
        mfa: login.mfa,
        expiresAt: new Date(now.getTime() + lifeMilliseconds),
        clientAddress: request.ip,
        clientName: request.headers['user-agent'] ?? null,
        cookieHash: tokenHash(cookie),
      },
      now,
    );
  });
  setSessionCookie(reply, publicUrl, cookie);
  return reply.redirect(returnPath(login.purpose['returnTo']), 303);
}
