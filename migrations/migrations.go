// Package migrations creates the tables of pgherald from two sets of golang-migrate files:
//
//   - engine: the schema pgherald with the event log and the tables that servers share.
//   - workload: the tables of the example (activities, assignments and their updates). An application with
//     its own tables does not need this set.
//
// The trigger functions are not in the migrations: package triggers generates them from a spec and can
// replace them at any time.
//
// Sets are applied in the given order and undone in reverse. The table pgherald.migrations stores the version
// of each set, and the oldest program that may use it (compatible.go). All files that one call runs for a set, and the new version, are one transaction: an error or a
// lost connection leaves the set as it was.
//
// # What the migrations trust
//
// Nothing here depends on search_path: each transaction sets its own. Up, Down and Repair refuse a schema
// pgherald that belongs to a role whose code must not run with the rights of the connected role, and tables of
// it with the triggers or rules of others.
package migrations

import (
	"embed"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed engine/*.sql workload/*.sql after/*.sql
var files embed.FS

// Set is a series of migrations with its own version.
type Set struct {
	Name     string // a folder of this package
	oldTable string // the table in which pgherald stored the version before the schema pgherald had a table for it
	probe    string // a table that exists if and only if the set is installed
	files    fs.FS  // in place of the embedded ones; nil outside of tests
}

// Engine returns the set with the event log. Every installation needs it.
func Engine() Set {
	return Set{Name: "engine", oldTable: "pgherald_engine_migrations", probe: "pgherald.events"}
}

// Workload returns the set with the tables of the Workload Insights dashboard, the example.
func Workload() Set {
	return Set{Name: "workload", oldTable: "pgherald_workload_migrations", probe: "public.activities"}
}

// Files returns the set's SQL files.
func (s Set) Files() fs.FS {
	if s.files != nil {
		return s.files
	}
	sub, err := fs.Sub(files, s.Name)
	if err != nil {
		panic(err) // the name is one of two constants
	}
	return sub
}

// after returns the SQL that Up runs after the set's migrations, each time. It changes nothing where
// everything is in order.
func (s Set) after() (string, error) {
	text, err := files.ReadFile("after/" + s.Name + ".sql")
	return string(text), err
}

// file is one migration of a set.
type file struct {
	version uint
	name    string // such as 0001_events.up.sql
}

// upFiles returns the migrations of the set, in order.
func (s Set) upFiles() ([]file, error) {
	names, err := fs.Glob(s.Files(), "*.up.sql")
	if err != nil {
		return nil, err
	}
	out := make([]file, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, err
		}
		out[i] = file{uint(version), name}
	}
	return out, nil
}
