/** After a login at the identity provider: a browser session, or the same one with a second factor; always a new cookie. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { AppParts } from '../http/app-parts.ts';
import { readSessionCookie, setSessionCookie } from '../http/session-cookie.ts';
import type { ProvenLogin } from '../login/login-purpose.ts';
import { renewLoginSession, startLoginSession } from '../login/start-login-session.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { endSession } from '../sessions/end-session.ts';
import { sessionByCookie } from '../sessions/find-session.ts';
import type { Session } from '../sessions/session.ts';
import { returnPath } from './return-path.ts';

type Parts = Pick<AppParts, 'database' | 'publicUrl' | 'sealer' | 'clock'>;

/**
 * Sends the browser to where it wanted to go. A session that it had before ends with this, or goes on if the login was
 * its step-up; the cookie of before is good for nothing either way (session fixation).
 * @throws login_rejected, name_refused
 */
export async function signInBrowser(
  parts: Parts,
  login: ProvenLogin,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { database, publicUrl, clock } = parts;
  const cookie = newToken('console');
  const before = readSessionCookie(request, publicUrl);
  const present = before === undefined ? undefined : await sessionByCookie(database.db, before, clock());
  const isStepUp = present !== undefined && login.purpose['renew'] === present.sessionId;
  if (!(isStepUp && (await renewed(parts, login, present.sessionId, cookie)))) {
    await startAnew(parts, { login, cookie, replaced: present }, request);
  }
  setSessionCookie(reply, publicUrl, cookie);
  return reply.redirect(returnPath(login.purpose['returnTo']), 303);
}

/** False: the login is somebody else's, or the session has ended meanwhile. */
async function renewed(
  { database, sealer, clock }: Parts,
  login: ProvenLogin,
  sessionId: string,
  cookie: string,
): Promise<boolean> {
  try {
    await inTransaction(database.db, (tx) =>
      renewLoginSession(tx, { sealer }, { sessionId, login, cookieHash: tokenHash(cookie) }, clock()),
    );
    return true;
  } catch (error) {
    if (isSallyportError(error) && (error.code === 'forbidden' || error.code === 'session_ended'))
      return false;
    throw error;
  }
}

async function startAnew(
  { database, sealer, clock }: Parts,
  {
    login,
    cookie,
    replaced,
  }: { readonly login: ProvenLogin; readonly cookie: string; readonly replaced: Session | undefined },
  request: FastifyRequest,
): Promise<void> {
  const now = clock();
  const start = async (tx: Tx) => {
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
  };
  // New groups make a state version before the old session is locked; whoever ends that one locks in the other order.
  await inTransaction(database.db, start, { retries: 2 });
}
