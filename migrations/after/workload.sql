-- Reserves the event types that the triggers of the workload write: pgherald.publish refuses them. Not a
-- migration, since the engine may be removed and created again while the workload stays.
do $$
declare
    own constant text [] := '{activity_created,activity_updated,activity_deleted,assignment_changed}';
begin
    if (select count(*) from pgherald.reserved_types as r where r.type = any(own)) < cardinality(own) then
        insert into pgherald.reserved_types (type)
        select o.type from unnest(own) as o (type)
        on conflict do nothing;
    end if;
end
$$;
