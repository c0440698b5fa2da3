/** The machines of the organization, for its admins. */
import type { FastifyInstance } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { companionsOfOrganization } from '../inventory/companion.ts';
import { companionsPage } from '../pages/companions-page.ts';
import { readStateVersion } from '../revocation/state-version.ts';
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
      const companions = await companionsOfOrganization(database.db, person.organizationId);
      const { version } = await readStateVersion(database.db);
      const page = companionsPage({
        person,
        organization: person.organization,
        stateVersion: version,
        nowSeconds: seconds(clock()),
        companions: companions.map((companion) => ({
          name: companion.name,
          kind: companion.kind,
          address: `${companion.address}:${companion.port}`,
          enrolled: companion.enrolledAt !== null,
          lastSeenSeconds: companion.lastSeenAt && seconds(companion.lastSeenAt),
          acknowledgedVersion: companion.acknowledged?.version ?? null,
          acknowledgedAtSeconds: companion.acknowledged ? seconds(companion.acknowledged.at) : null,
          problem: companion.problem,
        })),
      });
      return sendPage(reply, page);
    },
  );
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
