-- Reserves the event types that the triggers of the workload write: pgherald.publish refuses them. Not a
-- migration, since the engine may be removed and created again while the workload stays.
insert into pgherald.reserved_types (type)
values ('activity_created'), ('activity_updated'), ('activity_deleted'), ('assignment_changed')
on conflict do nothing;
