// Package api serves pgherald over HTTP: the stream of events at GET /api/events, the workload's
// activities, and what operators ask for.
//
// No handler here publishes an event. A handler that changes an activity writes to its table,
// like anybody else; the table's triggers do the rest.
//
// # Promises
//
//   - GET /api/events writes the bytes that docs/protocol.md describes, ends every stream with a
//     reason in the log, and never waits for one client on account of another.
//   - GET /api/activities returns a cursor with the list: a stream opened with ?since= that cursor
//     has no gap and no overlap with what the list shows.
//   - Every error is a problem detail (RFC 9457) that says what to do, and an error that is ours
//     says nothing about the database.
package api
