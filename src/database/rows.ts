/** Every table's row, as Kysely sees it. Rows do not leave the store file that reads them. */
import type { ColumnType, Generated, JSONColumnType } from 'kysely';

/** bigint columns come back as strings from `pg`; stores turn them into BigInt. */
type BigIntColumn = ColumnType<string, bigint | string, bigint | string>;
type Timestamp = ColumnType<Date, Date | string, Date | string>;
type CreatedAt = ColumnType<Date, Date | undefined, never>;

export interface OrganizationRow {
  id: Generated<string>;
  slug: string;
  name: string;
  ssh_enabled: Generated<boolean>;
  mfa_max_age_seconds: number | null;
  mfa_required: Generated<boolean>;
  mfa_sources: ColumnType<MfaSource[], MfaSource[] | undefined, MfaSource[]>;
  /** RFC 8176 names; null: any. */
  mfa_methods: ColumnType<string[] | null, string[] | null | undefined, string[] | null>;
  /** AAGUIDs; null: any. */
  passkey_models: ColumnType<string[] | null, string[] | null | undefined, string[] | null>;
  session_max_seconds: Generated<number>;
  session_idle_seconds: ColumnType<number | null, number | null | undefined, number | null>;
  outage_grace_seconds: Generated<number>;
  device_login: ColumnType<DeviceLogin, DeviceLogin | undefined, DeviceLogin>;
  ssh_codes: Generated<boolean>;
  machine_access: Generated<boolean>;
  max_connection_seconds: ColumnType<number | null, number | null | undefined, number | null>;
  idle_timeout_seconds: ColumnType<number | null, number | null | undefined, number | null>;
  /** Whether certificates are good only from where they were asked for. */
  source_pinning: ColumnType<SourcePinning, SourcePinning | undefined, SourcePinning>;
  registered_keys: Generated<boolean>;
  hardware_keys: ColumnType<HardwareKeys, HardwareKeys | undefined, HardwareKeys>;
  hardware_attestation: ColumnType<'off' | 'required', 'off' | 'required' | undefined, 'off' | 'required'>;
  /** AAGUIDs; null: any. */
  hardware_models: ColumnType<string[] | null, string[] | null | undefined, string[] | null>;
  /** Certificates, PEM. */
  hardware_authorities: ColumnType<string[], string[] | undefined, string[]>;
  created_at: CreatedAt;
}
type HardwareKeys = 'off' | 'required' | 'verified';
type MfaSource = 'provider' | 'passkey';
type SourcePinning = 'off' | 'address' | 'network';
type DeviceLogin = 'off' | 'same-network' | 'on';
type RoleColumn = 'viewer' | 'contributor' | 'admin';
export interface OrganizationDomainRow {
  domain: string;
  organization_id: string;
}
export interface AccountRow {
  id: Generated<string>;
  organization_id: string;
  name: string;
  display_name: string;
  disabled_at: Timestamp | null;
  kind: ColumnType<'person' | 'machine', 'person' | 'machine' | undefined, never>;
  /** Its number: the login name of its menu on gateways. */
  gateway_uid: Generated<number>;
  created_at: CreatedAt;
}
export interface IdentityRow {
  /** The account's. */
  organization_id: string;
  issuer: string;
  subject: string;
  account_id: string;
  created_at: CreatedAt;
}
export interface AccountGroupRow {
  account_id: string;
  group_name: string;
}
export interface ProjectRow {
  id: Generated<string>;
  organization_id: string;
  slug: string;
  ssh_enabled: Generated<boolean>;
}
export interface EnvironmentRow {
  id: Generated<string>;
  project_id: string;
  slug: string;
  kind: 'production' | 'staging' | 'development';
  ssh_enabled: Generated<boolean>;
  mfa_required: Generated<boolean>;
  mfa_max_age_seconds: number | null;
  access_mode: ColumnType<
    'relay' | 'jump' | 'both',
    'relay' | 'jump' | 'both' | undefined,
    'relay' | 'jump' | 'both'
  >;
  people_only: Generated<boolean>;
  mfa_enforcement: ColumnType<
    'start' | 'continuous',
    'start' | 'continuous' | undefined,
    'start' | 'continuous'
  >;
  max_connection_seconds: ColumnType<number | null, number | null | undefined, number | null>;
  idle_timeout_seconds: ColumnType<number | null, number | null | undefined, number | null>;
}
export interface AppRow {
  id: Generated<string>;
  environment_id: string;
  slug: string;
  ssh_enabled: Generated<boolean>;
  ssh_role: ColumnType<
    'viewer' | 'contributor' | 'admin',
    'viewer' | 'contributor' | 'admin' | undefined,
    'viewer' | 'contributor' | 'admin'
  >;
  folder: ColumnType<string | null, string | null | undefined, string | null>;
  env_file: ColumnType<string | null, string | null | undefined, string | null>;
  journal_unit: ColumnType<string | null, string | null | undefined, string | null>;
  local_forwarding: Generated<boolean>;
  remote_forwarding: Generated<boolean>;
  agent_forwarding: Generated<boolean>;
}
type InstanceState = 'running' | 'starting' | 'stopped' | 'paused' | 'inactive';
type InstanceKind = 'instance' | 'worker' | 'task';
type Reporter = 'admin' | 'companion' | 'orchestrator';
export interface InstanceRow {
  id: Generated<string>;
  app_id: string;
  target_name: string;
  gateway_uid: Generated<number>;
  state: ColumnType<InstanceState, InstanceState | undefined, InstanceState>;
  address: string;
  port: number;
  login: string;
  host_id: string | null;
  /** null: the only one of its app. */
  slug: string | null;
  node_number: Generated<number>;
  kind: ColumnType<InstanceKind, InstanceKind | undefined, InstanceKind>;
  role: ColumnType<string | null, string | null | undefined, string | null>;
  labels: JSONColumnType<Record<string, string>, string | undefined, string>;
  reported_by: ColumnType<Reporter, Reporter | undefined, Reporter>;
  reported_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}
