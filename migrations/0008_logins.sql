-- Identity providers, second factors, sessions that the provider can end, credentials of machines.

alter table organizations
  add column mfa_required boolean not null default false,
  add column mfa_sources text[] not null default '{provider,passkey}'
    constraint organizations_mfa_sources_check
    check (mfa_sources <@ '{provider,passkey}' and cardinality(mfa_sources) > 0),
  add column mfa_methods text[] constraint organizations_mfa_methods_check check (cardinality(mfa_methods) > 0),
  add column passkey_models uuid[] constraint organizations_passkey_models_check check (cardinality(passkey_models) > 0),
  add column session_max_seconds integer not null default 86400
    constraint organizations_session_max_check check (session_max_seconds between 300 and 2592000),
  add column session_idle_seconds integer
    constraint organizations_session_idle_check check (session_idle_seconds between 300 and 2592000),
  add column outage_grace_seconds integer not null default 14400
    constraint organizations_outage_grace_check check (outage_grace_seconds between 0 and 2592000),
  add column device_login text not null default 'off'
    constraint organizations_device_login_check check (device_login in ('off', 'same-network', 'on')),
  add column ssh_codes boolean not null default false,
  add column machine_access boolean not null default true;
comment on column organizations.mfa_methods is 'RFC 8176 names, one of which a second factor must have been; null: any.';
comment on column organizations.passkey_models is 'AAGUIDs of the authenticators that may be enrolled; null: any.';
comment on column organizations.machine_access is 'Whether API tokens and CI identities get certificates.';

alter table environments add column people_only boolean not null default false;
comment on column environments.people_only is 'Refuses certificates of API tokens and CI identities.';

alter table accounts add column kind text not null default 'person'
  constraint accounts_kind_check check (kind in ('person', 'machine'));

alter table identities
  add column organization_id uuid constraint identities_organization_fkey references organizations (id);
update identities set organization_id = accounts.organization_id from accounts where accounts.id = identities.account_id;
alter table identities
  alter column organization_id set not null,
  drop constraint identities_pkey,
  add constraint identities_pkey primary key (organization_id, issuer, subject);
create index identities_account_index on identities (account_id);
comment on table identities is
  'Who an identity provider says a person is: (iss, sub) and nothing else, for each organization that uses the provider.';

create table identity_providers (
  slug text constraint identity_providers_pkey primary key
    constraint identity_providers_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  organization_id uuid not null constraint identity_providers_organization_fkey references organizations (id),
  settings jsonb not null,
  client_secret bytea,
  enabled boolean not null default true,
  removed_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now()
);
comment on table identity_providers is
  'Providers set up in the console; those of the configuration are not here. Slugs are never used again. The secret is sealed.';

create table configured_provider_slugs (
  slug text constraint configured_provider_slugs_pkey primary key
);
comment on table configured_provider_slugs is
  'Every slug that a provider of the configuration ever had: no provider of the console gets it.';

alter table login_sessions
  drop constraint login_sessions_kind_check,
  add constraint login_sessions_kind_check check (kind in ('helper', 'browser', 'token', 'ci')),
  add column provider_slug text,
  add column subject text,
  add column upstream_sid text,
  add column idle_seconds integer,
  add column mfa_by text constraint login_sessions_mfa_by_check check (mfa_by in ('provider', 'passkey')),
  add column mfa_methods text[] not null default '{}',
  add column mfa_time timestamptz,
  add column dpop_jkt text,
  add column credential_id uuid,
  add column role_limit text
    constraint login_sessions_role_limit_check check (role_limit in ('viewer', 'contributor', 'admin'));
update login_sessions set mfa_by = 'provider', mfa_methods = amr, mfa_time = auth_time where mfa;
create index login_sessions_upstream_index on login_sessions (issuer, upstream_sid) where upstream_sid is not null;
create index login_sessions_subject_index on login_sessions (issuer, subject) where subject is not null;
create index login_sessions_credential_index on login_sessions (credential_id) where credential_id is not null;
comment on column login_sessions.mfa_by is 'Who vouched for the second factor; null: nobody. The two are never mixed.';
comment on column login_sessions.mfa_time is 'When it was given.';
comment on column login_sessions.idle_seconds is 'Without use for this long it is over; null: it has no such limit.';
comment on column login_sessions.dpop_jkt is 'Thumbprint of the key its tokens are bound to (RFC 7638).';
comment on column login_sessions.credential_id is 'The API token or CI rule that gave it.';
comment on column login_sessions.role_limit is 'The highest role it may use.';

create table pending_logins (
  secret_hash bytea constraint pending_logins_pkey primary key,
  browser_hash bytea not null,
  payload bytea not null,
  expires_at timestamptz not null
);
comment on table pending_logins is
  'Logins that the provider has finished and that still want a passkey; the payload is sealed, consumed by delete ... returning.';

create table passkeys (
  id uuid default gen_random_uuid() constraint passkeys_pkey primary key,
  account_id uuid not null constraint passkeys_account_fkey references accounts (id),
  credential_id bytea not null constraint passkeys_credential_key unique,
  public_key bytea not null,
  counter bigint not null,
  transports text[] not null default '{}',
  model uuid not null,
  backed_up boolean not null,
  name text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  removed_at timestamptz
);
create index passkeys_account_index on passkeys (account_id);
comment on table passkeys is 'WebAuthn credentials of people; public_key is COSE, model the AAGUID.';

