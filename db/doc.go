// Package db holds what pgherald's connections to PostgreSQL have in common: pools, session settings,
// the checks of a server, snapshots, and errors with advice. The work is done in its sub-packages:
//
//   - eventlog reads, prunes and monitors the event log (pgherald.events and pgherald.log).
//   - notify listens for wake-ups, and sends them for the writers while those are many.
//   - control keeps the other tables of the schema pgherald: presence, tickets, renewals.
//   - postgres finds, fetches and runs a PostgreSQL server, for the demo and the tests.
//   - pgtest gives each test a database of its own.
//
// The log is the truth; a notification only says that reading it is worthwhile.
//
// # Promises
//
//   - No session of this package takes part in the conflicts of serializable writers, depends on the
//     database's default settings, or is ended by the server because it is idle.
//   - No package here holds a snapshot, a lock or the notification queue while a client is slow.
package db
