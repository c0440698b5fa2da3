-- Inventory as people run it: instances that come and go, services, forwarding, limits of connections; gateways that
-- listen on several ports; registered keys, leases, and one-time codes that were taken.

alter table organizations
  add column max_connection_seconds integer
    constraint organizations_max_connection_check check (max_connection_seconds > 0),
  add column idle_timeout_seconds integer
    constraint organizations_idle_timeout_check check (idle_timeout_seconds > 0),
  add column source_pinning text not null default 'off'
    constraint organizations_source_pinning_check check (source_pinning in ('off', 'address', 'network')),
  add column registered_keys boolean not null default false;
comment on column organizations.source_pinning is 'Whether certificates are good only from where they were asked for: the address, or its network (IPv4 /24, IPv6 /64).';
comment on column organizations.registered_keys is 'Whether people may log in with a key of their own instead of certificates.';

alter table environments
  add column mfa_enforcement text not null default 'start'
    constraint environments_mfa_enforcement_check check (mfa_enforcement in ('start', 'continuous')),
  add column max_connection_seconds integer
    constraint environments_max_connection_check check (max_connection_seconds > 0),
  add column idle_timeout_seconds integer
    constraint environments_idle_timeout_check check (idle_timeout_seconds > 0);
comment on column environments.mfa_enforcement is 'start: the age of the second factor is judged when a connection starts; continuous: the connection ends with it.';

alter table apps
  add column folder text constraint apps_folder_check check (folder ~ '^/[A-Za-z0-9._/@+-]*$'),
  add column env_file text constraint apps_env_file_check check (env_file ~ '^/[A-Za-z0-9._/@+-]*$'),
  add column journal_unit text constraint apps_journal_unit_check check (journal_unit ~ '^[A-Za-z0-9:_.@-]+$'),
  add column local_forwarding boolean not null default true,
  add column remote_forwarding boolean not null default false,
  add column agent_forwarding boolean not null default false;
comment on column apps.folder is 'Where a shell starts on the instance.';
comment on column apps.env_file is 'A file of NAME=value lines on the instance that a session has in its environment.';
comment on column apps.journal_unit is 'The systemd unit whose journal is the app''s log.';
comment on column apps.local_forwarding is 'Whether people may tunnel (ssh -L) to the services of the environment.';

create sequence node_numbers as integer start 100000 no cycle;
alter table instances
  drop constraint instances_state_check,
  add constraint instances_state_check check (state in ('running', 'starting', 'stopped', 'paused', 'inactive')),
  add column slug text
    constraint instances_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  add column node_number integer not null default nextval('node_numbers') constraint instances_node_number_key unique,
  add column kind text not null default 'instance'
    constraint instances_kind_check check (kind in ('instance', 'worker', 'task')),
  add column role text,
  add column labels jsonb not null default '{}',
  add column reported_by text not null default 'admin'
    constraint instances_reported_by_check check (reported_by in ('admin', 'companion', 'orchestrator')),
  add column reported_at timestamptz;
create index instances_app_index on instances (app_id);
-- Read with every certificate; hardly any app is in it.
create index apps_agent_forwarding_index on apps (environment_id) where agent_forwarding;
create index instances_host_index on instances (host_id) where host_id is not null;
-- What stands behind the app's name in the target name: the two are composed of slugs, which hold no "--".
update instances set slug = nullif(split_part(target_name, '--', 3), '');
create unique index instances_slug_index on instances (app_id, coalesce(slug, ''));
comment on column instances.slug is 'Its name in its app; null: the only one, whose target name ends with the app.';
comment on column instances.node_number is 'With gateway_uid the numeric alias of the target name: <node_number>-<gateway_uid>.';
comment on column instances.role is 'What it is for, such as web or db: people pick by it.';

create table services (
  id uuid default gen_random_uuid() constraint services_pkey primary key,
  environment_id uuid not null constraint services_environment_fkey references environments (id),
  slug text not null constraint services_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and slug !~ '--'),
  kind text not null constraint services_kind_check check (kind ~ '^[a-z0-9-]{1,32}$'),
  address text not null,
  port integer not null constraint services_port_check check (port between 1 and 65535),
  role text not null default 'contributor' constraint services_role_check check (role in ('viewer', 'contributor', 'admin')),
  enabled boolean not null default true,
  login text,
  database text,
  constraint services_slug_key unique (environment_id, slug)
);
comment on table services is 'Databases and the like, which people of an environment''s apps tunnel to through a gateway.';

create table retired_names (
  scope text not null,
  name text not null,
  retired_at timestamptz not null default now(),
  constraint retired_names_pkey primary key (scope, name)
);
comment on table retired_names is 'Names of projects, environments, apps and services that are gone: never given again. scope: kind:id of what held it.';

alter table accounts
  add column gateway_uid integer not null default nextval('gateway_uids') constraint accounts_gateway_uid_key unique;
comment on column accounts.gateway_uid is 'The account''s number: the login name of its menu on gateways, and that name''s uid. Never used again.';

