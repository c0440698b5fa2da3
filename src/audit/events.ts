/**
 * Every event that can be recorded, with its facts. A closed set: readers and alarms depend on the names, so an event
 * may gain facts and never loses or renames one. Facts hold no secret; numbers over 2^53 are decimal text.
 */
import type { ErrorCode } from '../errors/codes.ts';

/** Why something was refused: the error's code, and its message for people. */
interface Refusal {
  readonly code: ErrorCode | string;
  readonly message?: string;
  /** Codes of policy reasons, where policy refused. */
  readonly reasons?: readonly string[];
}

export interface EventFacts {
  'account.created': { readonly name: string; readonly issuer: string; readonly subject: string };
  'machine_account.created': { readonly name: string; readonly by: string };
  'account.disabled': { readonly name: string; readonly by: string };
  'account.enabled': { readonly name: string; readonly by: string };
  /** `sallyport break-glass`: the operator made somebody an admin for a while. */
  'break_glass.granted': {
    readonly account: string;
    readonly reason: string;
    /** Unix seconds. */
    readonly expires_at: number;
  };
  /** Something was done with that role; looking at pages is recorded once a minute. */
  'break_glass.used': { readonly account: string; readonly method: string; readonly route: string };
  /** One more identity of an account; `issuer` and `subject` are the identity's. */
  'account.linked': IdentityFacts;
  'account.unlinked': IdentityFacts & { readonly sessions_ended: number };

  'identity_provider.created': IdentityProviderFacts & { readonly settings: object };
  'identity_provider.changed': IdentityProviderFacts & {
    readonly before: object;
    readonly after: object;
    readonly secret_changed: boolean;
  };
  'identity_provider.removed': IdentityProviderFacts;
  'login_policy.changed': { readonly before: object; readonly after: object; readonly by: string };

  'login.refused': Refusal & {
    readonly issuer?: string;
    readonly subject?: string;
    readonly account?: string;
  };
  'session.started': {
    readonly kind: 'helper' | 'browser' | 'token' | 'ci' | 'key';
    readonly issuer: string;
    readonly mfa: boolean;
    /** Who vouched for the second factor. */
    readonly mfa_by?: 'provider' | 'passkey' | null;
    readonly amr: readonly string[];
    readonly client_address: string | null;
    readonly client_name: string | null;
  };
  'session.ended': {
    readonly reason: string;
    readonly by: string;
    readonly version: string;
    readonly certificates_revoked: number;
  };
  /** A step-up: the same session has a new login. */
  'session.renewed': {
    readonly issuer: string;
    readonly mfa: boolean;
    readonly mfa_by: 'provider' | 'passkey' | null;
    readonly amr: readonly string[];
  };
  /** The identity provider told of a logout or of another reason to end sessions (OpenID Connect, CAEP, RISC). */
  'provider.told': {
    readonly provider: string;
    /** `logout`, or the event's name such as `session-revoked`. */
    readonly what: string;
    readonly subject: string | null;
    readonly sessions_ended: number;
  };
  /** An identity provider has stopped to verify its stream of security events: what happens there is not told. */
  'security_events.stalled': {
    readonly provider: string;
    /** When it did last, in unix seconds; null: never. */
    readonly verified_at: number | null;
  };
  /** An identity provider did not answer when a session was to be renewed; once in ten minutes for each. */
  'provider.outage': { readonly provider: string; readonly detail: string; readonly code: string };
  'passkey.enrolled': PasskeyFacts & {
    /** AAGUID: what the authenticator says that it is. */
    readonly model: string;
    readonly backed_up: boolean;
  };
  'passkey.used': PasskeyFacts;
  'passkey.removed': PasskeyFacts & { readonly by: string };
  'passkey.refused': Refusal & { readonly step: 'assert' | 'enrol'; readonly client_address: string };
  /** New ones were shown; those before them are void. */
  'recovery_codes.created': { readonly count: number };
  'recovery_code.used': { readonly client_address: string; readonly left: number };
  'recovery_code.refused': Refusal & { readonly client_address: string };

  /** A refresh token came back after its successor was used: its session is ended. */
  'refresh.reused': { readonly client: string };
  'token.refused': Refusal;

  /** A device login (RFC 8628): a machine asked for a code; somebody typed a wrong one; what became of it. */
  'device.requested': DeviceFacts;
  'device.code_guessed': { readonly browser_address: string };
  'device.approved': DeviceFacts & { readonly account: string; readonly browser_address: string };
  'device.denied': DeviceFacts & { readonly account: string; readonly browser_address: string };
  'device.refused': DeviceFacts & Refusal & { readonly account: string; readonly browser_address: string };

