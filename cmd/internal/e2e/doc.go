// Package e2e tests whole servers, from a write in PostgreSQL to the bytes that a client reads.
//
// A test starts servers in its own process (node) or as processes of the real program (program), on a
// database of its own. Trials (trial) add writers and clients that come and go; package judge then compares
// what each client received with what was written.
package e2e
