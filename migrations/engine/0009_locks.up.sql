-- The locks by which servers and commands take turns. Each is a row, and is held by locking the row until the
-- end of a transaction. Advisory locks would not do: any role that may connect can hold them.
create table pgherald.locks (
    name text primary key
);

comment on table pgherald.locks is
    'Names of locks. Servers and commands take turns by locking a row here; the rows never change.';

insert into pgherald.locks (name)
values ('presence'), ('prune'), ('triggers');
