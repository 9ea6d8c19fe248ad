drop table if exists pgherald.filter_fields;
alter table if exists pgherald.events
drop column if exists audience_was,
drop column if exists was;
