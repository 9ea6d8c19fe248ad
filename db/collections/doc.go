// Package collections reads rows of collections: pages of a list, and single rows by their key.
//
// # Promises
//
//   - A row is byte for byte the data of its events, and comes only if the client may receive those.
//   - All parts of an answer come from one snapshot, whose cursor is part of it. A stream that continues after the cursor
//     delivers each later change, and no earlier one.
//   - Pages follow each other without gaps and repeats, whatever is written meanwhile: a position is the values of a row,
//     not a number of rows.
//   - SQL over the tables of applications runs in pgherald.list_rows, with the rights of pgherald_writer, and nothing of
//     it outlives its transaction. It may run code of the tables' owners, such as a cast of a type to json.
//   - The memory of all pages together is bounded. A row that is too large for a page is named, not read.
package collections
