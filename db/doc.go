// Package db holds what its sub-packages share: connection pools, session settings, the checks of a
// server, snapshots, and errors with advice. The sub-packages do the work:
//
//   - eventlog reads, prunes and monitors the event log (pgherald.events and pgherald.log).
//   - notify listens for wake-ups, and sends them for the writers while those are many.
//   - control keeps the other tables of the schema pgherald: presence, tickets, renewals.
//   - postgres finds, fetches and runs a PostgreSQL server, for the demo and the tests.
//   - pgtest gives each test a database of its own.
//
// # Promises
//
//   - The sessions of the log pool run READ COMMITTED, so they never make a serializable writer fail.
//     They set every planner setting that they depend on, and PostgreSQL does not end them when idle.
//   - No package here keeps a snapshot or a lock, or stops reading notifications, because a client is
//     slow.
package db
