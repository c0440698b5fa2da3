-- The first tables. Times are timestamptz, identifiers uuid unless a comment says otherwise; names of constraints end
-- in what they are. Secrets are stored as SHA-256 digests and looked up by digest.

create table organizations (
  id uuid default gen_random_uuid() constraint organizations_pkey primary key,
  slug text not null constraint organizations_slug_key unique
    constraint organizations_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  name text not null,
  ssh_enabled boolean not null default true,
  mfa_max_age_seconds integer constraint organizations_mfa_max_age_check check (mfa_max_age_seconds > 0),
  created_at timestamptz not null default now()
);
comment on table organizations is 'Who people and targets belong to. Slugs are never used again.';

create table organization_domains (
  domain text constraint organization_domains_pkey primary key
    constraint organization_domains_domain_check check (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$'),
  organization_id uuid not null constraint organization_domains_organization_fkey references organizations (id)
);
comment on table organization_domains is 'Domains of account names; one belongs to at most one organization, assigned by the operator.';

create table accounts (
  id uuid default gen_random_uuid() constraint accounts_pkey primary key,
  organization_id uuid not null constraint accounts_organization_fkey references organizations (id),
  name text not null constraint accounts_name_key unique
    constraint accounts_name_check check
    (name ~ '^[a-z0-9_][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)+$' and length(name) <= 100),
  display_name text not null,
  disabled_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table accounts is 'A person or machine identity; its name is the SSH principal.';

create table identities (
  issuer text not null,
  subject text not null,
  account_id uuid not null constraint identities_account_fkey references accounts (id),
  created_at timestamptz not null default now(),
  constraint identities_pkey primary key (issuer, subject)
);
comment on table identities is 'Who an identity provider says a person is: (iss, sub) and nothing else.';

create table account_groups (
  account_id uuid not null constraint account_groups_account_fkey references accounts (id),
  group_name text not null,
  constraint account_groups_pkey primary key (account_id, group_name)
);
comment on table account_groups is 'Groups as the identity provider named them at the last login.';

create table projects (
  id uuid default gen_random_uuid() constraint projects_pkey primary key,
  organization_id uuid not null constraint projects_organization_fkey references organizations (id),
  slug text not null constraint projects_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  ssh_enabled boolean not null default true,
  constraint projects_slug_key unique (organization_id, slug)
);
comment on table projects is 'A product of an organization.';

create table environments (
  id uuid default gen_random_uuid() constraint environments_pkey primary key,
  project_id uuid not null constraint environments_project_fkey references projects (id),
  slug text not null constraint environments_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  kind text not null constraint environments_kind_check check (kind in ('production', 'staging', 'development')),
  ssh_enabled boolean not null default true,
  mfa_required boolean not null default false,
  mfa_max_age_seconds integer constraint environments_mfa_max_age_check check (mfa_max_age_seconds > 0),
  access_mode text not null default 'both'
    constraint environments_access_mode_check check (access_mode in ('relay', 'jump', 'both')),
  constraint environments_slug_key unique (project_id, slug)
);
comment on table environments is 'Production, staging and the like, each with its MFA rule.';

create table apps (
  id uuid default gen_random_uuid() constraint apps_pkey primary key,
  environment_id uuid not null constraint apps_environment_fkey references environments (id),
  slug text not null constraint apps_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  ssh_enabled boolean not null default true,
  ssh_role text not null default 'contributor'
    constraint apps_ssh_role_check check (ssh_role in ('viewer', 'contributor', 'admin')),
  constraint apps_slug_key unique (environment_id, slug)
);
comment on table apps is 'What runs in an environment; ssh_role is the role that SSH to it asks for.';

create table companions (
  id uuid default gen_random_uuid() constraint companions_pkey primary key,
  organization_id uuid not null constraint companions_organization_fkey references organizations (id),
  kind text not null constraint companions_kind_check check (kind in ('gateway', 'host')),
  name text not null constraint companions_name_key unique
    constraint companions_name_check check (name ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and length(name) <= 63),
  address text not null,
  port integer not null constraint companions_port_check check (port between 1 and 65535),
  gateway_login text,
  host_key bytea,
  credential_hash bytea constraint companions_credential_key unique,
  enrolled_at timestamptz,
  revoked_at timestamptz,
  last_seen_at timestamptz,
  acknowledged_version bigint,
  acknowledged_krl_version bigint,
  acknowledged_at timestamptz,
  connections_ended integer not null default 0,
  problem text
);
comment on table companions is 'Gateways and hosts: the machines with an enrolled companion beside their sshd.';

create table companion_environments (
  companion_id uuid not null constraint companion_environments_companion_fkey references companions (id),
  environment_id uuid not null constraint companion_environments_environment_fkey references environments (id),
  constraint companion_environments_pkey primary key (companion_id, environment_id)
);
comment on table companion_environments is 'Which environments a gateway serves; it hears of no others.';

create table enrolment_tokens (
  token_hash bytea constraint enrolment_tokens_pkey primary key,
  companion_id uuid not null constraint enrolment_tokens_companion_fkey references companions (id),
  expires_at timestamptz not null,
  used_at timestamptz
);
comment on table enrolment_tokens is 'One-time tokens, consumed by compare-and-set on used_at.';

create sequence gateway_uids as integer start 600000 no cycle;

create table instances (
  id uuid default gen_random_uuid() constraint instances_pkey primary key,
  app_id uuid not null constraint instances_app_fkey references apps (id),
  target_name text not null constraint instances_target_name_key unique
    constraint instances_target_name_check check (target_name ~ '^[a-z][a-z0-9-]*[a-z0-9]$' and length(target_name) <= 63),
  gateway_uid integer not null default nextval('gateway_uids') constraint instances_gateway_uid_key unique,
  state text not null default 'running' constraint instances_state_check check (state in ('running', 'stopped')),
  address text not null,
  port integer not null constraint instances_port_check check (port between 1 and 65535),
  login text not null constraint instances_login_check check (login ~ '^[a-z_][a-z0-9_-]{0,31}$'),
  host_id uuid constraint instances_host_fkey references companions (id)
);
comment on table instances is 'What people connect to. gateway_uid is the target name''s uid on gateways, never used again.';

create table access_rules (
  id uuid default gen_random_uuid() constraint access_rules_pkey primary key,
  organization_id uuid not null constraint access_rules_organization_fkey references organizations (id),
  account_id uuid constraint access_rules_account_fkey references accounts (id),
  group_name text,
  role text not null constraint access_rules_role_check check (role in ('viewer', 'contributor', 'admin')),
  project_id uuid constraint access_rules_project_fkey references projects (id),
  environment_id uuid constraint access_rules_environment_fkey references environments (id),
  expires_at timestamptz,
  constraint access_rules_subject_check check (num_nonnulls(account_id, group_name) = 1),
  constraint access_rules_scope_check check (environment_id is null or project_id is not null)
);
comment on table access_rules is 'A role of an account or a group on an organization, a project or an environment.';

create table login_sessions (
  id uuid default gen_random_uuid() constraint login_sessions_pkey primary key,
  account_id uuid not null constraint login_sessions_account_fkey references accounts (id),
  kind text not null constraint login_sessions_kind_check check (kind in ('helper', 'browser')),
  issuer text not null,
  amr text[] not null,
  acr text,
  auth_time timestamptz not null,
  mfa boolean not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_reason text,
  ended_by text,
  ended_version bigint,
  client_address text,
  client_name text,
  grant_id text constraint login_sessions_grant_key unique,
  cookie_hash bytea constraint login_sessions_cookie_key unique,
  constraint login_sessions_ended_check check ((ended_at is null) = (ended_reason is null))
);
create index login_sessions_account_index on login_sessions (account_id) where ended_at is null;
create index login_sessions_ended_index on login_sessions (ended_at) where ended_at is not null;
comment on table login_sessions is 'One login of sally or of a browser: what admins end.';

create table login_states (
  state_hash bytea constraint login_states_pkey primary key,
  browser_hash bytea not null,
  payload jsonb not null,
  expires_at timestamptz not null
);
comment on table login_states is 'Logins under way at an identity provider; consumed by delete ... returning.';

create table oauth_records (
  model text not null,
  id text not null,
  payload jsonb not null,
  grant_id text,
  user_code text,
  uid text,
  expires_at timestamptz,
  consumed_at timestamptz,
  consumptions integer not null default 0,
  constraint oauth_records_pkey primary key (model, id)
);
create index oauth_records_grant_index on oauth_records (grant_id) where grant_id is not null;
create index oauth_records_expiry_index on oauth_records (expires_at);
comment on table oauth_records is 'The authorization server''s artifacts: codes, grants, refresh tokens.';

create table dpop_proofs (
  proof_hash bytea constraint dpop_proofs_pkey primary key,
  expires_at timestamptz not null
);
comment on table dpop_proofs is 'DPoP proofs seen (RFC 9449 section 11.1); a second insert is a replay.';

create table possession_challenges (
  challenge_hash bytea constraint possession_challenges_pkey primary key,
  session_id uuid not null constraint possession_challenges_session_fkey references login_sessions (id),
  expires_at timestamptz not null,
  used_at timestamptz
);
comment on table possession_challenges is 'Nonces that a person signs with a new SSH key, each good once.';

create table ca_keys (
  id uuid default gen_random_uuid() constraint ca_keys_pkey primary key,
  purpose text not null constraint ca_keys_purpose_check check (purpose in ('user', 'host')),
  generation integer not null,
  public_key bytea not null constraint ca_keys_public_key_key unique,
  state text not null constraint ca_keys_state_check check (state in ('active', 'retired')),
  canary bytea,
  created_at timestamptz not null default now(),
  constraint ca_keys_generation_key unique (purpose, generation)
);
create unique index ca_keys_active_index on ca_keys (purpose) where state = 'active';
comment on table ca_keys is 'Generations of CA keys, public halves only; canary is a signed certificate that every KRL revokes.';

create sequence certificate_serials as bigint start 1 no cycle;

create table certificates (
  serial bigint constraint certificates_pkey primary key constraint certificates_serial_check check (serial > 0),
  kind text not null constraint certificates_kind_check check (kind in ('user', 'host', 'canary')),
  ca_key_id uuid not null constraint certificates_ca_key_fkey references ca_keys (id),
  account_id uuid constraint certificates_account_fkey references accounts (id),
  session_id uuid constraint certificates_session_fkey references login_sessions (id),
  companion_id uuid constraint certificates_companion_fkey references companions (id),
  request_id uuid,
  key_id text not null,
  public_key bytea not null,
  principals text[] not null constraint certificates_principals_check check (cardinality(principals) between 1 and 32),
  valid_after timestamptz not null,
  valid_before timestamptz not null,
  to_be_signed bytea not null,
  decision jsonb not null,
  created_at timestamptz not null default now(),
  constraint certificates_validity_check check (valid_before > valid_after),
  constraint certificates_request_key unique (session_id, request_id)
);
create index certificates_session_index on certificates (session_id, valid_before);
create index certificates_public_key_index on certificates (public_key);
create index certificates_companion_index on certificates (companion_id, valid_before) where companion_id is not null;
comment on table certificates is 'Every certificate, stored as the bytes to be signed before the signer sees them.';

create table revoked_serials (
  serial bigint constraint revoked_serials_pkey primary key,
  ca_key_id uuid not null constraint revoked_serials_ca_key_fkey references ca_keys (id),
  version bigint not null,
  valid_before timestamptz not null,
  reason text not null
);
comment on table revoked_serials is 'What the KRL lists; append-only, a row leaves an hour after its certificate''s end.';

create table state_version (
  id boolean default true constraint state_version_pkey primary key constraint state_version_single_check check (id),
  version bigint not null,
  krl_version bigint not null
);
insert into state_version (version, krl_version) values (1, 1);
comment on table state_version is 'One row: the version of what companions are sent. It only grows and is at least unix milliseconds.';

create table connections (
  id uuid default gen_random_uuid() constraint connections_pkey primary key,
  companion_id uuid not null constraint connections_companion_fkey references companions (id),
  connection_key text not null,
  account_name text not null,
  session_id text not null,
  serial bigint not null,
  target_name text,
  started_at timestamptz not null,
  ended_at timestamptz,
  end_reason text,
  constraint connections_key_key unique (companion_id, connection_key)
);
create index connections_session_index on connections (session_id) where ended_at is null;
comment on table connections is 'Live SSH connections as companions report them.';

create table audit_events (
  id bigint generated always as identity constraint audit_events_pkey primary key,
  at timestamptz not null default now(),
  event text not null,
  organization_id uuid,
  account_id uuid,
  session_id uuid,
  facts jsonb not null
);
comment on table audit_events is 'What happened, one typed event a row, appended in the transaction that did it.';
