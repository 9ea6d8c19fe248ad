drop table pgherald.locks;
