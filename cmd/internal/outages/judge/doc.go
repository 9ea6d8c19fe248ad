// Package judge decides whether the clients of the soak received what PostgreSQL committed. It imports nothing of
// pgherald: its evidence are the bytes that clients read, and SQL.
//
//   - The audit is a table that triggers of the test fill, beside those of pgherald. History.CheckLog compares it
//     with the log: each committed write has its events, in the order of the writes, and no other event exists.
//   - The writers state which transactions certainly committed. History.CheckWriters looks for them in the audit: if
//     one is missing, PostgreSQL or the test is wrong.
//   - The log names the events that exist. History.CheckClient compares them with what one client received: each
//     event that its filter selects once, unchanged, in one piece with its transaction, in the order of its row, and
//     none that arrives seconds after events that were written seconds after its commit. A client with conflation must
//     end at the last state of each row.
//   - PostgreSQL keeps the time of each commit (track_commit_timestamp), so the judge knows which events a client may
//     miss: those of before it connected, and those of before a reset.
//
// A repeat is accepted where rule 2 of docs/protocol.md allows it: the events of a transaction come again if the
// connection broke before the transaction's id line.
package judge
