/**
 * The file that `sallyport setup FILE` reads: one organization with its access rules, machines and targets, as JSON.
 * Applying it again adds what is new and changes what is different; what it no longer names stays.
 */
import { z } from 'zod';
import { accountName, address, login, port, slug } from '../api/common.ts';
import { loginPolicyChange } from '../api/login-policy.ts';

/** Refuses a list in which two have the same name: the second would silently change the first. */
function named<Item extends z.ZodType>(item: Item, nameOf: (one: z.output<Item>) => string) {
  return z.array(item).superRefine((items, context) => {
    const seen = new Set<string>();
    for (const [index, one] of items.entries()) {
      const name = nameOf(one);
      if (seen.has(name)) {
        const message =
          name === '' ? 'is the second one without a slug' : `is the second one named "${name}"`;
        context.addIssue({ code: 'custom', path: [index], message });
      }
      seen.add(name);
    }
  });
}

const role = z.enum(['viewer', 'contributor', 'admin']);

const instance = z.strictObject({
  /** Absent: the app's only instance, and its target name ends with the app. */
  slug: slug.optional(),
  address,
  port: port.default(22),
  login,
  /** The host whose companion stands beside the instance's sshd. */
  host: slug.optional(),
  /** Of a new one; what there is already is what was reported of it since. */
  kind: z.enum(['instance', 'worker', 'task']).optional(),
  role: slug.optional(),
  state: z.enum(['running', 'starting', 'stopped', 'paused', 'inactive']).optional(),
});

const environment = z.strictObject({
  slug,
  kind: z.enum(['production', 'staging', 'development']),
  mfa_required: z.boolean().default(false),
  /** Absent: 15 minutes where a production environment requires a second factor; null, and elsewhere: any age. */
  mfa_max_age_seconds: z.int().positive().nullable().optional(),
  /** Refuses API tokens and CI jobs, whatever their accounts may. */
  people_only: z.boolean().default(false),
  access: z.enum(['relay', 'jump', 'both']).default('both'),
  gateways: z.array(slug).default([]),
  apps: named(
    z.strictObject({
      slug,
      ssh_role: role.default('contributor'),
      instances: named(instance, (one) => one.slug ?? '').default([]),
    }),
    (app) => app.slug,
  ),
});

const wholeDocument = z.strictObject({
  organization: z.strictObject({
    slug,
    name: z.string().min(1).max(200),
    domains: z.array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'is not a domain')).min(1),
  }),
  access_rules: z.array(
    z
      .strictObject({
        group: z.string().min(1).max(200).optional(),
        account: accountName.optional(),
        role,
        project: slug.optional(),
        environment: slug.optional(),
      })
      .refine(
        (rule) => (rule.group === undefined) !== (rule.account === undefined),
        'needs either group or account',
      )
      .refine(
        (rule) => rule.environment === undefined || rule.project !== undefined,
        'needs project beside environment',
      ),
  ),
  gateways: z
    .array(
      z.strictObject({
        name: slug,
        address,
        port: port.default(22),
        /** Everybody logs in as this user; absent: the login name is the target's name. */
        login: login.optional(),
        /** The IP address that targets see it come from; absent: its address. */
        source_address: z.union([z.ipv4(), z.ipv6()]).optional(),
      }),
    )
    .default([]),
  hosts: z.array(z.strictObject({ name: slug, address, port: port.default(22) })).default([]),
  /** What the organization asks of logins; what it does not name stays. */
  login_policy: loginPolicyChange.optional(),
  projects: named(
    z.strictObject({ slug, environments: named(environment, (one) => one.slug) }),
    (project) => project.slug,
  ).default([]),
});

export const setupDocument = wholeDocument.superRefine(({ gateways, hosts }, context) => {
  const seen = new Set<string>();
  for (const [list, machines] of Object.entries({ gateways, hosts })) {
    for (const [index, { name }] of machines.entries()) {
      const message = `is the second machine named "${name}"`;
      if (seen.has(name)) context.addIssue({ code: 'custom', path: [list, index], message });
      seen.add(name);
    }
  }
});

export type SetupDocument = z.infer<typeof setupDocument>;
