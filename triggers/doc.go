// Package triggers turns the declarative spec of what is watched into triggers that append events
// to the log, in the writer's own transaction.
//
// The way through the package: [Parse] reads the spec (YAML), which names tables, events and SQL
// expressions over n (the row after the write) and o (the row before it). [Apply] compares what
// the spec asks for with what is installed and makes the difference good in one transaction;
// [Check] only says what differs; [Drop] takes everything of ours away again; [SQL] prints the
// whole script for people to read. [Workload] is the first spec, and uses nothing special.
//
// # What a trigger promises
//
//   - One event for each event of the spec, row and statement, in the transaction of the write:
//     a rollback, also to a savepoint, takes the events with it.
//   - An UPDATE is told by key: a row whose image did not change gives no event, and a change of
//     the key itself is a delete of the old key and an insert of the new one. Where the spec
//     watches updates but not inserts, the new key gives the update event with o all null.
//   - The cost is linear in the rows of the statement, whatever plan the session cached before.
//   - A role needs no right but the one to write to the table. The functions are SECURITY DEFINER
//     and see only pg_catalog and what the spec qualifies; nobody but their owner may use them.
//   - What is written does not depend on the writer's settings: TimeZone, DateStyle and the like
//     are fixed for the time of the trigger, so a key is always spelled the same.
//   - The doorbell (NOTIFY) carries the table, the operation, the number of rows and the
//     transaction, never a row. It is silent while a server holds the waker's lock, and announces
//     everything itself.
//
// # When a write can still fail because of a trigger
//
// Everything that can be known beforehand is an error of Apply. What remains: an expression of the
// spec that raises for some row (a division by zero, a cast of unsuitable text; `when` does not
// guard a payload against it, CASE does); a column, function or joined table that an expression
// names and that is dropped or renamed after Apply (Check reports it); a right on a joined table
// that the owner loses; a lock on the log or a joined table that outlasts the writer's own
// timeout; a disk or notification queue that is full; a row whose JSON exceeds 1 GB; and
// PREPARE TRANSACTION, which Postgres refuses after any NOTIFY (so it works only now and then). A payload left to its default (all
// columns) names no column, and so no change of the table breaks it.
//
// # What is not seen
//
// Virtual generated columns (PostgreSQL 18) are not in transition tables: an expression that reads
// one is refused. Children by old-style inheritance fire their parent's triggers when written
// through the parent, and none when written directly, unless the spec names them as well. With
// `truncate: as-deletes`, a transaction in REPEATABLE READ or SERIALIZABLE gives the delete events
// of the rows in its snapshot only. A partition that is added later has no triggers until the next
// Apply; Check reports it.
//
// An AFTER ROW trigger of somebody else that writes to the same row again has its own event written
// before that of the write which fired it: Postgres fires statement triggers last, the inner
// statement's before the outer's. The event that comes last then shows the row as it was before.
package triggers
