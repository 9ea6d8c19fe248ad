drop function pgherald.publish(text, json, text, text[]);
drop function pgherald.ring(json);
