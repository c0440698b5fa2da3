/** The hook that finds out who is asking, before a body is read: one row per kind of authentication. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { loadAccount } from '../accounts/account.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createCredentialCheck } from '../inventory/companion-credentials.ts';
import { hasMfa, isFreshAt, underPolicy } from '../policy/assurance.ts';
import { sessionByCookie } from '../sessions/find-session.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { touchSession } from '../sessions/touch-session.ts';
import type { AppParts } from './app-parts.ts';
import type { Caller, PersonCaller } from './callers.ts';
import { requireCallerKind } from './machine-callers.ts';
import { membershipOf } from './membership.ts';
import type { RouteAuthentication } from './route-authentication.ts';
import { csrfTokenFor, readSessionCookie } from './session-cookie.ts';
import { insufficientAuthentication, requireStepUp } from './step-up.ts';

type Asked = Pick<AppParts, 'database' | 'authorizationServer' | 'publicUrl' | 'operators' | 'clock'>;
type Parts = Asked & { readonly companionOf: ReturnType<typeof createCredentialCheck> };
type Authenticator = (request: FastifyRequest, reply: FastifyReply, parts: Parts) => Promise<Caller | null>;

const authenticators: Readonly<Record<RouteAuthentication, Authenticator>> = {
  none: async () => null,
  person,
  admin,
  operator,
  companion,
  browser,
};

export function authenticateRequests(app: FastifyInstance, asked: Asked): void {
  const parts: Parts = { ...asked, companionOf: createCredentialCheck(asked.database.db) };
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, reply) => {
    const { auth } = request.routeOptions.config ?? {};
    // No route: the answer is "not found" and needs no caller.
    if (auth === undefined) return undefined;
    request.caller = await authenticators[auth](request, reply, parts);
    if (request.caller) await requireStepUp(parts, request, reply, request.caller);
    // Sent elsewhere, to sign in: no handler runs.
    return reply.sent ? reply : undefined;
  });
}

async function person(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<PersonCaller> {
  const { authorization, dpop } = request.headers;
  // Good for minutes, and another one each minute: who asks now and then is never refused for an old one.
  reply.header('dpop-nonce', parts.authorizationServer.proofNonce());
  if (authorization === undefined) {
    throw new SallyportError('token_missing', 'This needs a login. Run: sally login');
  }
  const { sessionId, accountId } = await parts.authorizationServer.authenticate({
    authorization,
    dpop: typeof dpop === 'string' ? dpop : undefined,
    method: request.method,
    // RFC 9449 section 4.2: without query; our own name, whatever the request says.
    url: `${parts.publicUrl.origin}${request.url.split('?')[0]}`,
  });
  const roleLimit = await requireCallerKind(parts.database.db, request, sessionId);
  return { kind: 'person', id: sessionId, sessionId, accountId, roleLimit };
}

async function admin(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<Caller> {
  const caller = await person(request, reply, parts);
  const now = parts.clock();
  const membership = await inSnapshot(parts.database.db, (tx) =>
    membershipOf(tx, caller.accountId, now, caller.roleLimit),
  );
  if (membership.role !== 'admin') {
    throw new SallyportError(
      'forbidden',
      `Only admins of ${membership.organization} may do this. Your own session: sally status`,
    );
  }
  return { ...caller, ...membership, kind: 'admin' };
}

/** Whoever may change CA keys holds everything: named in the server's own settings, and never on a password alone. */
async function operator(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<Caller> {
  const caller = await person(request, reply, parts);
  const { sessionId, accountId } = caller;
  const now = parts.clock();
  return await inTransaction(parts.database.db, async (tx) => {
    const { facts: session } = await lockLiveSession(tx, sessionId, 'share', now);
    const { facts, organization } = await loadAccount(tx, accountId);
    const { name: account, disabled } = facts;
    if (disabled || !(parts.operators ?? []).includes(account)) {
      throw new SallyportError(
        'forbidden',
        "Only operators may do this: accounts that the server's SALLYPORT_OPERATORS names, and that are not disabled.",
      );
    }
    const nowSeconds = Math.floor(now.getTime() / 1000);
    const { mfaMaxAgeSeconds: maxAge } = organization;
    const accepted = underPolicy(session, organization);
    if (!hasMfa(accepted, nowSeconds)) throw insufficientAuthentication('mfa', maxAge);
    if (!isFreshAt(accepted, maxAge, nowSeconds)) throw insufficientAuthentication('newer_mfa', maxAge);
    return { ...caller, account, kind: 'operator' };
  });
}

async function companion(
  { headers }: FastifyRequest,
  _reply: FastifyReply,
  { companionOf }: Parts,
): Promise<Caller> {
  const [, credential] = /^Bearer ([A-Za-z0-9._~+/-]{20,200}=*)$/i.exec(headers.authorization ?? '') ?? [];
  if (credential === undefined) {
    throw new SallyportError('token_missing', 'This needs the credential of an enrolled gateway or host.');
  }
  const { id, organizationId, enrolledAt } = await companionOf(credential);
  return { kind: 'companion', id, companionId: id, organizationId, enrolledAt };
}

/** Readers without a live session are sent to sign in, and come back to where they were. */
async function browser(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<Caller | null> {
  const { database, publicUrl, clock } = parts;
  const cookie = readSessionCookie(request, publicUrl);
  const now = clock();
  const session = cookie === undefined ? undefined : await sessionByCookie(database.db, cookie, now);
  if (cookie !== undefined && session !== undefined) {
    const { sessionId, accountId } = session;
    const membership = await inTransaction(database.db, async (tx) => {
      // Pages read themselves anew every few seconds (Fetch Metadata: not a navigation): that is no use of the session.
      if (request.headers['sec-fetch-dest'] !== 'empty') await touchSession(tx, sessionId, now);
      return await membershipOf(tx, accountId, now);
    });
    return {
      kind: 'browser',
      id: sessionId,
      sessionId,
      accountId,
      ...membership,
      csrfToken: csrfTokenFor(cookie),
    };
  }
  if (request.method !== 'GET') {
    throw new SallyportError('session_ended', 'You are not signed in any more. Sign in and try again.');
  }
  reply.redirect(`/console/sign-in?return_to=${encodeURIComponent(request.url)}`, 303);
  return null;
}
