/** The inventory thing by thing, for admins and for what they automate. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { instanceQueryString } from '../api/inventory.ts';
import type { InventoryKind } from '../api/inventory-members.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { applyChanges, type ItemChange, lockOrganization } from '../inventory/apply-changes.ts';
import { listInstances } from '../inventory/instance-documents.ts';
import { kindStores } from '../inventory/kinds/all-kinds.ts';
import type { Item, Write } from '../inventory/kinds/kind-store.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { changedItem, findThing, newItem, type Thing, thingDocument, things } from './inventory-things.ts';
import { parseInput, parseNoBody } from './parse-input.ts';
import { requirePersonFor } from './person-only-changes.ts';

const noQuery = z.strictObject({});
export const writing = { auth: 'admin', stepUp: true, machines: true } as const;

type Parts = Pick<AppParts, 'database' | 'clock'>;

export function inventoryRoutes(app: FastifyInstance, parts: Parts): void {
  organizationRoutes(app, parts);
  listRoutes(app, parts);
  for (const thing of things) thingRoutes(app, parts, thing);
}

function organizationRoutes(app: FastifyInstance, parts: Parts): void {
  const { db } = parts.database;
  const own = async (within: Database, organizationId: string) => {
    const [item] = await kindStores.organization.list(within, organizationId);
    if (item === undefined) throw new SallyportError('not_found', 'There is no such organization.');
    return item;
  };
  app.get(
    '/v1/inventory/organization',
    { config: { auth: 'admin', purpose: 'the organization’s own settings and its switch' } },
    async (request) => {
      parseInput(noQuery, request.query, 'query');
      return organizationDocument(await own(db, adminOf(request).organizationId));
    },
  );
  app.post(
    '/v1/inventory/organization',
    { config: { ...writing, purpose: 'changes the organization’s settings or its switch' } },
    async (request) =>
      organizationDocument(
        await changing(parts, request, async ({ tx, organizationId }) => {
          const before = await own(tx, organizationId);
          return { action: 'change', before, after: changedItem(before, request.body) };
        }),
      ),
  );
}

/** Its name in the inventory is the slug; `name` is what people call it. */
function organizationDocument({ name: slug, members }: Item): Record<string, unknown> {
  return { slug, ...members };
}

function listRoutes(app: FastifyInstance, { database }: Parts): void {
  for (const { kind, words } of things) {
    if (kind === 'instance') continue;
    const { list } = kindStores[kind];
    app.get(
      `/v1/inventory/${words}`,
      { config: { auth: 'admin', purpose: `${words} of the organization` } },
      async (request) => {
        parseInput(noQuery, request.query, 'query');
        const items: Item[] = await list(database.db, adminOf(request).organizationId);
        return { [words]: items.map(thingDocument) };
      },
    );
  }
  app.get(
    '/v1/inventory/instances',
    { config: { auth: 'admin', purpose: 'instances of the organization, page by page' } },
    async (request) => {
      const { app, limit, ...filter } = parseInput(instanceQueryString, request.query, 'query');
      const { organizationId } = adminOf(request);
      const asked = { ...filter, app: app?.split('.'), limit: limit + 1 };
      const found = await listInstances(database.db, organizationId, asked);
      const instances = found.slice(0, limit);
      return { instances, next: found.length > limit ? (instances.at(-1)?.name ?? null) : null };
    },
  );
}

function thingRoutes(app: FastifyInstance, parts: Parts, { kind, words, word, phrase }: Thing): void {
  const path = `/v1/inventory/${words}/:${word}`;
  const named = async (db: Database, organizationId: string, request: FastifyRequest): Promise<Item> => {
    const name = String((request.params as Record<string, unknown>)[word]);
    const item = await findThing(db, organizationId, kind, name);
    if (item !== undefined) return item;
    throw new SallyportError('not_found', `There is no such ${word} in your organization.`);
  };

  app.post(
    `/v1/inventory/${words}`,
    { config: { ...writing, purpose: `makes ${phrase}` } },
    async (request, reply) => {
      const after = newItem(kind, request.body);
      const made = await changing(parts, request, async () => ({ action: 'create', before: null, after }));
      return reply.code(201).send(thingDocument(made));
    },
  );
  app.get(path, { config: { auth: 'admin', purpose: `${phrase} of the organization` } }, async (request) => {
    parseInput(noQuery, request.query, 'query');
    return thingDocument(await named(parts.database.db, adminOf(request).organizationId, request));
  });
  app.post(path, { config: { ...writing, purpose: `changes ${phrase}` } }, async (request) =>
    thingDocument(
      await changing(parts, request, async ({ tx, organizationId }) => {
        const before = await named(tx, organizationId, request);
        return { action: 'change', before, after: changedItem(before, request.body) };
      }),
    ),
  );
  app.post(
    `${path}/remove`,
    { config: { ...writing, purpose: `removes ${phrase}, whose name is not given again` } },
    async (request, reply) => {
      parseNoBody(request.body);
      await changing(parts, request, async ({ tx, organizationId }) => {
        const before = await named(tx, organizationId, request);
        return { action: 'remove', before, after: null };
      });
      return reply.code(204).send();
    },
  );
}

/** Reads, decides what to change, and changes it, with nobody in between. @returns the thing as it is then */
export async function changing(
  { database, clock }: Parts,
  request: FastifyRequest,
  decide: (write: Write) => Promise<ItemChange>,
): Promise<Item<InventoryKind>> {
  const caller = adminOf(request);
  const { organizationId, account: by } = caller;
  return await inTransaction(
    database.db,
    async (tx) => {
      await lockOrganization(tx, organizationId);
      const write = { tx, organizationId, by, now: clock() };
      const change = await decide(write);
      await requirePersonFor(tx, caller, [change]);
      if (!isEmpty(change)) await applyChanges(write, [change]);
      return change.after ?? change.before;
    },
    // Against reports of instances, which lock in another order.
    { retries: 2 },
  );
}

function isEmpty({ action, before, after }: ItemChange): boolean {
  return action === 'change' && JSON.stringify(before.members) === JSON.stringify(after.members);
}
