/** Writes a setup document into the database: adds what is missing, moves what has moved, deletes nothing. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createAccessRule, rulesOfOrganization } from '../inventory/access-rules.ts';
import { createApp } from '../inventory/app.ts';
import { createCompanion, updateCompanionAddress } from '../inventory/companion.ts';
import { createEnvironment } from '../inventory/environment.ts';
import { createInstance, updateInstanceAddress } from '../inventory/instance.ts';
import { inventoryChanged } from '../inventory/inventory-changed.ts';
import { createOrganization } from '../inventory/organization.ts';
import { createProject } from '../inventory/project.ts';
import type { SetupDocument } from './setup-document.ts';

type ProjectSetup = SetupDocument['projects'][number];
type EnvironmentSetup = ProjectSetup['environments'][number];
type InstanceSetup = EnvironmentSetup['apps'][number]['instances'][number];

/** @returns the ids of all companions of the document by name @throws name_refused, name_taken, not_found */
export async function applySetup(tx: Tx, document: SetupDocument): Promise<ReadonlyMap<string, string>> {
  const organizationId = await ensureOrganization(tx, document);
  const hosts = new Map<string, string>();
  for (const host of document.hosts) {
    hosts.set(host.name, await ensureCompanion(tx, organizationId, 'host', { ...host, login: null }, []));
  }
  const environmentsOfGateway = new Map<string, string[]>();
  for (const project of document.projects) {
    const projectId = await ensureProject(tx, organizationId, project.slug);
    for (const environment of project.environments) {
      const environmentId = await ensureEnvironment(tx, projectId, environment);
      for (const gateway of environment.gateways) {
        environmentsOfGateway.set(gateway, [...(environmentsOfGateway.get(gateway) ?? []), environmentId]);
      }
      await applyApps(tx, environmentId, environment, hosts);
    }
  }
  const companions = new Map(hosts);
  for (const gateway of document.gateways) {
    const environments = environmentsOfGateway.get(gateway.name) ?? [];
    const login = gateway.login ?? null;
    companions.set(
      gateway.name,
      await ensureCompanion(tx, organizationId, 'gateway', { ...gateway, login }, environments),
    );
  }
  for (const named of environmentsOfGateway.keys()) {
    if (companions.has(named)) continue;
    throw new SallyportError(
      'not_found',
      `An environment names the gateway "${named}", which is not in "gateways".`,
    );
  }
  await applyAccessRules(tx, organizationId, document);
  return companions;
}

async function ensureOrganization(tx: Tx, { organization }: SetupDocument): Promise<string> {
  const found = await tx
    .selectFrom('organizations')
    .select('id')
    .where('slug', '=', organization.slug)
    .executeTakeFirst();
  return found?.id ?? (await createOrganization(tx, organization));
}

async function ensureProject(tx: Tx, organizationId: string, slug: string): Promise<string> {
  const found = await tx
    .selectFrom('projects')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('slug', '=', slug)
    .executeTakeFirst();
  return found?.id ?? (await createProject(tx, { organizationId, slug }));
}

async function ensureEnvironment(tx: Tx, projectId: string, environment: EnvironmentSetup): Promise<string> {
  const { slug, kind, mfa_required: mfaRequired, mfa_max_age_seconds: maxAge, access } = environment;
  const found = await tx
    .selectFrom('environments')
    .select('id')
    .where('project_id', '=', projectId)
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (found) return found.id;
  const mfaMaxAgeSeconds = maxAge ?? null;
  return await createEnvironment(tx, {
    projectId,
    slug,
    kind,
    mfaRequired,
    mfaMaxAgeSeconds,
    accessMode: access,
  });
}

async function applyApps(
  tx: Tx,
  environmentId: string,
  environment: EnvironmentSetup,
  hosts: ReadonlyMap<string, string>,
): Promise<void> {
  for (const app of environment.apps) {
    const found = await tx
      .selectFrom('apps')
      .select('id')
      .where('environment_id', '=', environmentId)
      .where('slug', '=', app.slug)
      .executeTakeFirst();
    const appId =
      found?.id ?? (await createApp(tx, { environmentId, slug: app.slug, sshRole: app.ssh_role }));
    for (const instance of app.instances) await ensureInstance(tx, appId, instance, hosts);
  }
}

