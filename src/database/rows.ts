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
  created_at: CreatedAt;
}
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
  created_at: CreatedAt;
}
export interface IdentityRow {
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
}
export interface InstanceRow {
  id: Generated<string>;
  app_id: string;
  target_name: string;
  gateway_uid: Generated<number>;
  state: ColumnType<'running' | 'stopped', 'running' | 'stopped' | undefined, 'running' | 'stopped'>;
  address: string;
  port: number;
  login: string;
  host_id: string | null;
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
export interface LoginSessionRow {
  id: Generated<string>;
  account_id: string;
  /** helper: `sally`; browser: the console. */
  kind: 'helper' | 'browser';
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
}
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
  access_rules: AccessRuleRow;
  companions: CompanionRow;
  companion_environments: CompanionEnvironmentRow;
  enrolment_tokens: EnrolmentTokenRow;
  login_sessions: LoginSessionRow;
  login_states: LoginStateRow;
  oauth_records: OauthRecordRow;
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
