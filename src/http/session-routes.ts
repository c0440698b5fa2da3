/** One's own login session, and those of the organization for its admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { OwnSession, RevocationReply, SessionDocument } from '../api/sessions.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { endSession } from '../sessions/end-session.ts';
import { listSessions, sessionDocument } from '../sessions/session-documents.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';
import { revokeSession } from './revoke-session.ts';

const noQuery = z.strictObject({});

export function sessionRoutes(
  app: FastifyInstance,
  parts: Pick<AppParts, 'database' | 'feed' | 'clock'>,
): void {
  const { database, clock } = parts;

  app.get(
    '/v1/session',
    { config: { auth: 'person', purpose: 'the login session of the token' } },
    async (request): Promise<OwnSession> => {
      const { sessionId, accountId } = personOf(request);
      const now = clock();
      return await inSnapshot(database.db, async (tx) => {
        const { organization, role } = await membershipOf(tx, accountId, now);
        return { session: await sessionDocument(tx, sessionId, now), organization, role };
      });
    },
  );

  app.post(
    '/v1/session/end',
    { config: { auth: 'person', purpose: 'log out: ends the login session of the token' } },
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
