-- The locks by which servers and commands take turns. A server locks a row until the end of a transaction;
-- `triggers apply` locks the table, in a mode that leaves the rows free. Advisory locks would not do: any role
-- that may connect can hold them.
create table pgherald.locks (
    name text primary key
);

comment on table pgherald.locks is
    'Names of locks. Servers take turns by locking a row here, and triggers apply by locking the table. The rows never change.';

insert into pgherald.locks (name)
values ('presence'), ('prune');
