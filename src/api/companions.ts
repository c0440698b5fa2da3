/**
 * What gateways and hosts exchange with the CA. `companionState` is the feed's document: sent whole, with a version
 * that only grows; a companion refuses a lower one. Rules for changing it: add optional members only, which a companion
 * that does not know them leaves out, and bump `format` when it must not go on without.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  accountName,
  address,
  base64,
  keyLine,
  login,
  port,
  slug,
  sshsig,
  targetName,
  uint64,
  unixSeconds,
} from './common.ts';

export const enrolmentRequest = z.strictObject({
  /** The one-time token. */
  token: z.string().min(20).max(200),
  /** The machine's SSH host key, an authorized_keys line. */
  host_public_key: keyLine,
  /** Armored SSHSIG by the host key over enrolmentMessage(token), namespace `enrol@DOMAIN`. */
  signature: sshsig,
});

/**
 * A machine whose host key was registered beforehand asks for a nonce, and enrols by a signature over it. It says which
 * machine it was told to become: anybody can read its public key, and register it for a machine of their own.
 */
export const enrolmentNonceRequest = z.strictObject({ name: slug, host_public_key: keyLine });

export const enrolmentNonceReply = z.strictObject({
  nonce: z.string(),
  expires_in_seconds: z.int().positive(),
});

export const enrolmentByKeyRequest = z.strictObject({
  name: slug,
  nonce: z.string().min(20).max(200),
  host_public_key: keyLine,
  /** Armored SSHSIG by the host key over enrolmentByKeyMessage(), namespace `enrol-by-key@DOMAIN`. */
  signature: sshsig,
});

export const enrolmentReply = z.strictObject({
  companion_id: z.uuid(),
  name: slug,
  kind: z.enum(['gateway', 'host']),
  /** Bearer credential of this companion; stored 0600, never shown. */
  credential: z.string(),
  /** DOMAIN of SSHSIG namespaces and certificate extensions. */
  domain: z.string(),
  /** User CA keys to trust, pinned from now on. */
  user_authorities: z.array(keyLine).min(1),
});

const role = z.enum(['viewer', 'contributor', 'admin']);

/** Where a session starts on an instance, and what it has in its environment: names that are safe in any shell. */
const plainPath = z.string().regex(/^\/[A-Za-z0-9._/@+-]*$/);

/**
 * policy/facts.ts TargetFacts, and what a companion needs beside them. Members with a default came later: older servers
 * do not send them.
 */
export const targetFacts = z.object({
  targetName,
  organization: slug,
  project: slug,
  environment: slug,
  app: slug,
  environmentKind: z.enum(['production', 'staging', 'development']),
  mfaRequired: z.boolean(),
  mfaMaxAgeSeconds: z.int().positive().nullable(),
  mfaEnforcement: z.enum(['start', 'continuous']).default('start'),
  maxConnectionSeconds: z.int().positive().nullable().default(null),
  idleTimeoutSeconds: z.int().positive().nullable().default(null),
  /** Older servers know no such environments. */
  peopleOnly: z.boolean().default(false),
  accessMode: z.enum(['relay', 'jump', 'both']),
  sshRole: role,
  sshEnabled: z.strictObject({
    organization: z.boolean(),
    project: z.boolean(),
    environment: z.boolean(),
    app: z.boolean(),
  }),
  forwarding: z
    .strictObject({ local: z.boolean(), remote: z.boolean(), agent: z.boolean() })
    .default({ local: false, remote: false, agent: false }),
  state: z.enum(['running', 'starting', 'stopped', 'paused', 'inactive']),
  address,
  port,
  login,
  gatewayUid: z.int().min(1000),
  /** With gatewayUid the numeric alias of the target name, `<nodeNumber>-<gatewayUid>`. */
  nodeNumber: z.int().positive().nullable().default(null),
  /** Its name in its app; null: the only one. */
  instance: slug.nullable().default(null),
  instanceKind: z.enum(['instance', 'worker', 'task']).default('instance'),
  /** What it is for, such as web or db. */
  instanceRole: z.string().nullable().default(null),
  /** The enrolled host that it runs on; a gateway takes nobody on to a target without. */
  host: slug.nullable().default(null),
  /** Where a shell starts there, a file of NAME=value lines for its environment, and the unit whose journal is the log. */
  folder: plainPath.nullable().default(null),
  envFile: plainPath.nullable().default(null),
  journalUnit: z
    .string()
    .regex(/^[A-Za-z0-9:_.@-]+$/)
    .nullable()
    .default(null),
});

/** policy/facts.ts ServiceFacts */
export const serviceFacts = z.object({
  organization: slug,
  project: slug,
  environment: slug,
  name: slug,
  kind: z.string(),
  address,
  port,
  role,
});

export const accessRuleFacts = z.strictObject({
  subject: z.union([z.strictObject({ account: accountName }), z.strictObject({ group: z.string() })]),
  role,
  organization: slug,
  project: slug.nullable(),
  environment: slug.nullable(),
  expiresAtSeconds: unixSeconds.nullable(),
});

/** A CA key to trust. */
const authority = z.object({
  public_key: keyLine,
  /** Certificate that every KRL revokes, to prove that the installed file is in force. */
  canary: keyLine,
});

