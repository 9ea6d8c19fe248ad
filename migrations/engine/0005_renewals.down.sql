drop table pgherald.renewals;
