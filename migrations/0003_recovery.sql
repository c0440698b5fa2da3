-- What this database knows of itself, so that a restored backup and a failover are noticed.

create table database_identity (
  id boolean default true constraint database_identity_pkey primary key
    constraint database_identity_single_check check (id),
  system_identifier bigint not null,
  timeline bigint not null,
  database_oid bigint not null,
  postmaster_started_at timestamptz not null,
  written_by xid8 not null default pg_current_xact_id(),
  serial_offset_seconds bigint not null default 0
    constraint database_identity_offset_check check (serial_offset_seconds >= 0),
  accepted_at timestamptz not null
);
comment on table database_identity is 'One row: the Postgres that Sallyport last accepted as its own. None before the first start.';
comment on column database_identity.written_by is 'The transaction that wrote the row. A row that was dumped and restored has another xmin.';
comment on column database_identity.serial_offset_seconds is 'Added to the time that serials begin at; each recovery adds a year or two.';

create table revoked_ranges (
  ca_key_id uuid not null constraint revoked_ranges_ca_key_fkey references ca_keys (id),
  first bigint not null,
  last bigint not null,
  version bigint not null,
  until timestamptz not null,
  constraint revoked_ranges_pkey primary key (ca_key_id, first),
  constraint revoked_ranges_order_check check (first > 0 and last >= first)
);
comment on table revoked_ranges is 'Serials that the KRL lists as a range: those given before a recovery. A row leaves at its time.';

alter table state_version
  add column postmaster_started_at timestamptz,
  add column restarted_from bigint;
comment on column state_version.restarted_from is 'Set by the first change after a start of Postgres: the version before it.';

create table state_version_gaps (
  after bigint constraint state_version_gaps_pkey primary key,
  before bigint not null,
  constraint state_version_gaps_order_check check (before > after)
);
comment on table state_version_gaps is 'Versions between the two were never given: Postgres was started there. Who has one has it from a history that is lost.';

alter table companions add column ahead_version bigint;
create index companions_ahead_index on companions (id) where ahead_version is not null;
comment on column companions.ahead_version is 'A version that the machine has and this database never gave: the database has forgotten it.';
