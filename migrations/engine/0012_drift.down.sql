drop table if exists pgherald.since_crash;
drop table if exists pgherald.drift;
