// Package equality tests that what a client has of a collection equals the database.
//
// A history is a few random transactions, and clients with random filters, grants and connections. After each step,
// the rows that a client made of the events must be those that PostgreSQL selects by what the filter means, in the
// snapshot of the client's cursor. The package has no code besides tests.
package equality
