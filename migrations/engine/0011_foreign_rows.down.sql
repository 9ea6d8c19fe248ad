drop trigger skip_replicated on pgherald.log;
drop trigger skip_replicated on pgherald.events;
drop trigger skip_foreign on pgherald.events;
drop function pgherald.skip_row();
