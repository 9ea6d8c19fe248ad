drop function pgherald.truncated(text, text);
