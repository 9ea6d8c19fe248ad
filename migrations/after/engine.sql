-- The role pgherald_writer owns the functions that run code of others, such as a cast on a column's type, with the
-- rights of their owner: the trigger functions, and list_rows. So it may do little: append events, and read the tables
-- of specs. The other functions of the schema run no code of others, and belong to the schema's owner: servers call
-- them, and the code above could alter what this role owns.
--
-- Not a migration: who runs it may lack the right to create a role, and get it later. Then everything belongs to
-- the role that migrates, and `migrate up` says what to do.
do $$
declare
    writer constant name := 'pgherald_writer';
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = writer) then
        begin
            create role pgherald_writer nologin;
        exception
            when insufficient_privilege then return;
            when duplicate_object or unique_violation then null; -- created at the same moment
        end;
        begin
            -- Policies must not hide rows of joined tables from the trigger functions.
            alter role pgherald_writer bypassrls;
        exception
            when insufficient_privilege then null; -- `triggers apply` reports the tables where it matters
        end;
    end if;

    if exists (
        select
        from pg_catalog.pg_roles as r
        where
            r.rolname = writer
            and (
                r.rolcanlogin or r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication
                or exists (select from pg_catalog.pg_auth_members as m where m.member = r.oid)
            )
    ) then
        raise exception using
            errcode = 'invalid_authorization_specification',
            message = 'the role pgherald_writer has more rights than its task needs',
            hint = 'Give it NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION, and membership in no role.';
    end if;

    if not pg_catalog.pg_has_role(current_user, writer, 'usage') then
        begin
            grant pgherald_writer to current_user;
        exception
            when insufficient_privilege then return;
        end;
    end if;

    if not pg_catalog.has_schema_privilege(writer, 'pgherald', 'usage') then
        grant usage on schema pgherald to pgherald_writer;
    end if;
    -- Not xid, id and at: a forged transaction id would end every stream.
    if not pg_catalog.has_column_privilege(writer, 'pgherald.events', 'audience_was', 'insert') then
        grant insert (type, key, audience, data, was, audience_was) on pgherald.events to pgherald_writer;
    end if;
    if not pg_catalog.has_function_privilege(writer, 'pgherald.wake(json)', 'execute') then
        grant execute on function pgherald.wake(json) to pgherald_writer;
    end if;
    if not pg_catalog.has_function_privilege(writer, 'pgherald.truncated(text, text)', 'execute') then
        grant execute on function pgherald.truncated(text, text) to pgherald_writer;
    end if;
    if not pg_catalog.has_function_privilege(writer, 'pgherald.reset_collection(text, text, text)', 'execute') then
        grant execute on function pgherald.reset_collection(text, text, text) to pgherald_writer;
    end if;
    if exists (
        select
        from pg_catalog.pg_proc as p
        where
            p.oid = pg_catalog.to_regprocedure('pgherald.list_rows(text[], text[], bigint, bigint, bigint)')
            and p.proowner <> (select r.oid from pg_catalog.pg_roles as r where r.rolname = writer)
    ) then
        grant create on schema pgherald to pgherald_writer; -- for this moment: a new owner needs it
        alter function pgherald.list_rows(text[], text[], bigint, bigint, bigint) owner to pgherald_writer;
        revoke create on schema pgherald from pgherald_writer;
    end if;
end
$$;
