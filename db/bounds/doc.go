// Package bounds limits how long a connection to PostgreSQL outlives its client, and how long a client waits for a
// PostgreSQL that has gone. Every connection of this module uses it: [Dial] on this side, and on the other side
// [SessionSQL], [TransactionSQL] or [Settings].
//
// It promises that a client which was cut off, killed or frozen holds no row, no table and no lock for longer than
// ten seconds:
//
//   - Idle in a transaction: PostgreSQL ends the session after [MaxIdle].
//   - Cut off while PostgreSQL sends a result: the kernel closes the socket when nothing is acknowledged.
//   - Cut off while a statement runs or waits for a lock: keepalives find that out, and PostgreSQL looks at the socket
//     every two seconds (from version 14 on; on older ones the statement runs to its end first).
//
// A client that is frozen while its statement runs keeps the locks until that statement ends: callers bound statements
// that wait for others with a lock timeout. Nothing here ends a statement of a live client, however long it takes.
//
// PostgreSQL ignores the settings for TCP in a session over a unix socket, whose end it sees at once.
package bounds
