/** What a decision is made from: plain facts, loaded by the CA in its transaction or sent to a companion by the feed. */

export type Role = 'viewer' | 'contributor' | 'admin';
export type SessionMode = 'interactive' | 'token' | 'ci' | 'hop';
export type EnvironmentKind = 'production' | 'staging' | 'development';
export type AccessMode = 'relay' | 'jump' | 'both';
export type InstanceState = 'running' | 'stopped';

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
  /** Whether `amr`/`acr` count as multi-factor by the identity provider's mapping. */
  readonly mfa: boolean;
}

export interface SessionFacts {
  readonly id: string;
  readonly mode: SessionMode;
  readonly ended: boolean;
  readonly expiresAtSeconds: number;
  readonly assurance: AssuranceFacts;
}

export interface OrganizationFacts {
  readonly slug: string;
  readonly sshEnabled: boolean;
  /** Oldest login that still counts as MFA, in seconds; null: as old as the session. */
  readonly mfaMaxAgeSeconds: number | null;
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
