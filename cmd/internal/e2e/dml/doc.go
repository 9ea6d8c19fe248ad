// Package dml writes at random to the tables of any database. It knows them from the catalog alone.
//
// A [Writer] inserts, updates and deletes rows one by one and many at once, in CTEs, with ON CONFLICT, MERGE and COPY,
// changes keys, truncates, and rolls back transactions and savepoints. It takes values from the rows that exist, so that
// foreign keys hold and conditions match, and from the limits of each type.
//
// The database may refuse a statement, for a foreign key or a check. Writers count that by SQLSTATE and go on. They
// return an error for what no random value explains, and for an error in a function of pgherald's.
package dml
