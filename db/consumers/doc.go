// Package consumers keeps what receivers of pgherald forward have seen, in pgherald.consumers, and what they have refused, in
// pgherald.parked.
//
// # Promises
//
//   - At most one process is the runner of a consumer. It has a lease, which each write of it extends; PostgreSQL's clock decides. A
//     process that stood still for longer than its lease can write nothing: each of its writes checks the lease in the same statement,
//     and holds a lock on its row until it has committed. An advisory lock would stay with such a process for as long as its connection does.
//   - A position names no transaction that a recovery of PostgreSQL has lost, and nothing is parked of one: both are written after the
//     commits that they have seen, and no write of before a recovery succeeds after it.
//   - The events of a lane are parked and sent in the order of the log, and replayed in the order of their ids. For the events of a row that
//     is the same: its writers wait for each other. Events that transactions publish side by side for one key may come in another order.
package consumers
