// Package migrations holds the tables that pgherald needs, as two sets of golang-migrate files:
// the engine (the schema pgherald: the event log) and the workload (activities, assignments and
// their updates). Whoever has tables of their own takes only the first.
//
// Trigger functions are not here: they are generated from a spec and can be installed anew at
// any time, see package triggers.
//
// The sets are applied in order and undone in the reverse one, each with a version of its own
// in a table that belongs to pgherald alone. Only one process migrates at a time.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed engine/*.sql workload/*.sql
var files embed.FS

// Set is a series of migrations with a version of its own.
type Set struct {
	Name  string // a folder of this package
	table string // where golang-migrate keeps the version
}

// Engine is the event log. Everything needs it.
func Engine() Set { return Set{Name: "engine", table: "pgherald_engine_migrations"} }

// Workload is the tables of the Workload Insights dashboard.
func Workload() Set { return Set{Name: "workload", table: "pgherald_workload_migrations"} }

// Files are the set's SQL files.
func (s Set) Files() fs.FS {
	sub, err := fs.Sub(files, s.Name)
	if err != nil {
		panic(err) // the name is one of two constants
	}
	return sub
}
