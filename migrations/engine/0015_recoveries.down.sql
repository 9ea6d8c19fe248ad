drop table if exists pgherald.recovered;
drop table if exists pgherald.recoveries;
