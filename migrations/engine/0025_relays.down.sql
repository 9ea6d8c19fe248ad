drop table if exists pgherald.relays;
