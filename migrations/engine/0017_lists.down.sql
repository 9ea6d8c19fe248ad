drop function if exists pgherald.list_rows(text[], text[], bigint, bigint, bigint);
