-- compatible-from: 13
-- Relays: pgherald relay copies the log into a stream store. One process at a time does, under a lease.

create table pgherald.relays (
    -- Of the stream.
    name text primary key check (octet_length(name) between 1 and 200),
    -- Grows with each process that takes the lease. The stream store refuses writes of earlier terms.
    term bigint not null,
    -- The process that copies, until when.
    runner text,
    runs_until timestamptz
);

comment on table pgherald.relays is 'The processes of pgherald relay that copy the log into stream stores.';

create trigger skip_replicated before insert or update or delete on pgherald.relays
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.relays enable replica trigger skip_replicated;
