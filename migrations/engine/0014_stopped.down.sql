alter table pgherald.replicas drop column stopped_at;
