// Package control owns the tables with which servers coordinate: presence and replicas, tickets, and
// renewals. It also publishes custom events.
//
// # Promises
//
//   - A user is online while any server holds a stream of that user, and for a grace period after the
//     last one closed. Every change appends one presence_updated event, whichever servers are involved.
//   - A server that is killed or cut off is expired by the others, and its users with it.
//   - Calls from request handlers never wait for the database where the documentation says so; during an
//     outage nothing is forgotten.
package control