alter table companions
  add column ports integer[] not null default '{}'
    constraint companions_ports_check check (1 <= all (ports) and 65535 >= all (ports)),
  add column host_names text[] not null default '{}',
  add column host_fingerprint text
    constraint companions_host_fingerprint_check check (host_fingerprint ~ '^SHA256:[A-Za-z0-9+/]{43}$'),
  add column lease_max_seconds integer constraint companions_lease_max_check check (lease_max_seconds between 60 and 14400);
create unique index companions_host_fingerprint_index on companions (organization_id, host_fingerprint) where host_fingerprint is not null;
comment on column companions.ports is 'Where its sshd listens besides port, in the order in which clients try them.';
comment on column companions.host_names is 'More names that its host certificate is good for, such as a DNS name that several gateways share.';
comment on column companions.host_fingerprint is 'The host key that may enrol the machine without a token, registered beforehand.';
comment on column companions.lease_max_seconds is 'The longest lease of its firewall; null: it gives none.';

create table enrolment_nonces (
  nonce_hash bytea constraint enrolment_nonces_pkey primary key,
  companion_id uuid not null constraint enrolment_nonces_companion_fkey references companions (id),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index enrolment_nonces_companion_index on enrolment_nonces (companion_id);
comment on table enrolment_nonces is 'What machines sign that enrol by a host key which was registered beforehand; each is good once, for minutes.';

create table companion_apps (
  companion_id uuid not null constraint companion_apps_companion_fkey references companions (id),
  app_id uuid not null constraint companion_apps_app_fkey references apps (id),
  login text not null constraint companion_apps_login_check check (login ~ '^[a-z_][a-z0-9_-]{0,31}$'),
  constraint companion_apps_pkey primary key (companion_id, app_id)
);
comment on table companion_apps is 'Apps whose instances a host''s companion may report; their names are the host''s, their login is the admin''s word.';

alter table connections
  add column way text constraint connections_way_check check (way in ('relay', 'jump', 'host', 'menu', 'refusal')),
  add column client_address text;

alter table login_sessions
  drop constraint login_sessions_kind_check,
  add constraint login_sessions_kind_check check (kind in ('helper', 'browser', 'token', 'ci', 'key'));

create table registered_keys (
  id uuid default gen_random_uuid() constraint registered_keys_pkey primary key,
  account_id uuid not null constraint registered_keys_account_fkey references accounts (id),
  session_id uuid not null constraint registered_keys_session_fkey references login_sessions (id),
  name text not null,
  public_key bytea not null constraint registered_keys_public_key_key unique,
  fingerprint text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz
);
create index registered_keys_account_index on registered_keys (account_id);
comment on table registered_keys is 'Keys that people log in with where their organization allows it. Each is a login session of its own: who ends that ends the key.';

create table leases (
  id uuid default gen_random_uuid() constraint leases_pkey primary key,
  companion_id uuid not null constraint leases_companion_fkey references companions (id),
  account_id uuid not null constraint leases_account_fkey references accounts (id),
  session_id uuid not null constraint leases_session_fkey references login_sessions (id),
  network text not null,
  port integer not null constraint leases_port_check check (port between 1 and 65535),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  constraint leases_order_check check (expires_at > created_at)
);
create index leases_companion_index on leases (companion_id, expires_at) where ended_at is null;
create index leases_session_index on leases (session_id) where ended_at is null;
comment on table leases is 'Holes in a machine''s firewall for one address or network, for a time.';

-- Of minutes, and until now perhaps for any target.
delete from ssh_codes;
alter table ssh_codes alter column target_name set not null;

create table ssh_code_uses (
  id uuid default gen_random_uuid() constraint ssh_code_uses_pkey primary key,
  session_id uuid not null constraint ssh_code_uses_session_fkey references login_sessions (id),
  companion_id uuid not null constraint ssh_code_uses_companion_fkey references companions (id),
  target_name text not null,
  used_at timestamptz not null,
  expires_at timestamptz not null
);
comment on table ssh_code_uses is 'One-time codes that a gateway took: until then it may bring their people on to the target.';

alter table revoked_serials add column account_number integer;
update revoked_serials set account_number = accounts.gateway_uid
  from certificates join accounts on accounts.id = certificates.account_id
  where certificates.serial = revoked_serials.serial;
comment on column revoked_serials.account_number is 'Whose certificate it is, by the account''s number: lists that are too long name it only where the account can matter. null: every list names it.';
create index login_sessions_ended_version_index on login_sessions (ended_version) where ended_version is not null;

alter table companions add column krl_excess_bytes integer
  constraint companions_krl_excess_check check (krl_excess_bytes > 0);
comment on column companions.krl_excess_bytes is 'How far the machine''s own revocation list is over the budget; null: it is within.';

-- Certificates that are narrowed to an environment are looked at again as long as they are good.
create index certificates_narrowed_index on certificates (valid_before) where decision -> 'environment' is not null;
