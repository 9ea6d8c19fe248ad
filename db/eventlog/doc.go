// Package eventlog owns the tables pgherald.events and pgherald.log: it reads them, prunes them,
// monitors them, and resets them after a restore from another cluster.
//
// # Reading
//
// A cursor is a set of transactions (see package stream). Log.Read returns the events of all other
// transactions. It needs two index look-ups, in one statement that also returns the snapshot:
//
//	xid >= next            transactions above the cursor's top
//	xid = any(holes)       transactions below it that were still running when the cursor was made
//
// A small result is complete at once. A large one is planned first (which transactions, in the order
// of their last event ids) and then fetched page by page:
//
//	Read ── fits in one page ───────────────────────────► reading.ready
//	   └─── larger ──► plan ──► page of whole transactions ─► reading.ready
//	                     ▲  └─► part of one large transaction ─►    │
//	                     └────────── plan truncated ◄───────────────┘
//
// # Recoveries
//
// Each recovery of PostgreSQL (a crash, a failover) begins a new epoch. An unlogged table, which every recovery empties, names the
// newest one, and each statement returns that name with its events: so no statement reads a new history in an old epoch. The
// first server that finds the table empty adds a row to pgherald.recoveries, with the position up to which PostgreSQL replayed the
// write-ahead log.
//
// # Promises
//
//   - A read yields every committed event that the cursor has not seen, once. It keeps the events of a
//     transaction together, and the events of a row in the order of their commits. If the log cannot
//     honour the cursor, the read returns an error with the reason; it never omits events silently.
//   - Between two calls, a read holds no connection and no snapshot, and about one page in memory.
//   - Pruning removes whole transactions, and raises the log's horizon in the same transaction.
package eventlog
