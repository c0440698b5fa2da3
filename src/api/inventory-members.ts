/**
 * What can be said of each thing in the inventory: in its file, in the API and in a plan the same members. What is not
 * said stays as it is; of something new it is what `inventoryDefaults` says.
 */
import { z } from 'zod';
import { accountName, address, login, port, slug as slugText } from './common.ts';
import { loginPolicy } from './login-policy.ts';

/** With a pattern that editors understand; what counts is isSlug(). */
export const slug = slugText.meta({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 40 });
export const role = z.enum(['viewer', 'contributor', 'admin']);
/** Reported and made by hand alike. */
export const instanceState = z.enum(['running', 'starting', 'stopped', 'paused', 'inactive']);

const days30 = 2_592_000;
const limitSeconds = z.int().min(60).max(days30).nullable();
const domain = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'is not a domain such as example.com');
const plainPath = z
  .string()
  .max(255)
  .regex(/^\/[A-Za-z0-9._/@+-]*$/, 'is not an absolute path of plain characters');
const fingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'is not a fingerprint such as SHA256:...');
/** A line for people: no control characters, which could change what a terminal shows. */
const line = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u, 'holds characters that can not be shown');

function distinct<Item extends z.ZodType<string | number>>(item: Item, most: number) {
  return z
    .array(item)
    .max(most)
    .refine((items) => new Set(items).size === items.length, 'names one twice');
}

/** Projects, environments, apps and services by their names with dots between: `shop.production.web`. */
export function dottedName(parts: 1 | 2 | 3) {
  return z
    .string()
    .refine(
      (text) =>
        text.split('.').length === parts && text.split('.').every((part) => slugText.safeParse(part).success),
      `is not a name such as ${['shop', 'shop.production', 'shop.production.web'][parts - 1]}`,
    );
}

/** Few and short: they are for people and scripts to pick by. */
const labels = z
  .record(z.string().regex(/^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/, 'is not a label'), line(200))
  .refine((all) => Object.keys(all).length <= 20, 'are more than 20');

