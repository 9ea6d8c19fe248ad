// Package migrations creates the tables of pgherald from two sets of golang-migrate files:
//
//   - engine: the schema pgherald with the event log and the tables that servers share.
//   - workload: the tables of the example (activities, assignments and their updates). An application with
//     its own tables does not need this set.
//
// The trigger functions are not in the migrations: package triggers generates them from a spec and can
// replace them at any time.
//
// Sets are applied in the given order and undone in reverse. Each set stores its version in a table of its
// own. An advisory lock lets only one process migrate at a time, and each file is applied as a whole or not
// at all.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed engine/*.sql workload/*.sql
var files embed.FS

// Set is a series of migrations with its own version.
type Set struct {
	Name  string // a folder of this package
	table string // the table in which golang-migrate stores the version
	after string // SQL that Up runs after the migrations, each time: it must change nothing the second time
}

// Engine returns the set with the event log. Every installation needs it.
func Engine() Set { return Set{Name: "engine", table: "pgherald_engine_migrations"} }

// Workload returns the set with the tables of the Workload Insights dashboard, the example.
func Workload() Set {
	return Set{Name: "workload", table: "pgherald_workload_migrations", after: reserveTypesSQL}
}

// reserveTypesSQL reserves the event types that the triggers of the workload write: pgherald.publish refuses them.
// It is not a migration, since the engine may be removed and created again while the workload stays.
const reserveTypesSQL = `
insert into pgherald.reserved_types (type)
values ('activity_created'), ('activity_updated'), ('activity_deleted'), ('assignment_changed')
on conflict do nothing`

// Files returns the set's SQL files.
func (s Set) Files() fs.FS {
	sub, err := fs.Sub(files, s.Name)
	if err != nil {
		panic(err) // the name is one of two constants
	}
	return sub
}
