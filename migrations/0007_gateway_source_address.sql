-- Hop certificates are good only from the address that a gateway goes on from; people may reach it by another.
alter table companions
  add column source_address text,
  add constraint companions_source_address_check check (source_address is null or kind = 'gateway');
comment on column companions.source_address is 'IP address that targets see the gateway come from; null: it is its address.';
