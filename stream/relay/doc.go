// Package relay copies a log into a stream store, such as Redis, and reads it there. It knows no store and no database.
//
//	stream.Log ──► Run (the relay) ──► Store: entries 1, 2, 3, … ──► Log ──► feed of an edge
//
// An entry holds one transaction, or a part of a large one, and the cursor after it. So each cursor has a place in the
// stream: behind the newest entry whose cursor it covers.
//
// # Promises
//
//   - A reader of Log receives what a reader of the copied log receives: every committed event that its cursor has not seen, once,
//     the events of a transaction together and those of a row in the order of their commits. It can move between the two.
//   - Entries have consecutive numbers. The store appends one only behind the last that the relay knows. So a store that lost its end, or was
//     restored from an old dump, is noticed at the next write, and repaired from the log: from the cursor of its last entry.
//   - At most one relay writes. It has a term, which grows with each relay that begins; the store refuses writes of an earlier one.
//   - A place is never trusted by its number alone. A reader compares the entry there with the one it has read, and otherwise looks for its
//     place by cursor.
//   - A recovery of the database is an entry too. It says which entries before it are void, because the recovery has lost their
//     transactions. Readers then answer like a log after a recovery.
//   - A store that was empty, or that the log can no longer continue, is begun anew at the beginning of the log.
//   - Log says how long ago the relay has read the log to its end. A stream behind which no relay runs is stale, never silently old.
package relay
