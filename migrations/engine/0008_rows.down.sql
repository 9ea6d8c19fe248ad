delete from pgherald.reserved_types where type = 'collection_reset';
drop function if exists pgherald.reset_collection(text, text, text);
