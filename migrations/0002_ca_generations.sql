-- CA keys become generations: the next one is trusted before it signs, the one before it as long as its certificates
-- live. `signer` names what holds the private half; it is no secret and holds none.
alter table ca_keys
  drop constraint ca_keys_purpose_check,
  drop constraint ca_keys_state_check,
  add constraint ca_keys_purpose_check check (purpose in ('user', 'host', 'hop')),
  add constraint ca_keys_state_check check (state in ('next', 'active', 'retiring', 'retired')),
  add column signer text,
  add column state_version bigint not null default 0,
  add column activated_at timestamptz,
  add column retiring_at timestamptz,
  add column retired_at timestamptz,
  add column compromised_at timestamptz;
update ca_keys set signer = 'file:' || purpose || '_ca.pem', activated_at = created_at;
alter table ca_keys alter column signer set not null;
create unique index ca_keys_next_index on ca_keys (purpose) where state = 'next';
comment on column ca_keys.state_version is 'The version of companions'' state since which the key stands as it does.';

alter table certificates
  drop constraint certificates_kind_check,
  add constraint certificates_kind_check check (kind in ('user', 'host', 'hop', 'canary'));
create index certificates_ca_key_index on certificates (ca_key_id, valid_before);

create table ca_key_readiness (
  replica uuid not null,
  ca_key_id uuid not null constraint ca_key_readiness_ca_key_fkey references ca_keys (id),
  reported_at timestamptz not null,
  problem text,
  constraint ca_key_readiness_pkey primary key (replica, ca_key_id)
);
comment on table ca_key_readiness is 'Which server process can sign with which CA key, as it reports now and then; problem says why not.';
