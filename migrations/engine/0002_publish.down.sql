drop function pgherald.publish(text, json, text, text[]);
drop table pgherald.reserved_types;
drop function pgherald.wake(json);
