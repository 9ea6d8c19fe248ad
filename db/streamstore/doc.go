// Package streamstore keeps the stream of package relay in Redis, or in a server that speaks its protocol, such as Valkey: one server, a
// cluster, or servers behind Sentinel.
//
// There are two keys, in one slot of a cluster, since their names share a hash tag:
//
//	{pgherald}:log    a stream; the entry with the number n has the id n-0, and one field
//	{pgherald}:state  a hash: term, owner, last, whole, info, mark, the times of both, and a document for edges
//
// # Promises
//
//   - Each write is one script: it checks the term of its writer and the last entry, and happens whole or not at all. So the two keys are always
//     of the same moment, also in a dump, an append-only file that was cut off, or a replica.
//   - No write is tried again by itself: its answer may have been lost.
//   - Ages are by the server's clock.
package streamstore