export interface ServiceRow {
  id: Generated<string>;
  environment_id: string;
  slug: string;
  /** What listens there, such as postgresql. */
  kind: string;
  address: string;
  port: number;
  /** The role that a tunnel to it asks for. */
  role: ColumnType<RoleColumn, RoleColumn | undefined, RoleColumn>;
  enabled: Generated<boolean>;
  login: string | null;
  database: string | null;
}
export interface RetiredNameRow {
  /** `<kind>:<id of what held it>` */
  scope: string;
  name: string;
  retired_at: CreatedAt;
}
export interface AccessRuleRow {
  id: Generated<string>;
  organization_id: string;
  account_id: string | null;
  group_name: string | null;
  role: 'viewer' | 'contributor' | 'admin';
  project_id: string | null;
  environment_id: string | null;
  expires_at: Timestamp | null;
}
export interface CompanionRow {
  id: Generated<string>;
  organization_id: string;
  kind: 'gateway' | 'host';
  name: string;
  address: string;
  port: number;
  /** Gateways only. null: the login name is the target's name; else everybody logs in as this user. */
  gateway_login: string | null;
  /** Gateways only: the IP address that targets see it come from. null: its address. */
  source_address: string | null;
  host_key: Buffer | null;
  credential_hash: Buffer | null;
  enrolled_at: Timestamp | null;
  revoked_at: Timestamp | null;
  last_seen_at: Timestamp | null;
  acknowledged_version: BigIntColumn | null;
  acknowledged_krl_version: BigIntColumn | null;
  acknowledged_at: Timestamp | null;
  connections_ended: ColumnType<number, number | undefined, number>;
  problem: string | null;
  /** A version that the machine has and this database never gave. */
  ahead_version: BigIntColumn | null;
  /** Where its sshd listens besides `port`. */
  ports: ColumnType<number[], number[] | undefined, number[]>;
  /** More names of its host certificate. */
  host_names: ColumnType<string[], string[] | undefined, string[]>;
  /** `SHA256:...` of the host key that may enrol it without a token. */
  host_fingerprint: string | null;
  /** The longest lease of its firewall; null: it gives none. */
  lease_max_seconds: number | null;
  /** How far its revocation list is over the budget; null: it is within. */
  krl_excess_bytes: number | null;
}
export interface CompanionAppRow {
  companion_id: string;
  app_id: string;
  login: string;
}
export interface CompanionEnvironmentRow {
  companion_id: string;
  environment_id: string;
}
export interface EnrolmentTokenRow {
  token_hash: Buffer;
  companion_id: string;
  expires_at: Timestamp;
  used_at: Timestamp | null;
}
export interface EnrolmentNonceRow {
  nonce_hash: Buffer;
  companion_id: string;
  expires_at: Timestamp;
  used_at: Timestamp | null;
}
export interface LoginSessionRow {
  id: Generated<string>;
  account_id: string;
  /** helper: `sally`; browser: the console; token, ci: a machine's, without a person; key: a registered key's. */
  kind: 'helper' | 'browser' | 'token' | 'ci' | 'key';
  issuer: string;
  amr: string[];
  acr: string | null;
  auth_time: Timestamp;
  mfa: boolean;
  created_at: CreatedAt;
  last_used_at: ColumnType<Date, Date | undefined, Date>;
  expires_at: Timestamp;
  ended_at: Timestamp | null;
  ended_reason: string | null;
  ended_by: string | null;
  ended_version: BigIntColumn | null;
  client_address: string | null;
  client_name: string | null;
  /** oidc-provider's grant (helper sessions). */
  grant_id: string | null;
  /** SHA-256 of the cookie (browser sessions). */
  cookie_hash: Buffer | null;
  provider_slug: string | null;
  /** `sub` at the issuer. */
  subject: string | null;
  /** `sid` at the issuer (OpenID Connect Back-Channel Logout 1.0). */
  upstream_sid: string | null;
  idle_seconds: number | null;
  mfa_by: MfaSource | null;
  mfa_methods: ColumnType<string[], string[] | undefined, string[]>;
  mfa_time: Timestamp | null;
  dpop_jkt: string | null;
  credential_id: string | null;
  role_limit: RoleColumn | null;
}
export interface IdentityProviderRow {
  slug: string;
  organization_id: string;
  settings: JSONColumnType<Record<string, unknown>>;
  /** Sealed. */
  client_secret: Buffer | null;
  enabled: Generated<boolean>;
  removed_at: Timestamp | null;
  version: Generated<number>;
  created_at: CreatedAt;
}
export interface ConfiguredProviderSlugRow {
  slug: string;
}
export interface PendingLoginRow {
  secret_hash: Buffer;
  browser_hash: Buffer;
  /** Sealed. */
  payload: Buffer;
  expires_at: Timestamp;
}
export interface PasskeyRow {
  id: Generated<string>;
  account_id: string;
  credential_id: Buffer;
  /** COSE. */
  public_key: Buffer;
  counter: BigIntColumn;
  transports: string[];
  /** AAGUID. */
  model: string;
  backed_up: boolean;
  name: string;
  created_at: CreatedAt;
  last_used_at: Timestamp | null;
  removed_at: Timestamp | null;
}
export interface RecoveryCodeRow {
  code_hash: Buffer;
  account_id: string;
  created_at: CreatedAt;
  used_at: Timestamp | null;
}
export interface UpstreamGrantRow {
  session_id: string;
  /** Sealed. */
  refresh_token: Buffer | null;
  /** Sealed. */
  checked_at: Timestamp;
  outage_since: Timestamp | null;
  lease: string | null;
  lease_until: Timestamp | null;
}
export interface LogoutTombstoneRow {
  /** Its slug. */
  organization: string;
  issuer: string;
  kind: 'sid' | 'sub';
  value: string;
  at: Timestamp;
  expires_at: Timestamp;
}
export interface BreakGlassRow {
  rule_id: string;
  account_id: string;
  reason: string;
  created_at: Timestamp;
  expires_at: Timestamp;
}
export interface SecurityEventStreamRow {
  provider_slug: string;
  heard_at: Timestamp;
  verified_at: Timestamp | null;
  stalled_at: Timestamp | null;
}
export interface UsedIdentifierRow {
  scope: string;
  identifier_hash: Buffer;
  expires_at: Timestamp;
}
export interface AttemptRow {
  bucket: string;
  key_hash: Buffer;
  window_start: Timestamp;
  count: number;
  expires_at: Timestamp;
}
export interface ApiTokenRow {
  id: Generated<string>;
  organization_id: string;
  account_id: string;
  name: string;
  token_hash: Buffer;
  hint: string;
  role_limit: RoleColumn;
  source_ranges: string[];
  created_by: string;
  created_at: CreatedAt;
  expires_at: Timestamp;
  last_used_at: Timestamp | null;
  last_used_address: string | null;
  revoked_at: Timestamp | null;
  revoked_by: string | null;
}
export interface CiRuleRow {
  id: Generated<string>;
  organization_id: string;
  account_id: string;
  name: string;
  system: 'github' | 'gitlab' | 'forgejo' | 'kubernetes' | 'other';
  issuer: string;
  audience: string;
  claims: JSONColumnType<Record<string, string[]>>;
  role_limit: RoleColumn;
  lifetime_seconds: number;
  created_by: string;
  created_at: CreatedAt;
  removed_at: Timestamp | null;
}
export interface SshCodeRow {
  code_hash: Buffer;
  session_id: string;
  target_name: string;
  uses_left: number;
  created_at: CreatedAt;
  expires_at: Timestamp;
}
export interface SshCodeUseRow {
  id: Generated<string>;
  session_id: string;
  companion_id: string;
  target_name: string;
  used_at: Timestamp;
  expires_at: Timestamp;
}
export interface RegisteredKeyRow {
  id: Generated<string>;
  account_id: string;
  session_id: string;
  name: string;
  /** SSH public key blob. */
  public_key: Buffer;
  fingerprint: string;
  created_at: CreatedAt;
  expires_at: Timestamp;
  last_used_at: Timestamp | null;
}
export interface ProvenKeyRow {
  session_id: string;
  /** SSH public key blob. */
  public_key: Buffer;
  user_verified: boolean;
  proven_at: Timestamp;
}
export interface AttestedKeyRow {
  account_id: string;
  /** SSH public key blob. */
  public_key: Buffer;
  /** AAGUID. */
  model: string;
  /** SHA-256 of the certificate that vouches for it, in hexadecimal. */
  authority: string;
  attested_at: Timestamp;
}
export interface LeaseRow {
  id: Generated<string>;
  companion_id: string;
  account_id: string;
  session_id: string;
  /** An address or a network, in the grammar of `source-address`. */
  network: string;
  port: number;
  created_at: ColumnType<Date, Date | undefined, never>;
  expires_at: Timestamp;
  ended_at: Timestamp | null;
}
export interface LoginStateRow {
  state_hash: Buffer;
  /** SHA-256 of the cookie that ties the login to the browser that began it. */
  browser_hash: Buffer;
  payload: JSONColumnType<Record<string, unknown>>;
  expires_at: Timestamp;
}
export interface OauthRecordRow {
  model: string;
  id: string;
  payload: JSONColumnType<Record<string, unknown>>;
  grant_id: string | null;
  user_code: string | null;
  uid: string | null;
  expires_at: Timestamp | null;
  consumed_at: Timestamp | null;
  /** How often it was consumed: the value that compare-and-set compares. */
  consumptions: Generated<number>;
}
/** How often the machine of a device login may ask. */
export interface DevicePollRow {
  device_code: string;
  interval_seconds: number;
  polled_at: Timestamp;
  too_early: boolean;
  expires_at: Timestamp;
}
export interface DeviceApprovalRow {
  secret_hash: Buffer;
  device_code: string;
  /** Sealed; null until the person has logged in. */
  login: Buffer | null;
  expires_at: Timestamp;
}
export interface DpopProofRow {
  proof_hash: Buffer;
  expires_at: Timestamp;
}
export interface PossessionChallengeRow {
  challenge_hash: Buffer;
  session_id: string;
  expires_at: Timestamp;
  used_at: Timestamp | null;
}
export interface CaKeyRow {
  id: Generated<string>;
  purpose: 'user' | 'host' | 'hop';
  generation: number;
  public_key: Buffer;
  state: 'next' | 'active' | 'retiring' | 'retired';
  /** The signed canary certificate (user and hop CAs). */
  canary: Buffer | null;
  /** URI of what holds the private half. */
  signer: string;
  /** The version of companions' state since which the key stands as it does. */
  state_version: ColumnType<string, bigint | string | undefined, bigint | string>;
  created_at: CreatedAt;
  activated_at: Timestamp | null;
  retiring_at: Timestamp | null;
  retired_at: Timestamp | null;
  compromised_at: Timestamp | null;
}
/** A server process's last word on whether it can sign with a CA key. */
export interface CaKeyReadinessRow {
  replica: string;
  ca_key_id: string;
  reported_at: Timestamp;
  /** Null: it can. */
  problem: string | null;
}
export interface CertificateRow {
  serial: BigIntColumn;
  kind: 'user' | 'host' | 'hop' | 'canary';
  ca_key_id: string;
  account_id: string | null;
  session_id: string | null;
  companion_id: string | null;
  request_id: string | null;
  key_id: string;
  public_key: Buffer;
  principals: string[];
  valid_after: Timestamp;
  valid_before: Timestamp;
  to_be_signed: Buffer;
  decision: JSONColumnType<Record<string, unknown>>;
  created_at: CreatedAt;
}
export interface RevokedSerialRow {
  serial: BigIntColumn;
  ca_key_id: string;
  version: BigIntColumn;
  valid_before: Timestamp;
  reason: string;
  /** Whose certificate it is; null: every list names it. */
  account_number: number | null;
}
export interface StateVersionRow {
  id: ColumnType<true, true | undefined, never>;
  version: BigIntColumn;
  krl_version: BigIntColumn;
  /** The start of the Postgres that made this version. */
  postmaster_started_at: Timestamp | null;
  /** The version before it, if Postgres was started between the two. */
  restarted_from: BigIntColumn | null;
}
export interface StateVersionGapRow {
  after: BigIntColumn;
  before: BigIntColumn;
}
export interface RevokedRangeRow {
  ca_key_id: string;
  first: BigIntColumn;
  last: BigIntColumn;
  version: BigIntColumn;
  until: Timestamp;
}
export interface DatabaseIdentityRow {
  id: ColumnType<true, true | undefined, never>;
  system_identifier: BigIntColumn;
  timeline: BigIntColumn;
  database_oid: BigIntColumn;
  postmaster_started_at: Timestamp;
  /** A transaction id, which the row's xmin must equal. */
  written_by: ColumnType<string, string | undefined, string>;
  serial_offset_seconds: ColumnType<string, bigint | undefined, bigint>;
  accepted_at: Timestamp;
}
export interface ConnectionRow {
  id: Generated<string>;
  companion_id: string;
  /** The companion's own name of it: boot id, pid and start time. */
  connection_key: string;
  account_name: string;
  session_id: string;
  serial: BigIntColumn;
  target_name: string | null;
  started_at: Timestamp;
  ended_at: Timestamp | null;
  end_reason: string | null;
  way: ColumnType<ConnectionWay | null, ConnectionWay | null | undefined, ConnectionWay | null>;
  client_address: ColumnType<string | null, string | null | undefined, string | null>;
}
type ConnectionWay = 'relay' | 'jump' | 'host' | 'menu' | 'refusal';
export interface AuditEventRow {
  id: Generated<string>;
  at: CreatedAt;
  event: string;
  organization_id: string | null;
  account_id: string | null;
  session_id: string | null;
  facts: JSONColumnType<Record<string, unknown>>;
}