const machine = {
  address,
  port,
  /** Where its sshd listens besides `port`, in the order in which clients try them. */
  ports: distinct(port, 8),
  /** More names of its host certificate, such as a DNS name that several gateways share. */
  host_names: distinct(
    z.string().regex(/^(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/, 'is not a host name'),
    8,
  ),
  /** Of the host key that may enrol it without a token. */
  host_fingerprint: fingerprint.nullable(),
  /** The longest lease of its firewall; null: it gives none. */
  lease_max_seconds: z.int().min(60).max(14_400).nullable(),
};

export const inventoryMembers = {
  organization: z.strictObject({
    name: line(200),
    /** Every level has such a switch: where one is off, nobody gets in, below it neither. */
    ssh_enabled: z.boolean(),
  }),
  /** With the organization's limits of connections, pinned certificates and registered keys. */
  login_policy: loginPolicy,
  gateway: z.strictObject({
    ...machine,
    /** Everybody logs in as this user; null: the login name is the target's name. */
    login: login.nullable(),
    /** The IP address that targets see it come from; null: its address. */
    source_address: z.union([z.ipv4(), z.ipv6()]).nullable(),
  }),
  project: z.strictObject({ ssh_enabled: z.boolean() }),
  environment: z.strictObject({
    kind: z.enum(['production', 'staging', 'development']),
    ssh_enabled: z.boolean(),
    mfa_required: z.boolean(),
    /** Oldest second factor that counts, beside the organization's limit; null: only that. */
    mfa_max_age_seconds: z.int().min(1).max(31_536_000).nullable(),
    /** Whether that age is judged as a connection starts, or ends it when it is over. */
    mfa_enforcement: z.enum(['start', 'continuous']),
    /** Refuses API tokens and CI jobs, whatever their accounts may. */
    people_only: z.boolean(),
    access: z.enum(['relay', 'jump', 'both']),
    max_connection_seconds: limitSeconds,
    idle_timeout_seconds: limitSeconds,
    gateways: distinct(slug, 100),
  }),
  service: z.strictObject({
    kind: z.string().regex(/^[a-z0-9-]{1,32}$/, 'is not a kind such as postgresql'),
    address,
    port,
    /** What a tunnel to it asks for. */
    role,
    enabled: z.boolean(),
    login: line(63).nullable(),
    database: line(63).nullable(),
  }),
  app: z.strictObject({
    ssh_enabled: z.boolean(),
    /** What SSH to it asks for. */
    ssh_role: role,
    /** Where a shell starts on an instance. */
    folder: plainPath.nullable(),
    /** A file of NAME=value lines on an instance that a session has in its environment. */
    env_file: plainPath.nullable(),
    /** The systemd unit whose journal is the app's log. */
    journal_unit: z
      .string()
      .max(255)
      .regex(/^[A-Za-z0-9:_.@-]+$/, 'is not a unit')
      .nullable(),
    local_forwarding: z.boolean(),
    remote_forwarding: z.boolean(),
    agent_forwarding: z.boolean(),
  }),
  host: z.strictObject({
    ...machine,
    /** Apps whose instance it may report itself to be, and who one is there; the instance's name is the host's. */
    announces: z
      .array(z.strictObject({ app: dottedName(3), login }))
      .max(31)
      .refine((all) => new Set(all.map(({ app }) => app)).size === all.length, 'names an app twice'),
  }),
  instance: z.strictObject({
    address,
    port,
    login,
    /** The host whose companion stands beside the instance's sshd. */
    host: slug.nullable(),
    state: instanceState,
    kind: z.enum(['instance', 'worker', 'task']),
    /** What it is for, such as web or db: people pick by it. */
    role: slug.nullable(),
    labels,
  }),
  access_rule: z.strictObject({
    group: line(200).nullable(),
    account: accountName.nullable(),
    role,
    project: slug.nullable(),
    environment: slug.nullable(),
    /** A moment such as 2027-01-31T12:00:00Z; null: never. */
    expires_at: z.iso.datetime().nullable(),
  }),
} as const;

export const organizationDomains = z.array(domain);

export type InventoryKind = keyof typeof inventoryMembers;
export type MembersOf<Kind extends InventoryKind> = z.output<(typeof inventoryMembers)[Kind]>;

const machineDefaults = {
  port: 22,
  ports: [],
  host_names: [],
  host_fingerprint: null,
  lease_max_seconds: null,
};

/** Of something new. What has no default must be said. */
export const inventoryDefaults = {
  organization: {},
  login_policy: {},
  gateway: { ...machineDefaults, login: null, source_address: null },
  project: { ssh_enabled: true },
  environment: {
    ssh_enabled: true,
    mfa_required: false,
    mfa_max_age_seconds: null,
    mfa_enforcement: 'start',
    people_only: false,
    access: 'both',
    max_connection_seconds: null,
    idle_timeout_seconds: null,
    gateways: [],
  },
  service: { role: 'contributor', enabled: true, login: null, database: null },
  app: {
    ssh_enabled: true,
    ssh_role: 'contributor',
    folder: null,
    env_file: null,
    journal_unit: null,
    local_forwarding: true,
    remote_forwarding: false,
    agent_forwarding: false,
  },
  host: { ...machineDefaults, announces: [] },
  instance: { port: 22, host: null, state: 'running', kind: 'instance', role: null, labels: {} },
  access_rule: { group: null, account: null, project: null, environment: null, expires_at: null },
} as const satisfies { readonly [Kind in InventoryKind]: Partial<MembersOf<Kind>> };

/** How old a second factor may be in production that requires one, unless somebody says otherwise. */
const productionMaxAgeSeconds = 900;

/** All members of something new. */
export function withDefaults<Kind extends InventoryKind>(
  kind: Kind,
  said: Partial<MembersOf<Kind>>,
): MembersOf<Kind> {
  const {
    mfa_required,
    mfa_max_age_seconds,
    kind: environmentKind,
  } = said as Partial<MembersOf<'environment'>>;
  const strict =
    kind === 'environment' &&
    environmentKind === 'production' &&
    mfa_required === true &&
    mfa_max_age_seconds === undefined;
  const all: Readonly<Record<string, unknown>> = {
    ...inventoryDefaults[kind],
    ...said,
    ...(strict ? { mfa_max_age_seconds: productionMaxAgeSeconds } : {}),
  };
  // In the order in which people are shown them.
  const names = Object.keys(inventoryMembers[kind].shape).filter((name) => name in all);
  return Object.fromEntries(names.map((name) => [name, all[name]])) as unknown as MembersOf<Kind>;
}