create table recovery_codes (
  code_hash bytea constraint recovery_codes_pkey primary key,
  account_id uuid not null constraint recovery_codes_account_fkey references accounts (id),
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index recovery_codes_account_index on recovery_codes (account_id);
comment on table recovery_codes is 'Let a person without passkey at hand enrol another; each good once.';

create table upstream_grants (
  session_id uuid constraint upstream_grants_pkey primary key
    constraint upstream_grants_session_fkey references login_sessions (id),
  refresh_token bytea,
  checked_at timestamptz not null,
  outage_since timestamptz,
  lease uuid,
  lease_until timestamptz
);
comment on table upstream_grants is
  'What the identity provider gave for a session, sealed. One process at a time holds the lease on the refresh token.';

create table logout_tombstones (
  organization text not null,
  issuer text not null,
  kind text not null constraint logout_tombstones_kind_check check (kind in ('sid', 'sub')),
  value text not null,
  at timestamptz not null,
  expires_at timestamptz not null,
  constraint logout_tombstones_pkey primary key (organization, issuer, kind, value)
);
comment on table logout_tombstones is 'Logouts that the provider told us of, for logins that have not committed yet.';

create table used_identifiers (
  scope text not null,
  identifier_hash bytea not null,
  expires_at timestamptz not null,
  constraint used_identifiers_pkey primary key (scope, identifier_hash)
);
comment on table used_identifiers is 'What is good once (jti of logout tokens, events, CI tokens); a second insert is a replay.';

create table attempts (
  bucket text not null,
  key_hash bytea not null,
  window_start timestamptz not null,
  count integer not null,
  expires_at timestamptz not null,
  constraint attempts_pkey primary key (bucket, key_hash, window_start)
);
comment on table attempts is 'Counters of rate limits, shared by all server processes.';

create table api_tokens (
  id uuid default gen_random_uuid() constraint api_tokens_pkey primary key,
  organization_id uuid not null constraint api_tokens_organization_fkey references organizations (id),
  account_id uuid not null constraint api_tokens_account_fkey references accounts (id),
  name text not null,
  token_hash bytea not null constraint api_tokens_token_key unique,
  hint text not null,
  role_limit text not null constraint api_tokens_role_limit_check check (role_limit in ('viewer', 'contributor', 'admin')),
  source_ranges text[] not null default '{}',
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  last_used_address text,
  revoked_at timestamptz,
  revoked_by text
);
create index api_tokens_account_index on api_tokens (account_id);
comment on table api_tokens is 'Tokens of people and machines; hint is what lists show of one.';

create table ci_rules (
  id uuid default gen_random_uuid() constraint ci_rules_pkey primary key,
  organization_id uuid not null constraint ci_rules_organization_fkey references organizations (id),
  account_id uuid not null constraint ci_rules_account_fkey references accounts (id),
  name text not null,
  system text not null constraint ci_rules_system_check
    check (system in ('github', 'gitlab', 'forgejo', 'kubernetes', 'other')),
  issuer text not null,
  audience text not null,
  claims jsonb not null,
  role_limit text not null constraint ci_rules_role_limit_check check (role_limit in ('viewer', 'contributor', 'admin')),
  lifetime_seconds integer not null constraint ci_rules_lifetime_check check (lifetime_seconds between 300 and 86400),
  created_by text not null,
  created_at timestamptz not null default now(),
  removed_at timestamptz
);
create unique index ci_rules_name_key on ci_rules (organization_id, name) where removed_at is null;
create index ci_rules_issuer_index on ci_rules (issuer) where removed_at is null;
comment on table ci_rules is 'Which tokens of a CI system become which account; claims maps names to lists of globs.';

create table ssh_codes (
  code_hash bytea constraint ssh_codes_pkey primary key,
  session_id uuid not null constraint ssh_codes_session_fkey references login_sessions (id),
  target_name text,
  uses_left integer not null constraint ssh_codes_uses_check check (uses_left >= 0),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index ssh_codes_session_index on ssh_codes (session_id);
comment on table ssh_codes is 'One-time codes for clients without certificates; keyed digests.';

create unique index oauth_records_user_code_index on oauth_records (user_code) where user_code is not null;
comment on column oauth_records.user_code is 'Keyed digest of a device login''s user code.';

create table device_polls (
  device_code text constraint device_polls_pkey primary key,
  interval_seconds integer not null,
  polled_at timestamptz not null,
  too_early boolean not null,
  expires_at timestamptz not null
);
comment on table device_polls is 'When the machine of a device login asked last; device_code is the id of its record.';

create table device_approvals (
  secret_hash bytea constraint device_approvals_pkey primary key,
  device_code text not null,
  login bytea,
  expires_at timestamptz not null
);
comment on table device_approvals is
  'Browsers that typed the code of a device login, by their cookie; login is sealed, null until the person has logged in.';

create table break_glass (
  rule_id uuid constraint break_glass_pkey primary key
    constraint break_glass_rule_fkey references access_rules (id) on delete cascade,
  account_id uuid not null constraint break_glass_account_fkey references accounts (id),
  reason text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index break_glass_account_index on break_glass (account_id);
comment on table break_glass is 'Access rules that the operator made in an emergency; every use raises an alarm.';

create table security_event_streams (
  provider_slug text constraint security_event_streams_pkey primary key,
  heard_at timestamptz not null,
  verified_at timestamptz,
  stalled_at timestamptz
);
comment on table security_event_streams is 'When an identity provider last sent a security event, and proved its stream to work.';
