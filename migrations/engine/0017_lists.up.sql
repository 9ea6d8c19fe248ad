-- compatible-from: 17
-- Through this function servers read the rows of collections. Their SQL may run code of the tables' owners, such as a
-- cast of a column's type to json, which must not run with the rights of a server. So the function belongs to
-- pgherald_writer: see after/engine.sql. Programs that do not know that refuse to start.

-- Runs the queries one after the other until they have given max_rows rows. Each returns the key, the data and the
-- values of the order of its rows, which are the text of an array, and reads params as $1. A row whose data has more than max_row_bytes comes without
-- it. Before a row with which the data would exceed max_bytes, the function stops: the last row then has no data,
-- although it is not too large.
create function pgherald.list_rows(
    queries text[], params text[], max_rows bigint, max_row_bytes bigint, max_bytes bigint
)
returns table (key text, data json, bytes bigint, sort text)
language plpgsql
stable
security definer
rows 50
set search_path = pg_catalog, pg_temp
-- The settings of most trigger functions, so that rows read as in their events. Servers add those of a table's own.
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set row_security = off
-- The plan fits the values of params, and all rows of a page.
set plan_cache_mode = force_custom_plan
set cursor_tuple_fraction = 1
set jit = off
as $$
declare
    owner pg_catalog.name;
    query pg_catalog.text;
    found_rows pg_catalog.refcursor;
    remaining pg_catalog.int8 = max_rows;
    total pg_catalog.int8 = 0;
begin
    -- Do nothing as another role than the owner, or as this role by SET ROLE: code that runs as pgherald_writer can
    -- alter the function, to run with the rights and the search path of its caller.
    if current_user operator(pg_catalog.<>) 'pgherald_writer'
        or session_user operator(pg_catalog.=) 'pgherald_writer'
        or pg_catalog.current_setting('role') operator(pg_catalog.=) 'pgherald_writer'
    then
        select pg_catalog.pg_get_userbyid(p.proowner)
        into owner
        from pg_catalog.pg_proc as p
        where p.oid operator(pg_catalog.=) 'pgherald.list_rows(pg_catalog.text[], pg_catalog.text[], pg_catalog.int8, pg_catalog.int8, pg_catalog.int8)'::pg_catalog.regprocedure::pg_catalog.oid;
        if owner is null
            or owner operator(pg_catalog.=) 'pgherald_writer' -- it exists, but does not run the function
            or current_user operator(pg_catalog.<>) owner
        then
            raise exception using
                errcode = 'insufficient_privilege',
                message = 'a role has altered the function pgherald.list_rows, which may now run as another role than pgherald_writer',
                hint = 'ALTER FUNCTION pgherald.list_rows SECURITY DEFINER';
        end if;
    end if;

    foreach query in array queries loop
        exit when remaining operator(pg_catalog.<=) 0;
        open found_rows no scroll for execute query using params;
        loop
            fetch next from found_rows into key, data, sort;
            exit when not found;
            bytes = pg_catalog.octet_length(data::pg_catalog.text);
            if bytes operator(pg_catalog.>) max_row_bytes then
                data = null;
            else
                total = total operator(pg_catalog.+) coalesce(bytes, 0);
            end if;
            if total operator(pg_catalog.>) max_bytes then
                data = null;
                return next;
                return;
            end if;
            return next;
            remaining = remaining operator(pg_catalog.-) 1;
            exit when remaining operator(pg_catalog.<=) 0;
        end loop;
        close found_rows;
    end loop;
end
$$;

comment on function pgherald.list_rows(text[], text[], bigint, bigint, bigint) is
    'Reads rows of a collection with the rights of pgherald_writer, for servers.';

revoke execute on function pgherald.list_rows(text[], text[], bigint, bigint, bigint) from public;
