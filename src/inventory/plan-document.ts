/** Plans of whole documents: made, shown, and carried out only as they were shown. */
import type { InventoryDocument } from '../api/inventory-document.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { applyChanges, lockOrganization } from './apply-changes.ts';
import { wantedItems } from './document-items.ts';
import { documentOf } from './export-document.ts';
import { allItems, kindOrder } from './kinds/all-kinds.ts';
import type { Item, Write } from './kinds/kind-store.ts';
import { type ChangePlan, planChanges, planDigest, requireReferences } from './plan-changes.ts';

export interface DocumentPlan extends ChangePlan {
  readonly digest: string;
}

/** @throws forbidden for another organization's document; name_taken; request_malformed */
export async function planDocument(
  tx: Tx,
  organizationId: string,
  document: InventoryDocument,
  { prune }: { readonly prune: boolean },
): Promise<DocumentPlan> {
  const current = await allItems(tx, organizationId);
  requireOwn(document, current, await domainsOf(tx, organizationId));
  const wanted = wantedItems(document);
  const reported = await reportedNames(tx, organizationId);
  const foreign = wanted.items.find(({ kind, name }) => kind === 'instance' && reported.has(name));
  if (foreign) {
    throw new SallyportError(
      'name_taken',
      `The instance ${foreign.name} is reported, by an orchestrator or by its own host. Leave it out of the file.`,
    );
  }
  const plan = planChanges(current, wanted, { prune, order: kindOrder });
  requireReferences(current, wanted, plan);
  return { ...plan, digest: planDigest(plan, prune) };
}

/**
 * The plan of that digest, whose changes are to be applied in the same transaction.
 * @throws plan_outdated if the plan would be another now
 */
export async function confirmPlan(
  { tx, organizationId }: Pick<Write, 'tx' | 'organizationId'>,
  document: InventoryDocument,
  { prune, digest }: { readonly prune: boolean; readonly digest: string },
): Promise<DocumentPlan> {
  await lockOrganization(tx, organizationId);
  const plan = await planDocument(tx, organizationId, document, { prune });
  if (plan.digest !== digest) {
    throw new SallyportError(
      'plan_outdated',
      'The inventory has changed since this plan was made, and nothing was done. Look at a new plan: sally admin apply again.',
    );
  }
  return plan;
}

/** @throws plan_outdated; what applyChanges() refuses */
export async function applyDocument(
  write: Write,
  document: InventoryDocument,
  how: { readonly prune: boolean; readonly digest: string },
): Promise<DocumentPlan> {
  const plan = await confirmPlan(write, document, how);
  await applyChanges(write, plan.changes);
  return plan;
}

/** @throws not_found */
export async function exportDocument(db: Database, organizationId: string): Promise<InventoryDocument> {
  return documentOf(await allItems(db, organizationId), await domainsOf(db, organizationId));
}

async function domainsOf(db: Database, organizationId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('organization_domains')
    .select('domain')
    .where('organization_id', '=', organizationId)
    .orderBy('domain')
    .execute();
  return rows.map(({ domain }) => domain);
}

async function reportedNames(db: Database, organizationId: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('instances')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('target_name')
    .where('organization_id', '=', organizationId)
    .where('reported_by', '!=', 'admin')
    .execute();
  return new Set(rows.map(({ target_name }) => target_name));
}

function requireOwn(
  { organization }: InventoryDocument,
  current: readonly Item[],
  domains: readonly string[],
): void {
  const own = current.find(({ kind }) => kind === 'organization')?.name ?? '';
  if (organization.slug !== own) {
    throw new SallyportError(
      'forbidden',
      `The file is of the organization "${organization.slug}", and you are an admin of "${own}".`,
    );
  }
  const given = organization.domains?.toSorted();
  if (given === undefined || given.join() === domains.join()) return;
  throw new SallyportError(
    'forbidden',
    `The file gives ${own} other domains than it has (${domains.join(', ')}). The operator of the server assigns domains: sallyport setup`,
  );
}
