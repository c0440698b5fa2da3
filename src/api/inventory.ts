/** /v1/inventory: things one by one, reports of instances, and plans of whole documents. */
import { z } from 'zod';
import { address, login, port, slug, targetName, unixSeconds } from './common.ts';
import { inventoryDocument } from './inventory-document.ts';
import { dottedName, type InventoryKind, instanceState, inventoryMembers } from './inventory-members.ts';

export const inventoryKinds = Object.keys(inventoryMembers) as [InventoryKind, ...InventoryKind[]];

/** What an orchestrator knows of an instance; what it leaves out has its default. */
const { host, kind, role, labels } = inventoryMembers.instance.shape;
const reportedInstance = z.strictObject({
  /** null: the app's only instance. */
  slug: slug.nullable(),
  address,
  port: port.default(22),
  login,
  host: host.default(null),
  state: instanceState.default('running'),
  kind: kind.default('instance'),
  role: role.default(null),
  labels: labels.default({}),
});

export const mostReportedInstances = 20_000;

/** PUT /v1/inventory/apps/:app/instances: from now on these and no others. */
export const instanceReport = z.strictObject({
  instances: z
    .array(reportedInstance)
    .max(mostReportedInstances)
    .superRefine((instances, context) => {
      const seen = new Set<string | null>();
      for (const [index, { slug }] of instances.entries()) {
        const message = `is the second one ${slug === null ? 'without a slug' : `named "${slug}"`}`;
        if (seen.has(slug)) context.addIssue({ code: 'custom', path: [index], message });
        seen.add(slug);
      }
    }),
});

/** PATCH /v1/inventory/instances/:instance */
export const instancePatch = z
  .strictObject({ state: instanceState, labels })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'says nothing');

/** POST /v1/companions/instances: what a host says of what runs on it. */
export const hostReport = z.strictObject({
  state: instanceState,
  labels: labels.optional(),
});
export const hostReportReply = z.object({
  /** Targets that the machine is, for each app that it announces and each instance that is on it. */
  targets: z.array(targetName),
});

const { project, environment, service, app, gateway, instance } = inventoryMembers;
const { host: hostMembers } = inventoryMembers;

/** POST /v1/inventory/<things>: what has no default must be said. */
export const newThing = {
  project: project.partial().extend({ name: dottedName(1) }),
  environment: environment
    .partial()
    .required({ kind: true })
    .extend({ name: dottedName(2) }),
  service: service
    .partial()
    .required({ kind: true, address: true, port: true })
    .extend({ name: dottedName(3) }),
  app: app.partial().extend({ name: dottedName(3) }),
  gateway: gateway.partial().required({ address: true }).extend({ name: slug }),
  host: hostMembers.partial().required({ address: true }).extend({ name: slug }),
  instance: instance
    .partial()
    .required({ address: true, login: true })
    // Without a slug it is the app's only one.
    .extend({ app: dottedName(3), slug: slug.nullable().default(null) }),
};

/** GET /v1/inventory/instances, in the order of their names. */
export const instanceQueryString = z.strictObject({
  app: dottedName(3).optional(),
  state: instanceState.optional(),
  /** The last name of the page before. */
  after: targetName.optional(),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/)
    .transform(Number)
    .default(500),
});

/** An instance as a list shows it, however it came. */
export const instanceDocument = inventoryMembers.instance.extend({
  name: targetName,
  app: z.string(),
  slug: slug.nullable(),
  /** Numeric alias of its target name; both numbers are never used again. */
  alias: z.string(),
  reported_by: z.enum(['admin', 'companion', 'orchestrator']),
  reported_at: unixSeconds.nullable(),
});

export const instanceList = z.strictObject({
  instances: z.array(instanceDocument),
  /** What `after` of the next page is; null: this is the last. */
  next: targetName.nullable(),
});

/** One of a plan's changes. A member that a change does not name is as it was. */
export const inventoryChange = z.strictObject({
  action: z.enum(['create', 'change', 'remove']),
  kind: z.enum(inventoryKinds),
  name: z.string(),
  before: z.record(z.string(), z.unknown()).nullable(),
  after: z.record(z.string(), z.unknown()).nullable(),
});

export const planRequest = z.strictObject({
  document: inventoryDocument,
  /** Whether what the document does not name goes, in the lists that it has. */
  prune: z.boolean().default(false),
});
export const applyRequest = planRequest.extend({
  /** Of the plan that somebody saw. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
export const inventoryPlan = z.strictObject({
  digest: z.string(),
  changes: z.array(inventoryChange),
  /** What stays though the document does not name it; empty with `prune`. */
  not_in_file: z.array(z.strictObject({ kind: z.enum(inventoryKinds), name: z.string() })),
  /** Live connections at targets that go, or that a switch closes. */
  ends_connections: z.int(),
});

export type InstanceDocument = z.output<typeof instanceDocument>;
export type InventoryChange = z.output<typeof inventoryChange>;
export type InventoryPlan = z.output<typeof inventoryPlan>;
