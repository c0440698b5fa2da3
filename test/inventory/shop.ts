/** A small installation to test with: one organization with one target behind one gateway, and a person. */
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import type { Tx } from '../../src/database/database.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { createProject } from '../../src/inventory/project.ts';

export const issuer = 'https://login.example.com';

export interface Shop {
  readonly organizationId: string;
  readonly projectId: string;
  readonly environmentId: string;
  readonly appId: string;
  readonly instanceId: string;
  readonly gatewayId: string;
  readonly accountId: string;
}

/** Slug of the organization, domain and gateway differ, so that two shops fit into one database. */
export async function createShop(
  tx: Tx,
  now: Date,
  { organization = 'acme', domain = 'example.com', project = 'shop', gateway = 'gate' } = {},
): Promise<Shop> {
  const organizationId = await createOrganization(tx, {
    slug: organization,
    name: 'A company',
    domains: [domain],
  });
  const projectId = await createProject(tx, { organizationId, slug: project });
  const environmentId = await createEnvironment(tx, {
    projectId,
    slug: 'production',
    kind: 'production',
    mfaRequired: true,
    mfaMaxAgeSeconds: 900,
  });
  const appId = await createApp(tx, { environmentId, slug: 'web' });
  const instanceId = await createInstance(tx, {
    appId,
    instanceSlug: null,
    address: '10.1.2.3',
    port: 22,
    login: 'deploy',
    hostId: null,
  });
  const gatewayId = await createCompanion(tx, {
    organizationId,
    kind: 'gateway',
    name: gateway,
    address: 'gate.example.com',
    port: 2222,
    gatewayLogin: null,
    environmentIds: [environmentId],
  });
  const { accountId } = await accountForIdentity(
    tx,
    {
      issuer,
      subject: `alice of ${organization}`,
      accountName: `alice@${domain}`,
      displayName: 'Alice',
      groups: ['developers'],
      organizationSlug: organization,
    },
    now,
  );
  return { organizationId, projectId, environmentId, appId, instanceId, gatewayId, accountId };
}
