drop trigger skip_replicated on pgherald.log;
drop trigger skip_replicated on pgherald.events;

create trigger skip_replicated before update or delete on pgherald.events
for each row execute function pgherald.skip_row();

alter table pgherald.events enable replica trigger skip_replicated;

create trigger skip_replicated before insert or update or delete on pgherald.log
for each row execute function pgherald.skip_row();

alter table pgherald.log enable replica trigger skip_replicated;
