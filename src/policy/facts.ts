/** What a decision is made from: plain facts, loaded by the CA in its transaction or sent to a companion by the feed. */

export type Role = 'viewer' | 'contributor' | 'admin';
/** key: a key of the person's own that is registered with us, instead of a certificate. */
export type SessionMode = 'interactive' | 'token' | 'ci' | 'key' | 'hop';
export type EnvironmentKind = 'production' | 'staging' | 'development';
export type AccessMode = 'relay' | 'jump' | 'both';
export type InstanceState = 'running' | 'starting' | 'stopped' | 'paused' | 'inactive';
/** When the age of a second factor is judged: as a connection starts, or as long as it lives. */
export type MfaEnforcement = 'start' | 'continuous';
/** From where a certificate is good: anywhere, the address that asked for it, or that address's network. */
export type SourcePinning = 'off' | 'address' | 'network';
/** Who vouches for a second factor: the identity provider, or we ourselves for a passkey enrolled here. */
export type MfaSource = 'provider' | 'passkey';

export interface AccountFacts {
  readonly name: string;
  readonly organization: string;
  readonly disabled: boolean;
  readonly groups: readonly string[];
}

/** What is known of how a person proved who they are. Times are unix seconds. */
export interface AssuranceFacts {
  /** RFC 8176 method names as the identity provider asserted them. */
  readonly amr: readonly string[];
  readonly acr: string | null;
  readonly authTimeSeconds: number;
  /** Whether somebody vouched for a second factor: `mfaBy` is not null. */
  readonly mfa: boolean;
  /** Who did. The two are never mixed: the methods and the time are those of this one. */
  readonly mfaBy: MfaSource | null;
  /** RFC 8176 names of what was used; empty without a second factor. */
  readonly mfaMethods: readonly string[];
  /** When the second factor was given; null: when the person logged in. */
  readonly mfaTimeSeconds: number | null;
}

export interface SessionFacts {
  readonly id: string;
  readonly mode: SessionMode;
  readonly ended: boolean;
  readonly expiresAtSeconds: number;
  readonly assurance: AssuranceFacts;
  /** The highest role it may use, as of an API token; null: whatever the account has. */
  readonly roleLimit: Role | null;
}

export interface OrganizationFacts {
  readonly slug: string;
  readonly sshEnabled: boolean;
  /** Oldest login that still counts as MFA, in seconds; null: as old as the session. */
  readonly mfaMaxAgeSeconds: number | null;
  /** Whether people get certificates only with a second factor. */
  readonly mfaRequired: boolean;
  /** Whose word counts for a second factor. */
  readonly mfaSources: readonly MfaSource[];
  /** RFC 8176 names, one of which a second factor must have been; null: any. */
  readonly mfaMethods: readonly string[] | null;
  /** Whether API tokens and CI identities get certificates. */
  readonly machineAccess: boolean;
  readonly sourcePinning: SourcePinning;
  readonly hardware: HardwareFacts;
}

/** Whether people's certificates are only for security keys; verified: which also ask for a PIN or a finger. */
export type HardwareKeys = 'off' | 'required' | 'verified';

export interface HardwareFacts {
  readonly keys: HardwareKeys;
  /** Whether the maker must vouch for the key. */
  readonly attestation: boolean;
  /** AAGUIDs, one of which it must be of then; null: any. */
  readonly models: readonly string[] | null;
}

/** What is known of the key that a certificate is for. */
export interface KeyFacts {
  readonly isSecurityKey: boolean;
  /** Whether the proof of its possession says that a PIN or a finger was asked for. */
  readonly userVerified: boolean;
  /** The AAGUID that an accepted authority has vouched for; null: none has. */
  readonly attestedModel: string | null;
}

/** One environment with what is above it: what a certificate that is narrowed to it is decided from. */
export interface EnvironmentFacts {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly mfaRequired: boolean;
  /** The environment's or the organization's, whichever is shorter; null: any age. */
  readonly mfaMaxAgeSeconds: number | null;
  /** Refuses API tokens and CI identities. */
  readonly peopleOnly: boolean;
  readonly sshEnabled: {
    readonly organization: boolean;
    readonly project: boolean;
    readonly environment: boolean;
  };
}

/** One instance with everything above it that a decision asks about. */
export interface TargetFacts {
  readonly targetName: string;
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly app: string;
  readonly environmentKind: EnvironmentKind;
  readonly mfaRequired: boolean;
  readonly mfaMaxAgeSeconds: number | null;
  readonly mfaEnforcement: MfaEnforcement;
  /** The longest that a connection may last, and how long it may be silent; null: no limit. */
  readonly maxConnectionSeconds: number | null;
  readonly idleTimeoutSeconds: number | null;
  /** Refuses API tokens and CI identities. */
  readonly peopleOnly: boolean;
  readonly accessMode: AccessMode;
  /** The role that SSH to this app asks for. */
  readonly sshRole: Role;
  /** Every level's switch; the first false one is named in the refusal. */
  readonly sshEnabled: {
    readonly organization: boolean;
    readonly project: boolean;
    readonly environment: boolean;
    readonly app: boolean;
  };
  /** What a connection may forward: `local` (-L) to the environment's services, `remote` (-R), the agent (-A). */
  readonly forwarding: { readonly local: boolean; readonly remote: boolean; readonly agent: boolean };
  readonly state: InstanceState;
  readonly address: string;
  readonly port: number;
  readonly login: string;
}

/** A role of an account or a group on an organization, a project or an environment. */
export interface AccessRuleFacts {
  readonly subject: { readonly account: string } | { readonly group: string };
  readonly role: Role;
  readonly organization: string;
  /** null: every project. */
  readonly project: string | null;
  /** null: every environment. */
  readonly environment: string | null;
  readonly expiresAtSeconds: number | null;
}

/** What people of an environment tunnel to through a gateway, such as a database. */
export interface ServiceFacts {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly name: string;
  /** What listens there, such as postgresql. */
  readonly kind: string;
  readonly address: string;
  readonly port: number;
  /** The role that a tunnel to it asks for. */
  readonly role: Role;
}
