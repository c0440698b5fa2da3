-- The revocation list is read by what is new since its last version, and pruned every minute by what is over.
create index revoked_serials_version_index on revoked_serials (version);
create index revoked_serials_valid_before_index on revoked_serials (valid_before);
