/** One's own login session, and those of the organization for its admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { accountNumber } from '../accounts/account.ts';
import {
  type OwnSession,
  ownSessionsEnd,
  type RevocationReply,
  revokeBefore,
  type SessionDocument,
  type SessionsEnded,
} from '../api/sessions.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endSession } from '../sessions/end-session.ts';
import { endSessionsBefore, endSessionsOfAccount } from '../sessions/end-sessions.ts';
import { listSessions, sessionDocument } from '../sessions/session-documents.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';
import { revokeSession, revokeSessions } from './revoke-session.ts';

const noQuery = z.strictObject({});

export function sessionRoutes(
  app: FastifyInstance,
  parts: Pick<AppParts, 'database' | 'feed' | 'clock'>,
): void {
  const { database, clock } = parts;

  app.get(
    '/v1/session',
    { config: { auth: 'person', machines: true, purpose: 'the login session of the token' } },
    async (request): Promise<OwnSession> => {
      const { sessionId, accountId, roleLimit } = personOf(request);
      const now = clock();
      return await inSnapshot(database.db, async (tx) => {
        const { organization, role } = await membershipOf(tx, accountId, now, roleLimit);
        const session = await sessionDocument(tx, sessionId, now);
        return { session, organization, role, account_number: await accountNumber(tx, accountId) };
      });
    },
  );

  app.post(
    '/v1/session/end',
    { config: { auth: 'person', machines: true, purpose: 'log out: ends the login session of the token' } },
    async (request, reply) => {
      parseNoBody(request.body);
      const { sessionId, accountId } = personOf(request);
      const now = clock();
      await inTransaction(database.db, async (tx) => {
        const { account } = await membershipOf(tx, accountId, now);
        await endSession(tx, { sessionId, reason: 'logout', by: account }, now);
      });
      return reply.code(204).send();
    },
  );

  app.get(
    '/v1/sessions/own',
    { config: { auth: 'person', purpose: 'one’s own login sessions' } },
    async (request): Promise<{ sessions: SessionDocument[] }> => {
      parseInput(noQuery, request.query, 'query');
      const { accountId } = personOf(request);
      return { sessions: await listSessions(database.db, { accountId }, clock()) };
    },
  );

  app.post(
    '/v1/sessions/own/end',
    { config: { auth: 'person', purpose: 'ends one’s own login sessions, all or all others' } },
    async (request): Promise<SessionsEnded> => {
      const { except_current } = parseInput(ownSessionsEnd, request.body, 'body');
      const { sessionId, accountId } = personOf(request);
      const { account: by, organizationId } = await inSnapshot(database.db, (tx) =>
        membershipOf(tx, accountId, clock()),
      );
      const except = except_current ? { except: sessionId } : {};
      return await revokeSessions(parts, organizationId, (tx, now) =>
        endSessionsOfAccount(tx, { accountId, by, reason: 'logout', ...except }, now),
      );
    },
  );

  app.post(
    '/v1/sessions/own/:id/end',
    { config: { auth: 'person', purpose: 'ends one of one’s own login sessions' } },
    async (request): Promise<RevocationReply> => {
      parseNoBody(request.body);
      const { accountId } = personOf(request);
      const sessionId = parseId((request.params as { id?: unknown }).id, 'session');
      const { account: by } = await inSnapshot(database.db, (tx) => membershipOf(tx, accountId, clock()));
      return await revokeSession(parts, { sessionId, within: { accountId }, by, reason: 'logout' });
    },
  );

  app.post(
    '/v1/sessions/revoke-before',
    {
      config: { auth: 'admin', purpose: 'ends every session of the organization that began before a moment' },
    },
    async (request): Promise<SessionsEnded> => {
      const { before } = parseInput(revokeBefore, request.body, 'body');
      const { organizationId, account: by } = adminOf(request);
      return await revokeSessions(parts, organizationId, (tx, now) => {
        return endSessionsBefore(tx, { organizationId, before: pastMoment(before, now), by }, now);
      });
    },
  );

  app.get(
    '/v1/sessions',
    { config: { auth: 'admin', purpose: 'login sessions of the organization' } },
    async (request): Promise<{ sessions: SessionDocument[] }> => {
      parseInput(noQuery, request.query, 'query');
      const { organizationId } = adminOf(request);
      return { sessions: await listSessions(database.db, { organizationId }, clock()) };
    },
  );

  app.post(
    '/v1/sessions/:id/revoke',
    { config: { auth: 'admin', purpose: 'ends a login session of the organization' } },
    async (request): Promise<RevocationReply> => {
      parseNoBody(request.body);
      const { organizationId, account } = adminOf(request);
      const sessionId = parseId((request.params as { id?: unknown }).id, 'session');
      return await revokeSession(parts, {
        sessionId,
        within: { organizationId },
        by: account,
        reason: 'revoked',
      });
    },
  );
}

/** Who asks for a moment to come may mean another clock or milliseconds; nothing that begins then would end. */
export function pastMoment(seconds: number, now: Date): Date {
  const moment = new Date(seconds * 1000);
  if (moment <= now) return moment;
  throw new SallyportError(
    'request_malformed',
    'The moment is in the future. Give one that is past, in unix seconds.',
  );
}