export interface Tables {
  organizations: OrganizationRow;
  organization_domains: OrganizationDomainRow;
  accounts: AccountRow;
  identities: IdentityRow;
  account_groups: AccountGroupRow;
  projects: ProjectRow;
  environments: EnvironmentRow;
  apps: AppRow;
  instances: InstanceRow;
  services: ServiceRow;
  retired_names: RetiredNameRow;
  access_rules: AccessRuleRow;
  companions: CompanionRow;
  companion_environments: CompanionEnvironmentRow;
  companion_apps: CompanionAppRow;
  enrolment_tokens: EnrolmentTokenRow;
  enrolment_nonces: EnrolmentNonceRow;
  login_sessions: LoginSessionRow;
  login_states: LoginStateRow;
  identity_providers: IdentityProviderRow;
  configured_provider_slugs: ConfiguredProviderSlugRow;
  pending_logins: PendingLoginRow;
  passkeys: PasskeyRow;
  recovery_codes: RecoveryCodeRow;
  upstream_grants: UpstreamGrantRow;
  logout_tombstones: LogoutTombstoneRow;
  used_identifiers: UsedIdentifierRow;
  break_glass: BreakGlassRow;
  security_event_streams: SecurityEventStreamRow;
  attempts: AttemptRow;
  api_tokens: ApiTokenRow;
  ci_rules: CiRuleRow;
  ssh_codes: SshCodeRow;
  ssh_code_uses: SshCodeUseRow;
  registered_keys: RegisteredKeyRow;
  proven_keys: ProvenKeyRow;
  attested_keys: AttestedKeyRow;
  leases: LeaseRow;
  oauth_records: OauthRecordRow;
  device_polls: DevicePollRow;
  device_approvals: DeviceApprovalRow;
  dpop_proofs: DpopProofRow;
  possession_challenges: PossessionChallengeRow;
  ca_keys: CaKeyRow;
  ca_key_readiness: CaKeyReadinessRow;
  certificates: CertificateRow;
  revoked_serials: RevokedSerialRow;
  state_version: StateVersionRow;
  state_version_gaps: StateVersionGapRow;
  revoked_ranges: RevokedRangeRow;
  database_identity: DatabaseIdentityRow;
  connections: ConnectionRow;
  audit_events: AuditEventRow;
}
