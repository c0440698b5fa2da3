/** Live SSH connections: an admin's organization, or one's own. */
import type { FastifyInstance } from 'fastify';
import { listConnections } from '../connections/live-connections.ts';
import { browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { connectionsPage } from '../pages/connections-page.ts';
import type { ConsoleParts } from './console-parts.ts';

export function connectionRoutes(app: FastifyInstance, { database, clock }: ConsoleParts): void {
  app.get(
    '/console/connections',
    { config: { auth: 'browser', purpose: 'page: live SSH connections, for admins all, else one’s own' } },
    async (request, reply) => {
      const person = browserOf(request);
      const { organizationId, accountId, organization } = person;
      const isAdmin = person.role === 'admin';
      const page = connectionsPage({
        person,
        organization,
        isAdmin,
        connections: await listConnections(database.db, isAdmin ? { organizationId } : { accountId }),
        nowSeconds: Math.floor(clock().getTime() / 1000),
      });
      return sendPage(reply, page);
    },
  );
}
