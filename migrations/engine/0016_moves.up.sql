-- compatible-from: 13
-- What an update changed: whether a row moved into or out of what a client selected, or may see.

-- Null unless an update changes what they hold, so that other writes pay nothing.
alter table pgherald.events
add column was json,
add column audience_was text[];

comment on column pgherald.events.was is
    'The former values of the filter fields that the update changed, as in data; null if it changed none.';
comment on column pgherald.events.audience_was is
    'The former audience, if the update changed it; {*} if every client could receive the row.';

-- A field can become a filter field while the log holds updates from before, whose events do not have its former values.
create table pgherald.filter_fields (
    spec text,
    collection text,
    field text,
    -- The events of this transaction and later ones have the former values of the field.
    since xid8 not null,
    primary key (spec, collection, field)
);

comment on table pgherald.filter_fields is
    'The transaction from which on the events of a collection have the former values of a filter field.';

-- Logical replication must not bring the transaction ids of another cluster.
create trigger skip_replicated before insert or update or delete on pgherald.filter_fields
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.filter_fields enable replica trigger skip_replicated;