async function ensureInstance(
  tx: Tx,
  appId: string,
  instance: InstanceSetup,
  hosts: ReadonlyMap<string, string>,
): Promise<void> {
  const { slug = null, address, port, login, host } = instance;
  const hostId = host === undefined ? null : hosts.get(host);
  if (hostId === undefined) {
    throw new SallyportError('not_found', `An instance names the host "${host}", which is not in "hosts".`);
  }
  const rows = await tx
    .selectFrom('instances')
    .select(['id', 'target_name', 'login'])
    .where('app_id', '=', appId)
    .execute();
  const found = rows.find(({ target_name: name }) =>
    slug === null ? !/--.*--/.test(name) : name.endsWith(`--${slug}`),
  );
  if (!found) {
    await createInstance(tx, { appId, instanceSlug: slug, address, port, login, hostId });
    return;
  }
  await updateInstanceAddress(tx, found.id, { address, port });
  if (found.login === login) return;
  await tx.updateTable('instances').set({ login }).where('id', '=', found.id).execute();
  await inventoryChanged(tx, {
    organizationId: await organizationOfApp(tx, appId),
    change: 'instance login changed',
    name: found.target_name,
  });
}

async function organizationOfApp(tx: Tx, appId: string): Promise<string> {
  const { organization_id: id } = await tx
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('projects.organization_id')
    .where('apps.id', '=', appId)
    .executeTakeFirstOrThrow();
  return id;
}

async function ensureCompanion(
  tx: Tx,
  organizationId: string,
  kind: 'gateway' | 'host',
  machine: { name: string; address: string; port: number; login: string | null },
  environmentIds: readonly string[],
): Promise<string> {
  const { name, address, port, login } = machine;
  const found = await tx
    .selectFrom('companions')
    .select(['id', 'gateway_login'])
    .where('organization_id', '=', organizationId)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst();
  if (!found) {
    const companion = { organizationId, kind, name, address, port, gatewayLogin: login, environmentIds };
    return await createCompanion(tx, companion);
  }
  await updateCompanionAddress(tx, found.id, { address, port });
  for (const environmentId of environmentIds) {
    await tx
      .insertInto('companion_environments')
      .values({ companion_id: found.id, environment_id: environmentId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  if (found.gateway_login !== login) {
    await tx.updateTable('companions').set({ gateway_login: login }).where('id', '=', found.id).execute();
    await inventoryChanged(tx, { organizationId, change: 'gateway login changed', name });
  }
  return found.id;
}

async function applyAccessRules(tx: Tx, organizationId: string, document: SetupDocument): Promise<void> {
  const present = await rulesOfOrganization(tx, organizationId);
  for (const rule of document.access_rules) {
    const { role, project = null, environment = null } = rule;
    const known = present.some(
      (other) =>
        other.role === role &&
        other.project === project &&
        other.environment === environment &&
        ('group' in other.subject
          ? other.subject.group === rule.group
          : other.subject.account === rule.account),
    );
    if (known) continue;
    const projectId = project === null ? null : await ensureProject(tx, organizationId, project);
    await createAccessRule(tx, {
      organizationId,
      role,
      projectId,
      environmentId:
        environment === null || projectId === null ? null : await environmentIn(tx, projectId, environment),
      subject:
        rule.group === undefined ? { accountId: await accountId(tx, rule.account) } : { group: rule.group },
    });
  }
}

async function environmentIn(tx: Tx, projectId: string, slug: string): Promise<string> {
  const found = await tx
    .selectFrom('environments')
    .select('id')
    .where('project_id', '=', projectId)
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (found) return found.id;
  throw new SallyportError(
    'not_found',
    `An access rule names the environment "${slug}", which is not in its project.`,
  );
}

async function accountId(tx: Tx, name: string | undefined): Promise<string> {
  const found = await tx
    .selectFrom('accounts')
    .select('id')
    .where('name', '=', name ?? '')
    .executeTakeFirst();
  if (found) return found.id;
  throw new SallyportError(
    'not_found',
    `An access rule names the account ${name}, which has never logged in. Let that person run sally login once, then run setup again; or give the rule to a group.`,
  );
}
