-- Keeps rows of other logs out of this one. A restore of data, or a logical replication of all tables, would
-- bring events with the transaction ids of another cluster, and its row that describes a log.

create function pgherald.skip_row() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    return null;
end
$$;

comment on function pgherald.skip_row() is 'Keeps rows of other logs out of the log.';

revoke execute on function pgherald.skip_row() from public;

-- An event belongs to the transaction that writes it. "always" includes the sessions that apply a
-- replicated change, in which other triggers do not fire.
create trigger skip_foreign before insert on pgherald.events
for each row when (new.xid operator(pg_catalog.<>) pg_catalog.pg_current_xact_id())
execute function pgherald.skip_row();

alter table pgherald.events enable always trigger skip_foreign;

-- What another cluster's server changes in its log and prunes from it is not for this one. "replica" means
-- in those sessions only.
create trigger skip_replicated before update or delete on pgherald.events
for each row execute function pgherald.skip_row();

alter table pgherald.events enable replica trigger skip_replicated;

create trigger skip_replicated before insert or update or delete on pgherald.log
for each row execute function pgherald.skip_row();

alter table pgherald.log enable replica trigger skip_replicated;
