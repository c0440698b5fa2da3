/** The machines of the organization, for its admins. */
import type { FastifyInstance } from 'fastify';
import { inSnapshot } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { machineStandings } from '../feed/machine-standings.ts';
import { browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { companionsPage } from '../pages/companions-page.ts';
import type { ConsoleParts } from './console-parts.ts';

export function companionRoutes(app: FastifyInstance, { database, clock }: ConsoleParts): void {
  app.get(
    '/console/companions',
    { config: { auth: 'browser', purpose: 'page: gateways and hosts, for admins' } },
    async (request, reply) => {
      const person = browserOf(request);
      if (person.role !== 'admin') {
        throw new SallyportError('forbidden', `Only admins of ${person.organization} see its machines.`);
      }
      const now = clock();
      const { organization, organizationId } = person;
      const machines = await inSnapshot(database.db, (tx) => machineStandings(tx, organizationId, now));
      const nowSeconds = Math.floor(now.getTime() / 1000);
      return sendPage(reply, companionsPage({ person, organization, machines, nowSeconds }));
    },
  );
}
