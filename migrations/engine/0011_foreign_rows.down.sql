drop trigger if exists skip_replicated on pgherald.log;
drop trigger if exists skip_replicated on pgherald.events;
drop trigger if exists skip_foreign on pgherald.events;
drop function if exists pgherald.skip_row();
