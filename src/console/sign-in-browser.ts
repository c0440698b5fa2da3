/** After a login at the identity provider: a browser session with a cookie of its own. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { inTransaction } from '../database/transaction.ts';
import type { AppParts } from '../http/app-parts.ts';
import { readSessionCookie, setSessionCookie } from '../http/session-cookie.ts';
import type { ProvenLogin } from '../login/login-purpose.ts';
import { startLoginSession } from '../login/start-login-session.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { endSession } from '../sessions/end-session.ts';
import { sessionByCookie } from '../sessions/find-session.ts';
import { returnPath } from './return-path.ts';

/**
 * Starts the session, always with a fresh cookie, and sends the browser to where it wanted to go. A session that the
 * browser had before ends with this.
 * @throws login_rejected, name_refused
 */
export async function signInBrowser(
  { database, publicUrl, sealer, clock }: Pick<AppParts, 'database' | 'publicUrl' | 'sealer' | 'clock'>,
  login: ProvenLogin,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const now = clock();
  const cookie = newToken('console');
  const before = readSessionCookie(request, publicUrl);
  await inTransaction(database.db, async (tx) => {
    const replaced = before === undefined ? undefined : await sessionByCookie(tx, before, now);
    const { accountName } = await startLoginSession(
      tx,
      { sealer },
      {
        login,
        kind: 'browser',
        clientAddress: request.ip,
        clientName: request.headers['user-agent'] ?? null,
        cookieHash: tokenHash(cookie),
      },
      now,
    );
    if (replaced) {
      await endSession(tx, { sessionId: replaced.sessionId, reason: 'replaced', by: accountName }, now);
    }
  });
  setSessionCookie(reply, publicUrl, cookie);
  return reply.redirect(returnPath(login.purpose['returnTo']), 303);
}
