alter table pgherald.replicas drop column report;
