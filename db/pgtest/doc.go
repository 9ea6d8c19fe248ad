// Package pgtest gives tests a real PostgreSQL: a database of its own for every
// test, a server of its own for a test that wants to kill one, and a proxy
// that breaks connections on purpose.
//
// A package that uses it hands its TestMain over:
//
//	func TestMain(m *testing.M) { pgtest.Main(m, migrate) }
//
// where migrate makes the schema, once, in a template that every test's
// database is a copy of.
//
// It promises that tests do not see each other (NOTIFY is per database), that
// nothing is started before a test asks for it, and that no server, directory,
// connection or goroutine is left when the tests are over. If the test process
// is killed, or panics, its server ends too (on Linux) and a directory named
// pgherald-test-* stays among the temporary ones.
//
// Without a PostgreSQL the tests fail; they are never skipped silently.
//
// The server is the one in PGHERALD_TEST_PG_BIN, else what postgres.Find finds
// or fetches. It runs without fsync, otherwise as in production.
package pgtest
