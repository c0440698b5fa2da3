/**
 * The file that `sallyport setup FILE` reads: one organization with its access rules, machines and targets, as JSON.
 * Applying it again adds what is new and changes addresses; it deletes nothing.
 */
import { z } from 'zod';
import { accountName, address, login, port, slug } from '../api/common.ts';

const role = z.enum(['viewer', 'contributor', 'admin']);

const instance = z.strictObject({
  /** Absent: the app's only instance, and its target name ends with the app. */
  slug: slug.optional(),
  address,
  port: port.default(22),
  login,
  /** The host whose companion stands beside the instance's sshd. */
  host: slug.optional(),
});

const environment = z.strictObject({
  slug,
  kind: z.enum(['production', 'staging', 'development']),
  mfa_required: z.boolean().default(false),
  mfa_max_age_seconds: z.int().positive().optional(),
  access: z.enum(['relay', 'jump', 'both']).default('both'),
  gateways: z.array(slug).default([]),
  apps: z.array(
    z.strictObject({ slug, ssh_role: role.default('contributor'), instances: z.array(instance).default([]) }),
  ),
});

export const setupDocument = z.strictObject({
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
      }),
    )
    .default([]),
  hosts: z.array(z.strictObject({ name: slug, address, port: port.default(22) })).default([]),
  projects: z.array(z.strictObject({ slug, environments: z.array(environment) })).default([]),
});

export type SetupDocument = z.infer<typeof setupDocument>;
