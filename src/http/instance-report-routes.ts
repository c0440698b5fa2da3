/** Instances that come and go by themselves: what orchestrators report of apps, and hosts of themselves. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  hostReport,
  type InstanceDocument,
  instancePatch,
  instanceReport,
  mostReportedInstances,
} from '../api/inventory.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { listInstances } from '../inventory/instance-documents.ts';
import type { Write } from '../inventory/kinds/kind-store.ts';
import { reportHost } from '../inventory/report-host.ts';
import { patchInstance, type ReportOutcome, replaceInstances } from '../inventory/report-instances.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, companionOf } from './callers.ts';
import { writing } from './inventory-routes.ts';
import { parseInput } from './parse-input.ts';

/** About 200 bytes for each, and as much for labels. */
const largestReportBytes = mostReportedInstances * 400;

export function instanceReportRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  const reporting = <T>(request: FastifyRequest, work: (write: Write) => Promise<T>) => {
    const { organizationId, account: by } = adminOf(request);
    return inTransaction(database.db, (tx) => work({ tx, organizationId, by, now: clock() }), { retries: 2 });
  };

  app.put(
    '/v1/inventory/apps/:app/instances',
    {
      config: { ...writing, purpose: 'which instances an app has now' },
      bodyLimit: largestReportBytes,
    },
    async (request): Promise<ReportOutcome> => {
      const { instances } = parseInput(instanceReport, request.body, 'body');
      const { app: name } = request.params as { app: string };
      const reported = instances.map(({ slug, ...members }) => ({ slug, members }));
      return await reporting(request, (write) => replaceInstances(write, name.split('.'), reported));
    },
  );

  app.patch(
    '/v1/inventory/instances/:instance',
    { config: { ...writing, purpose: 'in which state an instance is now' } },
    async (request): Promise<InstanceDocument> => {
      const patch = parseInput(instancePatch, request.body, 'body');
      const { instance: name } = request.params as { instance: string };
      return await reporting(request, async (write) => {
        await patchInstance(write, name, patch);
        const [document] = await listInstances(write.tx, write.organizationId, { name, limit: 1 });
        if (document) return document;
        throw new SallyportError('not_found', 'There is no such instance in your organization.');
      });
    },
  );

  app.post(
    '/v1/companions/instances',
    { config: { auth: 'companion', purpose: 'the instances that a host is, and their state' } },
    async (request): Promise<{ targets: string[] }> => {
      const report = parseInput(hostReport, request.body, 'body');
      const { companionId } = companionOf(request);
      const targets = await inTransaction(database.db, (tx) => reportHost(tx, companionId, report, clock()), {
        retries: 2,
      });
      return { targets };
    },
  );
}
