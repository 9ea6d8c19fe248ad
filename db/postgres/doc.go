// Package postgres finds a PostgreSQL server on this machine, or fetches one,
// and runs it as a child process, so that someone who has no database can try
// pgherald with one command, and so that tests have a real server.
//
// It promises that
//
//   - nobody else can reach the server: it listens on 127.0.0.1 only, has no
//     Unix socket, and trusts whoever connects, which on a machine shared with
//     people you do not trust is reason enough to bring your own;
//   - a data directory is never deleted and never converted: one that belongs
//     to another major version, or to another running server, is refused;
//   - a fetched server is the pinned one, byte for byte, or it is not used;
//   - on Linux the server ends with its parent, however the parent ends.
package postgres
