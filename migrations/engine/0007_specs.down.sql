drop table pgherald.trigger_functions;
drop table pgherald.specs;
