// Package pgtest runs tests against a real PostgreSQL. It gives each test a fresh database, gives a test that
// kills its server a server of its own, and breaks connections on purpose with a proxy.
//
// A package uses it from TestMain:
//
//	func TestMain(m *testing.M) { pgtest.Main(m, migrate) }
//
// migrate creates the schema once, in a template. Every test's database is a copy of the template.
//
// It promises:
//
//   - Tests are isolated from each other. NOTIFY is too, since it is per database.
//   - No server starts before a test needs one.
//   - No server, directory, connection or goroutine remains after the tests. If the test process is killed or
//     panics, the server ends too (on Linux), but a temporary directory pgherald-test-* remains.
//   - Without a PostgreSQL the tests fail. They are never skipped.
//
// The server is the one in PGHERALD_TEST_PG_BIN, or else the result of postgres.Find, which may fetch one. It
// runs without fsync, and otherwise as in production.
package pgtest
