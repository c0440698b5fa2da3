/**
 * Writes a setup document into the database: adds what is missing and changes what is there to what the document says
 * of it. What the document does not name stays as it is; nothing is deleted but a gateway's place at an environment
 * that the document gives to other gateways.
 */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { inventoryChanged } from '../inventory/inventory-changed.ts';
import { changeLoginPolicy, type LoginPolicyDocument } from '../inventory/login-policy.ts';
import { createOrganization } from '../inventory/organization.ts';
import { createProject } from '../inventory/project.ts';
import { applyAccessRules } from './apply-access-rules.ts';
import { applyApps } from './apply-apps.ts';
import { applyCompanions, assignGateways } from './apply-companions.ts';
import { applyEnvironment } from './apply-environment.ts';
import type { SetupDocument } from './setup-document.ts';

/** @returns the ids of all companions of the document by name @throws name_refused, name_taken, not_found */
export async function applySetup(tx: Tx, document: SetupDocument): Promise<ReadonlyMap<string, string>> {
  const organizationId = await applyOrganization(tx, document);
  const companions = await applyCompanions(tx, organizationId, document);
  for (const project of document.projects) {
    const projectId = await applyProject(tx, organizationId, project.slug);
    for (const environment of project.environments) {
      const environmentId = await applyEnvironment(
        tx,
        { organizationId, projectId },
        project.slug,
        environment,
      );
      await assignGateways(tx, { organizationId, environmentId }, environment.gateways, companions);
      await applyApps(tx, environmentId, environment.apps, companions);
    }
  }
  await applyAccessRules(tx, organizationId, document.access_rules);
  if (document.login_policy !== undefined) {
    const change = namedMembers(document.login_policy);
    await changeLoginPolicy(tx, { organizationId, change, by: 'setup' }, new Date());
  }
  return new Map([...companions.hosts, ...companions.gateways]);
}

function namedMembers(policy: NonNullable<SetupDocument['login_policy']>): Partial<LoginPolicyDocument> {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
}

async function applyOrganization(tx: Tx, { organization }: SetupDocument): Promise<string> {
  const { slug, name, domains } = organization;
  const found = await tx
    .selectFrom('organizations')
    .select(['id', 'name'])
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (!found) return await createOrganization(tx, organization);
  if (found.name !== name) {
    await tx.updateTable('organizations').set({ name }).where('id', '=', found.id).execute();
    await inventoryChanged(tx, { organizationId: found.id, change: 'organization renamed', name: slug });
  }
  await addDomains(tx, found.id, domains);
  return found.id;
}

/** A domain stays with its organization: accounts are named in it. @throws name_taken */
async function addDomains(tx: Tx, organizationId: string, domains: readonly string[]): Promise<void> {
  for (const domain of domains) {
    const owner = await tx
      .selectFrom('organization_domains')
      .select('organization_id')
      .where('domain', '=', domain)
      .executeTakeFirst();
    if (owner?.organization_id === organizationId) continue;
    if (owner) {
      throw new SallyportError('name_taken', `The domain ${domain} belongs to another organization.`);
    }
    await tx.insertInto('organization_domains').values({ domain, organization_id: organizationId }).execute();
    await inventoryChanged(tx, { organizationId, change: 'domain added', name: domain });
  }
}

async function applyProject(tx: Tx, organizationId: string, slug: string): Promise<string> {
  const found = await tx
    .selectFrom('projects')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('slug', '=', slug)
    .executeTakeFirst();
  return found?.id ?? (await createProject(tx, { organizationId, slug }));
}
