/** Who is connected right now, and how current the machines are. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { LiveConnection, MachineList } from '../api/connections.ts';
import { listConnections } from '../connections/live-connections.ts';
import { inSnapshot } from '../database/transaction.ts';
import { machineStandings } from '../feed/machine-standings.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, personOf } from './callers.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function connectionRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  app.get(
    '/v1/connections',
    { config: { auth: 'admin', purpose: 'live SSH connections of the organization' } },
    async (request): Promise<{ connections: LiveConnection[] }> => {
      parseInput(noQuery, request.query, 'query');
      const { organizationId } = adminOf(request);
      return { connections: await listConnections(database.db, { organizationId }) };
    },
  );

  app.get(
    '/v1/connections/own',
    { config: { auth: 'person', purpose: 'one’s own live SSH connections' } },
    async (request): Promise<{ connections: LiveConnection[] }> => {
      parseInput(noQuery, request.query, 'query');
      const { accountId } = personOf(request);
      return { connections: await listConnections(database.db, { accountId }) };
    },
  );

  app.get(
    '/v1/companions',
    { config: { auth: 'admin', purpose: 'gateways and hosts: who is online, and who has not acknowledged' } },
    async (request): Promise<MachineList> => {
      parseInput(noQuery, request.query, 'query');
      const { organizationId } = adminOf(request);
      return await inSnapshot(database.db, (tx) => machineStandings(tx, organizationId, clock()));
    },
  );
}
