-- Whose the triggers are: several specs can share a database, and an older one must not undo a newer one.

-- Every state of a spec that was ever applied. The state that is installed has no replaced_at; a state that has
-- one is older than the installed one.
create table pgherald.specs (
    name text not null check (name collate "C" ~ '^[a-z][a-z0-9_-]{0,62}$'),
    -- SHA-256 of the tables of the spec, in hexadecimal.
    hash text not null,
    -- The version that the spec gives itself, if it does.
    version bigint,
    -- The version of the program's generator. A program with a lower one would install older functions.
    generator integer not null,
    applied_at timestamptz not null default clock_timestamp(),
    applied_by text not null default session_user,
    replaced_at timestamptz,
    primary key (name, hash)
);

create unique index specs_installed on pgherald.specs (name) where replaced_at is null;

comment on table pgherald.specs is
    'The specs whose triggers are installed, and their earlier states (replaced_at is not null).';

-- A function is listed by name, and not by oid, so that a dump can restore this.
create table pgherald.trigger_functions (
    name text primary key,
    spec text not null,
    -- The table in the spec. The trigger may be on a partition of it.
    table_schema text not null,
    table_name text not null
);

comment on table pgherald.trigger_functions is
    'The trigger functions in this schema: the spec that each belongs to, and the watched table.';