export const companionState = z.object({
  format: z.literal(1),
  version: uint64,
  companion: z.object({
    id: z.uuid(),
    name: slug,
    kind: z.enum(['gateway', 'host']),
    /** Gateways: everybody logs in as this user; null: as the target's name. */
    gateway_login: login.nullable(),
    /** Where its sshd is to listen, the first one first; absent or empty: where the machine itself says. */
    ports: z.array(port).optional(),
  }),
  /** The server's clock when it made this document. */
  generated_at: unixSeconds,
  /** The generations of the user CA: the next one before it signs, the active one, those before it still. */
  user_authorities: z.array(authority),
  /** The same of the hop CA. Hosts only: a gateway lets nobody in with a hop certificate. */
  hop_authorities: z.array(authority).optional(),
  krl: z.object({
    version: uint64,
    data: base64,
    /** Armored SSHSIG by the active user CA over krlMessage(version, data), namespace `krl@DOMAIN`. */
    signature: z.string(),
    /** The same by other user CA keys, for a companion that knows only those: retiring ones, lately compromised ones. */
    signatures: z.array(z.string()).optional(),
  }),
  host_certificate: keyLine,
  targets: z.array(targetFacts),
  accounts: z.array(
    z.object({
      name: accountName,
      organization: slug,
      disabled: z.boolean(),
      groups: z.array(z.string()),
      /** The login name of its menu on gateways, and that name's uid. */
      number: z.int().min(1000).optional(),
    }),
  ),
  access_rules: z.array(accessRuleFacts),
  /** What people tunnel to through a gateway. */
  services: z.array(serviceFacts).default([]),
  /** Public keys of the host CA: whom a gateway believes that a host is the one it says. */
  host_authorities: z.array(keyLine).default([]),
  /** Keys that people log in with instead of certificates, each with its login session. */
  registered_keys: z
    .array(
      z.object({
        account: accountName,
        session_id: z.uuid(),
        public_key: keyLine,
        expires_at: unixSeconds,
      }),
    )
    .default([]),
  /** Holes in this machine's firewall. */
  leases: z
    .array(
      z.object({
        id: z.uuid(),
        /** An address or a network. */
        network: z.string(),
        port,
        expires_at: unixSeconds,
      }),
    )
    .default([]),
  /** Apps of a gateway's environments of which there is no instance now. */
  empty_apps: z
    .array(
      z.object({
        name: z.string(),
        organization: slug,
        project: slug,
        environment: slug,
        environmentKind: z.enum(['production', 'staging', 'development']),
        app: slug,
      }),
    )
    .optional(),
  /** Sessions ended lately; their connections must go. Older ones come in the reply to a connection report. */
  ended_sessions: z.array(z.uuid()),
  public_url: z.url(),
});

/** What a companion has, in the query of its feed and of its state: decimal text, both or neither. */
export const installedVersions = z.union([
  z.strictObject({ version: uint64, krl_version: uint64 }),
  z.strictObject({}),
]);

/** boot id, monitor's pid and its start time */
const connectionKey = z.string().regex(/^[a-z0-9-]{1,64}:[0-9]{1,10}:[0-9]{1,20}$/);

/** Why a companion ended a connection. */
const endReason = z.enum([
  'session_ended',
  'certificate_revoked',
  'account_gone',
  'access_denied',
  'mfa_too_old',
  'too_long',
  'idle',
]);

export const connectionReport = z.strictObject({
  connections: z.array(
    z.strictObject({
      key: connectionKey,
      account: accountName,
      session_id: z.uuid(),
      serial: uint64,
      target: targetName.nullable(),
      started_at: unixSeconds,
      way: z.enum(['relay', 'jump', 'host', 'menu', 'refusal']).optional(),
      /** Where the person comes from, as the machine sees it. */
      client_address: z.union([z.ipv4(), z.ipv6()]).optional(),
    }),
  ),
  /** Those that the companion ended since its last report; whatever else is gone has ended by itself. */
  ended: z.array(z.strictObject({ key: connectionKey, reason: endReason })).optional(),
});
/** Sessions among those reported that have ended: end their connections. */
export const connectionReportReply = z.strictObject({ ended_sessions: z.array(z.uuid()) });

export const acknowledgement = z.strictObject({
  version: uint64,
  krl_version: uint64,
  /** Connections ended because of this state, all verified gone. */
  connections_ended: z.int().min(0),
  /** Null, or why the state could not be installed. */
  problem: z.string().max(500).nullable(),
});

export type EnrolmentRequest = z.infer<typeof enrolmentRequest>;
export type EnrolmentByKeyRequest = z.infer<typeof enrolmentByKeyRequest>;
export type EnrolmentReply = z.infer<typeof enrolmentReply>;
export type CompanionState = z.infer<typeof companionState>;
export type ConnectionReport = z.infer<typeof connectionReport>;
export type EndReason = z.infer<typeof endReason>;
export type Acknowledgement = z.infer<typeof acknowledgement>;

export function enrolmentMessage(token: string): Buffer {
  return Buffer.from(`sallyport enrolment\n${token}\n`, 'utf8');
}

/** @param origin of the server that gave the nonce: a signature for one is worth nothing at another */
export function enrolmentByKeyMessage(nonce: string, origin: string, name: string): Buffer {
  return Buffer.from(`sallyport enrolment by host key\n${origin}\n${name}\n${nonce}\n`, 'utf8');
}

/**
 * A key ID that the section of every hop CA key revokes and no certificate has. So the signed KRL says what a CA key is
 * for, and the feed alone can't have a hop CA trusted as a user CA.
 */
export const hopSectionMark = 'purpose/hop';

/** The bytes under the KRL's detached signature. */
export function krlMessage(version: string, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`sallyport krl\n${version}\n`, 'utf8'), data]);
}

/**
 * Words in the comment of a revocation list that is cut to what can matter to a machine, where the whole one is too
 * long: whose serials it names. A machine that decides about other accounts must not take it for its own.
 */
export function krlAudience(kind: 'gateway' | 'host', accounts: readonly string[]): string {
  const digest = createHash('sha256')
    .update([kind, ...[...accounts].sort()].join('\n'))
    .digest('base64url');
  return `${krlAudienceMark}${digest}`;
}

export const krlAudienceMark = ' for accounts ';
