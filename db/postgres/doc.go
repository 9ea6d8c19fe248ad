// Package postgres finds or fetches a PostgreSQL server and runs it as a child process. The demo uses it on a
// machine without a database, and the tests use it to run against a real server.
//
// It promises:
//
//   - Only this machine can reach the server: it listens on 127.0.0.1 and has no Unix socket. It accepts every
//     connection without a password, so do not use it on a machine with users whom you do not trust.
//   - It never deletes or converts a data directory. It refuses one that belongs to another major version
//     or to another running server.
//   - It runs a fetched server only if the checksum of the package is the pinned one.
//   - On Linux the server ends with its parent, even if the parent is killed.
package postgres
