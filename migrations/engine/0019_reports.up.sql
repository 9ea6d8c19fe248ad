-- compatible-from: 13
-- What each server says about itself with its heartbeat, for operators who look at any of them.
alter table pgherald.replicas add column report json;

comment on column pgherald.replicas.report is 'What the server says about itself, for GET /api/operations; null for an older one.';
