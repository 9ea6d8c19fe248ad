drop table pgherald.presence;
drop table pgherald.replicas;
