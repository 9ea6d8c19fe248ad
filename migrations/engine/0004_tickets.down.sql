drop table pgherald.tickets;
