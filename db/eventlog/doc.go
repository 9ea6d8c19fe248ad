// Package eventlog owns the tables pgherald.events and pgherald.log: it reads them, prunes them,
// monitors them, and resets them after a restore from another cluster.
//
// # Reading
//
// A cursor is a set of transactions (see package stream). Log.Read returns what a cursor has not seen
// with two index look-ups, in one statement that also returns the snapshot:
//
//	xid >= next            transactions above the cursor
//	xid = any(holes)       transactions below it that were running when it was made
//
// A small result is complete at once. A large one is planned first (which transactions, in the order
// of their last event ids) and then fetched page by page:
//
//	Read ── fits in one page ───────────────────────────► reading.ready
//	   └─── larger ──► plan ──► page of whole transactions ─► reading.ready
//	                     ▲  └─► part of one large transaction ─►    │
//	                     └────────── plan truncated ◄───────────────┘
//
// # Promises
//
//   - A read yields every committed event that the cursor has not seen, once. It keeps the events of a
//     transaction together and those of a row in the order of their commits. Otherwise it returns an
//     error that says why the log cannot honour the cursor; it never omits events silently.
//   - A read holds no connection and no snapshot between two calls, and about a page in memory.
//   - Pruning removes whole transactions, and raises the log's horizon in the same transaction.
package eventlog
