// Package triggers turns a declarative spec of watched tables into triggers that append events to the
// log, in the writer's own transaction.
//
// # Pipeline
//
//	spec (YAML) --Parse--> Spec --+
//	                              +--generate--> functions and triggers --SQL--> script to read
//	catalog --load--> relations --+                 |
//	                                                v
//	catalog --load--> installed objects --------> plan: the differences
//	                                                |--Check--> report them as drift
//	                                                +--Apply--> execute them in one transaction
//
// [Parse] reads the spec, which names tables, events and SQL expressions over n (the row after the
// write) and o (the row before it). [Apply] lets PostgreSQL validate every expression, compares the
// generated objects with the installed ones, and executes the difference. [Check] reports the
// difference. [Drop] removes every trigger and function of this package. [SQL] prints the whole
// script. [Workload] returns the spec of the example; it uses no special feature.
//
// # What a trigger promises
//
//   - It writes one event for each event of the spec and each write to a row, in the transaction of the
//     write and in the order of the writes. A rollback, also to a savepoint, removes the events too.
//   - A row that did not change gives no event. A row whose key changed counts as a delete of the old key
//     and an insert of the new one, in this order. The text of the key decides, not its equality operator.
//     Where the spec watches updates but not inserts, the new key gives the update event, with o all null.
//   - The cost is linear in the rows of the statement, whatever plan the session has cached. A change of
//     the table makes every session plan again.
//   - A writer needs only the right to write to the table. The functions are SECURITY DEFINER, see only
//     pg_catalog and what the spec qualifies with a schema, and only their owner may execute them.
//   - Events do not depend on the writer's settings: a function consists of qualified names and types that
//     depend on none, or it sets TimeZone, DateStyle and the like.
//   - The wake-up (NOTIFY) carries the first table and operation of the transaction and its number, but no
//     row. Writers skip it while the notify leader holds its lock and sends the wake-ups itself.
//
// # When an expression fails
//
// Apply refuses every mistake that is visible in advance. An expression may still raise an error later: a
// division by zero, a cast of unsuitable text, a column, function or joined table that was dropped or renamed,
// a lost right, a row whose JSON exceeds 256 MiB. `when` does not guard a payload against it; CASE does. The
// trigger then writes a collection_reset instead of the row's events, unless the spec says `on_error: abort`.
// The default payload (all columns) names no column but the key, so no change of another one affects it. The updates of
// a collection name its filter fields, too. Where the spec leaves columns out, a function names those that it shows.
//
// # Collections
//
// A table with a collection gives events from which clients keep rows. [Collections] describes those that are installed:
// the SQL of their rows for lists, and the fields by which clients filter. So that a filter stays true when a row moves,
// the event of an update holds the former values of the filter fields that it changed, and the former audience.
//
// # When a trigger can make a write fail
//
//   - A lock on the log that outlasts the writer's own timeout.
//   - A full disk or a full notification queue.
//   - PREPARE TRANSACTION. PostgreSQL refuses it after a NOTIFY, so it works only while a notify leader
//     holds its lock.
//
// # What a trigger does not see
//
//   - Virtual generated columns (PostgreSQL 18), which triggers cannot read. Apply refuses an expression
//     that reads one.
//   - Rows of a table that inherits from a watched one since the last Apply, and a TRUNCATE of such a table
//     or of a later partition, until the next Apply. Check reports both.
//   - With `truncate: as-deletes`, rows that are not in the snapshot of a REPEATABLE READ or SERIALIZABLE
//     transaction: they give no delete event.
//
// # Order with an application's own triggers
//
// PostgreSQL fires the triggers of a row in the order of their names. Ours has a name that sorts before most
// others, so that a write by an AFTER ROW trigger of the application gives its event after that of the outer
// write, and the last event shows the row's present state. Two cases remain in which it does not:
//
//   - a trigger of the application whose name sorts before "00_pgherald" writes to its own row again.
//   - a trigger writes to another row that the same statement has already changed, but whose triggers have
//     not fired yet. PostgreSQL fires those of the inner statement first.
package triggers
