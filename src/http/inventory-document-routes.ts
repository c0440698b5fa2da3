/** The inventory as one document: plans are shown before they are carried out. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { applyRequest, type InventoryPlan, planRequest } from '../api/inventory.ts';
import type { InventoryDocument } from '../api/inventory-document.ts';
import { connectionsEndedBy } from '../connections/ended-by-changes.ts';
import type { Database } from '../database/database.ts';
import { inRehearsal, inSnapshot, inTransaction } from '../database/transaction.ts';
import { applyChanges, changedMembers, rehearseChanges } from '../inventory/apply-changes.ts';
import { confirmPlan, type DocumentPlan, exportDocument, planDocument } from '../inventory/plan-document.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { writing } from './inventory-routes.ts';
import { parseInput } from './parse-input.ts';
import { requirePersonFor } from './person-only-changes.ts';

const noQuery = z.strictObject({});
/** About 200 bytes for an instance. */
const largestDocumentBytes = 8 * 1024 * 1024;

export function inventoryDocumentRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  app.get(
    '/v1/inventory/document',
    { config: { auth: 'admin', purpose: 'the inventory as one document' } },
    async (request): Promise<InventoryDocument> => {
      parseInput(noQuery, request.query, 'query');
      const { organizationId } = adminOf(request);
      return await inSnapshot(database.db, (tx) => exportDocument(tx, organizationId));
    },
  );

  app.post(
    '/v1/inventory/plan',
    {
      config: { auth: 'admin', purpose: 'what a document would change' },
      bodyLimit: largestDocumentBytes,
    },
    async (request): Promise<InventoryPlan> => {
      const { document, prune } = parseInput(planRequest, request.body, 'body');
      const { organizationId, account: by } = adminOf(request);
      return await inRehearsal(database.db, async (tx) => {
        const plan = await planDocument(tx, organizationId, document, { prune });
        const reply = await planReply(tx, organizationId, plan);
        await rehearseChanges({ tx, organizationId, by, now: clock() }, plan.changes);
        return reply;
      });
    },
  );

  app.post(
    '/v1/inventory/apply',
    {
      config: { ...writing, purpose: 'makes the inventory as a document says, as a plan has shown' },
      bodyLimit: largestDocumentBytes,
    },
    async (request): Promise<InventoryPlan> => {
      const { document, prune, digest } = parseInput(applyRequest, request.body, 'body');
      const caller = adminOf(request);
      const { organizationId, account: by } = caller;
      return await inTransaction(
        database.db,
        async (tx) => {
          const write = { tx, organizationId, by, now: clock() };
          const plan = await confirmPlan(write, document, { prune, digest });
          await requirePersonFor(tx, caller, plan.changes);
          // Counted while what goes is still there.
          const reply = await planReply(tx, organizationId, plan);
          await applyChanges(write, plan.changes);
          return reply;
        },
        { retries: 2 },
      );
    },
  );
}

async function planReply(
  db: Database,
  organizationId: string,
  { digest, changes, notInFile }: DocumentPlan,
): Promise<InventoryPlan> {
  return {
    digest,
    changes: changes.map((change) => {
      const { action, before, after } = change;
      const { kind, name } = after ?? before;
      return { action, kind, name, ...changedMembers(change) };
    }),
    not_in_file: notInFile.map(({ kind, name }) => ({ kind, name })),
    ends_connections: await connectionsEndedBy(db, organizationId, changes),
  };
}
