-- pg_restore --disable-triggers ends with "alter table ... enable trigger all", which makes every trigger of a table
-- fire in ordinary sessions. Those that are for sessions with replicated changes must then skip nothing: else
-- servers could neither prune the log nor reset it.

drop trigger skip_replicated on pgherald.events;

create trigger skip_replicated before update or delete on pgherald.events
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.events enable replica trigger skip_replicated;

drop trigger skip_replicated on pgherald.log;

create trigger skip_replicated before insert or update or delete on pgherald.log
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.log enable replica trigger skip_replicated;
