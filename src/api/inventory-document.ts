/**
 * The inventory as one document: what `sally admin apply` reads, `sally admin export` writes, and editors know by its
 * JSON Schema. A list or a member that it leaves out is none of its business and stays as it is; an empty list says that
 * there are none.
 */
import { z } from 'zod';
import { accountName } from './common.ts';
import { inventoryMembers, organizationDomains, slug } from './inventory-members.ts';

/** Refuses a list in which two have the same name: the second would silently change the first. */
function named<Item extends z.ZodType>(item: Item, nameOf: (one: z.output<Item>) => string) {
  return z.array(item).superRefine((items, context) => {
    const seen = new Set<string>();
    for (const [index, one] of items.entries()) {
      const name = nameOf(one);
      const message = name === '' ? 'is the second one without a slug' : `is the second one named "${name}"`;
      if (seen.has(name)) context.addIssue({ code: 'custom', path: [index], message });
      seen.add(name);
    }
  });
}
const slugged = <Item extends z.ZodType<{ slug: string }>>(item: Item) => named(item, (one) => one.slug);
const machines = <Item extends z.ZodType<{ name: string }>>(item: Item) => named(item, (one) => one.name);

const { organization, gateway, host, project, environment, service, app, instance, access_rule } =
  inventoryMembers;

const documentedInstance = instance
  .partial()
  // The address of an instance and who one is there are what it is.
  .required({ address: true, login: true })
  .extend({
    /** Absent: the app's only instance, and its target name ends with the app. */
    slug: slug.optional(),
  });
const documentedApp = app.partial().extend({
  slug,
  instances: named(documentedInstance, (one) => one.slug ?? '').optional(),
});
const documentedService = service
  .partial()
  .required({ kind: true, address: true, port: true })
  .extend({ slug });
const documentedEnvironment = environment
  .partial()
  .required({ kind: true })
  .extend({
    slug,
    services: slugged(documentedService).optional(),
    apps: slugged(documentedApp).optional(),
  });
const documentedProject = project
  .partial()
  .extend({ slug, environments: slugged(documentedEnvironment).optional() });

/** In a file and in the API: for a group or an account, on all, a project or an environment. */
export const documentedRule = access_rule
  .omit({ group: true, account: true, project: true, environment: true, expires_at: true })
  .extend({
    group: access_rule.shape.group.unwrap().optional(),
    account: accountName.optional(),
    project: slug.optional(),
    environment: slug.optional(),
    expires_at: access_rule.shape.expires_at.optional(),
  })
  .refine(
    (rule) => (rule.group === undefined) !== (rule.account === undefined),
    'needs either group or account',
  )
  .refine(
    (rule) => rule.environment === undefined || rule.project !== undefined,
    'needs project beside environment',
  );

const wholeDocument = z.strictObject({
  organization: organization.partial().extend({ slug, domains: organizationDomains.optional() }),
  /** What the organization asks of logins. */
  login_policy: inventoryMembers.login_policy.partial().optional(),
  gateways: machines(gateway.partial().required({ address: true }).extend({ name: slug })).optional(),
  hosts: machines(host.partial().required({ address: true }).extend({ name: slug })).optional(),
  access_rules: named(documentedRule, ({ group, account, role, project, environment }) =>
    [group ?? account, role, project, environment].join(' ').trim(),
  ).optional(),
  projects: slugged(documentedProject).optional(),
});

export const inventoryDocument = wholeDocument.superRefine(({ gateways = [], hosts = [] }, context) => {
  const names = new Set(gateways.map(({ name }) => name));
  for (const [index, { name }] of hosts.entries()) {
    const message = `is the second machine named "${name}"`;
    if (names.has(name)) context.addIssue({ code: 'custom', path: ['hosts', index], message });
  }
});

export type InventoryDocument = z.output<typeof inventoryDocument>;

/** For editors. */
export function inventoryJsonSchema(): object {
  return {
    ...z.toJSONSchema(wholeDocument, { io: 'input' }),
    title: 'Sallyport inventory',
  };
}
