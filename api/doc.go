// Package api serves pgherald over HTTP: event streams at GET /api/events, and routes for publishing, presence, tickets,
// lease renewals, statistics and health. GET /api/schema describes them all for programs.
//
// New takes what every API needs in a Config and each optional feature as an Option. An application adds its own routes
// with the option Routes, as package api/activities does; this package knows no application.
//
// # Promises
//
//   - GET /api/events writes the bytes that docs/protocol.md describes, and logs why each stream ended. A slow client
//     delays no other.
//   - Every error is a problem detail (RFC 9457) that says what to do. Of the database it reveals the names of
//     constraints at most.
//   - The package does not import package db. It declares interfaces for what it needs of the database; cmd connects
//     them.
package api
