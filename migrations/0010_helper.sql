-- What `sally` brings along: keys that live in hardware, and what an organization asks of them.

alter table organizations
  add column hardware_keys text not null default 'off'
    constraint organizations_hardware_keys_check check (hardware_keys in ('off', 'required', 'verified')),
  add column hardware_attestation text not null default 'off'
    constraint organizations_hardware_attestation_check check (hardware_attestation in ('off', 'required')),
  add column hardware_models text[],
  add column hardware_authorities text[] not null default '{}';
comment on column organizations.hardware_keys is 'Whether people get certificates only for keys of security keys (FIDO); verified: each use asks for a PIN or a finger, too.';
comment on column organizations.hardware_models is 'AAGUIDs of the security keys that are accepted where attestation is required; null: any.';
comment on column organizations.hardware_authorities is 'Certificates (PEM) of the authorities that vouch for security keys.';

create index companions_host_key_index on companions (sha256(host_key)) where host_key is not null;

create table proven_keys (
  session_id uuid not null constraint proven_keys_session_fkey references login_sessions (id),
  public_key bytea not null,
  user_verified boolean not null,
  proven_at timestamptz not null,
  constraint proven_keys_pkey primary key (session_id, public_key)
);
comment on table proven_keys is 'Keys that are certified again and again, such as those of security keys, and that a login has proven once to hold.';
comment on column proven_keys.user_verified is 'Whether the proof says that a PIN or a finger was asked for.';

create table attested_keys (
  account_id uuid not null constraint attested_keys_account_fkey references accounts (id),
  public_key bytea not null,
  model uuid not null,
  authority text not null,
  attested_at timestamptz not null,
  constraint attested_keys_pkey primary key (account_id, public_key)
);
comment on table attested_keys is 'Keys of which their maker''s certificate says that they were made in a security key, against a challenge of ours.';
comment on column attested_keys.model is 'The AAGUID.';
comment on column attested_keys.authority is 'SHA-256 of the authority''s certificate: where it is accepted no more, neither is the key.';
