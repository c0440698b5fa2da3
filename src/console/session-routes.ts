/** Login sessions: an admin's organization, or one's own. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { inSnapshot } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type BrowserCaller, browserOf } from '../http/callers.ts';
import { parseId } from '../http/parse-input.ts';
import { revokeSession, revokeSessions, type SessionScope, sessionWithin } from '../http/revoke-session.ts';
import { sendPage } from '../http/security-headers.ts';
import { clearSessionCookie } from '../http/session-cookie.ts';
import { pastMoment } from '../http/session-routes.ts';
import { endSessionPage } from '../pages/end-session-page.ts';
import { sessionPage } from '../pages/session-page.ts';
import { sessionsPage } from '../pages/sessions-page.ts';
import { endSessionsBefore, endSessionsOfAccount } from '../sessions/end-sessions.ts';
import { listSessions } from '../sessions/session-documents.ts';
import { carriedOut } from './carried-out.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm, requireOwnForm } from './form.ts';

/** What a field of the type datetime-local sends. */
const beforeForm = z.strictObject({
  before: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/, 'is not a date with a time of day'),
});

export function sessionRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, publicUrl, clock } = parts;

  app.get(
    '/console/sessions',
    { config: { auth: 'browser', purpose: 'page: sessions of the organization for admins, else one’s own' } },
    async (request, reply) => {
      const person = browserOf(request);
      const now = clock();
      const page = sessionsPage({
        ...viewer(person, now),
        organization: person.organization,
        ownSessionId: person.sessionId,
        sessions: await listSessions(database.db, scopeOf(person), now),
      });
      return sendPage(reply, page);
    },
  );

  app.post(
    '/console/sessions/end-others',
    { config: { auth: 'browser', purpose: 'ends all of one’s own sessions but this one' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { accountId, organizationId, account: by, sessionId: except } = browserOf(request);
      await revokeSessions(parts, organizationId, (tx, now) =>
        endSessionsOfAccount(tx, { accountId, except, by, reason: 'logout' }, now),
      );
      return reply.redirect('/console/sessions', 303);
    },
  );

  app.post(
    '/console/sessions/end-before',
    {
      config: {
        auth: 'browser',
        purpose: 'ends the organization’s sessions that began before a moment, for admins',
      },
    },
    async (request, reply) => {
      const form = readOwnForm(request, beforeForm);
      const { role, organization, organizationId, account: by } = browserOf(request);
      if (role !== 'admin') {
        throw new SallyportError('forbidden', `Only admins of ${organization} may do this.`);
      }
      const seconds = Math.floor(Date.parse(`${form.before}Z`) / 1000);
      const before = pastMoment(seconds, clock());
      await revokeSessions(parts, organizationId, (tx, now) =>
        endSessionsBefore(tx, { organizationId, before, by }, now),
      );
      return reply.redirect('/console/sessions', 303);
    },
  );

  app.get(
    '/console/sessions/:id',
    { config: { auth: 'browser', purpose: 'page: one session, and who has carried out its end' } },
    async (request, reply) => {
      const person = browserOf(request);
      const sessionId = idOf(request);
      const now = clock();
      const view = await inSnapshot(database.db, async (tx) => ({
        session: await sessionWithin(tx, sessionId, scopeOf(person), now),
        companions: await carriedOut(tx, { sessionId, organizationId: person.organizationId }),
      }));
      return sendPage(reply, sessionPage({ ...viewer(person, now), ...view }));
    },
  );

  app.get(
    '/console/sessions/:id/end',
    { config: { auth: 'browser', purpose: 'page: asks before a session is ended' } },
    async (request, reply) => {
      const person = browserOf(request);
      const sessionId = idOf(request);
      const now = clock();
      const session = await inSnapshot(database.db, (tx) =>
        sessionWithin(tx, sessionId, scopeOf(person), now),
      );
      if (session.ended_at !== null) return reply.redirect(`/console/sessions/${sessionId}`, 303);
      const isOwnBrowser = sessionId === person.sessionId;
      return sendPage(reply, endSessionPage({ ...viewer(person, now), isOwnBrowser, session }));
    },
  );

  app.post(
    '/console/sessions/:id/end',
    { config: { auth: 'browser', purpose: 'ends a session' } },
    async (request, reply) => {
      requireOwnForm(request);
      const person = browserOf(request);
      const sessionId = idOf(request);
      const { account: by } = person;
      await revokeSession(parts, { sessionId, within: scopeOf(person), by, reason: 'revoked' });
      if (sessionId !== person.sessionId) return reply.redirect(`/console/sessions/${sessionId}`, 303);
      clearSessionCookie(reply, publicUrl);
      return reply.redirect('/console/signed-out', 303);
    },
  );
}

function idOf(request: FastifyRequest): string {
  return parseId((request.params as { id?: unknown }).id, 'session');
}

function scopeOf({ role, organizationId, accountId }: BrowserCaller): SessionScope {
  return role === 'admin' ? { organizationId } : { accountId };
}

function viewer(person: BrowserCaller, now: Date) {
  return { person, isAdmin: person.role === 'admin', nowSeconds: Math.floor(now.getTime() / 1000) };
}