  'api_token.created': ApiTokenFacts & {
    /** Unix seconds. */
    readonly expires_at: number;
    readonly source_ranges: readonly string[];
  };
  'api_token.revoked': ApiTokenFacts & { readonly sessions_ended: number };
  /** The reason is here and nowhere else: whoever tried it is told the same in every case. */
  'api_token.refused': Refusal & { readonly name?: string; readonly client_address: string };
  'ci_rule.created': CiRuleFacts & {
    readonly audience: string;
    readonly claims: Readonly<Record<string, readonly string[]>>;
    readonly role_limit: string;
  };
  'ci_rule.removed': CiRuleFacts & { readonly sessions_ended: number };
  'ci_token.accepted': { readonly rule: string; readonly issuer: string; readonly subject: string };
  'ci_token.refused': Refusal & {
    readonly issuer: string;
    readonly subject?: string;
    readonly client_address: string;
  };
  'ssh_code.created': {
    readonly uses: number;
    readonly target: string;
    /** Unix seconds. */
    readonly expires_at: number;
  };
  'ssh_code.used': SshCodeUse & { readonly account: string; readonly uses_left: number };
  'ssh_code.refused': Refusal & SshCodeUse;
  'ssh_key.registered': SshKeyFacts & { /** Unix seconds. */ readonly expires_at: number };
  'ssh_key.removed': SshKeyFacts;
  /** The maker of a security key has vouched for a key in it. */
  'ssh_key.attested': {
    readonly fingerprint: string;
    /** AAGUID. */
    readonly model: string;
    /** SHA-256 of the certificate of who vouches. */
    readonly authority: string;
  };
  'lease.created': LeaseFacts;
  'lease.extended': LeaseFacts;
  'lease.ended': LeaseFacts;

  'ca_key.created': CaKeyFacts;
  'ca_key.activated': CaKeyFacts;
  'ca_key.retiring': CaKeyFacts;
  'ca_key.retired': CaKeyFacts;
  'ca_key.compromised': CaKeyFacts;
  'certificate.issued': {
    readonly kind: 'user' | 'host' | 'hop' | 'canary';
    readonly serial: string;
    readonly key_id: string;
    readonly fingerprint: string;
    readonly principals: readonly string[];
    /** Unix seconds. */
    readonly valid_before: number;
  };
  /** `gateway`: it asked for a hop certificate. */
  'certificate.refused': Refusal & { readonly gateway?: string };

  /** `sallyport recover`: the database may have forgotten what happened since its last event before this. */
  'database.recovered': {
    readonly found: readonly string[];
    readonly version: string;
    /** Serials up to this one are revoked. */
    readonly revoked_up_to: string;
    readonly sessions_ended: number;
    readonly api_tokens_revoked?: number;
  };

  /** `sallyport recover --nothing-was-lost`. */
  'database.accepted': { readonly found: readonly string[]; readonly version: string };

  'inventory.changed': {
    readonly change: string;
    readonly name: string;
    readonly by?: string;
    /** What it changed; of something new or gone all there was to say. */
    readonly before?: Readonly<Record<string, unknown>> | null;
    readonly after?: Readonly<Record<string, unknown>> | null;
  };
  /** An orchestrator, or a host of itself; the first names of those that came, changed or went. */
  'instances.reported': {
    readonly by: string;
    /** Null: a host of itself, for several apps. */
    readonly app: string | null;
    readonly created: number;
    readonly changed: number;
    readonly removed: number;
    readonly names: readonly string[];
  };
  'enrolment_token.created': { readonly companion: string /** Unix seconds. */; readonly expires_at: number };
  'companion.enrolled': { readonly companion: string; readonly kind: 'gateway' | 'host' };
  'companion.fingerprint_registered': { readonly companion: string; readonly fingerprint: string };
  'companion.refused': Refusal & { readonly companion?: string };
  /** One certificate by itself, since what it says is not so any more. */
  'certificate.revoked': {
    readonly serial: string;
    readonly key_id: string;
    readonly principals: readonly string[];
    readonly reason: string;
  };
  'companion.revoked': { readonly companion: string; readonly by: string };

  'connection.started': ConnectionFacts & {
    readonly way: string | null;
    readonly client_address: string | null;
  };
  /** Somebody with a good key, whom the machine told in words that it does not let them in there. */
  'connection.refused': ConnectionFacts & { readonly client_address: string | null };
  /** Of refused ones, too. */
  'connection.ended': ConnectionFacts & { readonly reason: string };
}

interface PasskeyFacts {
  readonly passkey: string;
  readonly name: string;
}

interface ApiTokenFacts {
  readonly token: string;
  readonly name: string;
  readonly account: string;
  readonly role_limit: string;
  readonly by: string;
}

interface CiRuleFacts {
  readonly rule: string;
  readonly issuer: string;
  readonly account: string;
  readonly by: string;
}

interface SshCodeUse {
  readonly companion: string;
  readonly target: string;
  readonly source_address: string | null;
}

interface SshKeyFacts {
  readonly key: string;
  readonly name: string;
  readonly account: string;
  readonly fingerprint: string;
  readonly by: string;
}

interface LeaseFacts {
  readonly lease: string;
  readonly companion: string;
  readonly account: string;
  readonly network: string;
  readonly port: number;
  /** Unix seconds. */
  readonly expires_at: number;
  readonly by: string;
}

interface DeviceFacts {
  readonly client_address: string;
  readonly client_name: string | null;
  /** Thumbprint of its key (RFC 7638). */
  readonly key: string;
}

interface IdentityFacts {
  readonly name: string;
  readonly issuer: string;
  readonly subject: string;
  readonly by: string;
}

interface IdentityProviderFacts {
  readonly slug: string;
  readonly by: string;
}

interface CaKeyFacts {
  readonly purpose: 'user' | 'host' | 'hop';
  readonly generation: number;
  readonly fingerprint: string;
  readonly by: string;
}

interface ConnectionFacts {
  readonly companion: string;
  readonly account: string;
  readonly serial: string;
  readonly target: string | null;
}

export type EventName = keyof EventFacts;

export type AuditEvent = {
  [Name in EventName]: {
    readonly event: Name;
    readonly organizationId?: string | null;
    readonly accountId?: string | null;
    readonly sessionId?: string | null;
    readonly facts: EventFacts[Name];
  };
}[EventName];
