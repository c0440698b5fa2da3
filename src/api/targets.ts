/** GET /v1/targets: everything that one may see, how it is reached, and why not. */
import { z } from 'zod';
import { accountName, address, login, port, slug, targetName } from './common.ts';

/** The most that one page holds. */
export const mostTargetsOfPage = 2_000;

/** `<node number>-<uid>`: what stands for the target in its place, and never for another one. */
const alias = z.string().regex(/^[1-9][0-9]{0,9}-[1-9][0-9]{0,9}$/);
const fingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);

const seenTarget = z.strictObject({
  name: targetName,
  /** Both are the instance's for as long as it is there, and nobody's after that. */
  alias,
  number: z.int().positive(),
  organization: slug,
  project: slug,
  environment: slug,
  environment_kind: z.enum(['production', 'staging', 'development']),
  app: slug,
  /** Its name in its app; null: the only one. */
  instance: slug.nullable(),
  kind: z.enum(['instance', 'worker', 'task']),
  role: z.string().max(200).nullable(),
  labels: z.record(z.string(), z.string()),
  state: z.enum(['running', 'starting', 'stopped', 'paused', 'inactive']),
  address,
  port,
  login,
  /** The unit whose journal is its log; null: nobody has named one. */
  journal_unit: z
    .string()
    .regex(/^[A-Za-z0-9:_.@-]+$/)
    .nullable(),
  /** By name, the first one is what the ssh config takes; empty: no gateway serves it. */
  gateways: z.array(slug),
  access: z.enum(['relay', 'jump', 'both']),
  /** What works of it: relay only where an enrolled host serves the target; host: directly, where no gateway does. */
  ways: z.array(z.enum(['relay', 'jump', 'host'])),
  /** It takes only a certificate that is narrowed to its environment: its host has no companion. */
  narrowed: z.literal(true).optional(),
  /** Of the host key of the machine that it runs on, where that is enrolled. */
  fingerprint: fingerprint.nullable(),
  allowed: z.boolean(),
  /** Why not: the reason that matters most; null if allowed. */
  reason: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  /** What to run against all of the reasons, null if nothing helps. */
  command: z.string().nullable(),
});

const seenGateway = z.strictObject({
  name: slug,
  address,
  /** In the order in which they are tried. */
  ports: z.array(port).min(1),
  /** null: the login name is the target's name. */
  login: login.nullable(),
  fingerprint: fingerprint.nullable(),
  /** Its firewall is opened on request: POST /v1/leases. */
  leases: z.boolean().optional(),
});

export const targetsReply = z.strictObject({
  account: accountName,
  targets: z.array(seenTarget),
  /** Those that the targets of this page name. */
  gateways: z.array(seenGateway),
  /** Apps that one may see and that have no instance now, as `<project>-<environment>--<app>`; on the last page only. */
  empty_apps: z.array(targetName),
  /** The next page is what comes after this name; null: this is the last one. */
  next: targetName.nullable(),
});

export type SeenTarget = z.infer<typeof seenTarget>;
export type SeenGateway = z.infer<typeof seenGateway>;
export type TargetsReply = z.infer<typeof targetsReply>;
