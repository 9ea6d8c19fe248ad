drop table pgherald.grants;
drop function pgherald.truncated(text, text);
