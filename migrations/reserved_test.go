package migrations_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// streamTypes are the types that the engine itself reserves.
var streamTypes = []string{"batch", "heartbeat", "presence_updated", "sync", "table_truncated"}

// workloadTypes returns the types that the triggers of the workload write, without those of the stream.
func workloadTypes() []string {
	var types []string
	for _, table := range triggers.Workload().Tables {
		for _, event := range table.RowEvents() {
			types = append(types, event.Type)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// checkPublish fails unless publish accepts or refuses the type as wanted.
func checkPublish(t *testing.T, conn *pgx.Conn, eventType string, accepted bool) {
	t.Helper()
	_, err := conn.Exec(t.Context(), `select pgherald.publish($1, '1')`, eventType)
	if accepted {
		if err != nil {
			t.Errorf("publish %s: %v", eventType, err)
		}
		return
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		t.Errorf("publish %s: got %v, want an error of Postgres", eventType, err)
		return
	}
	got := []string{pg.Code, pg.ColumnName, pg.Message}
	want := []string{
		pgerrcode.InvalidParameterValue, "type",
		"the event type " + eventType + " is built in and cannot be published: choose another",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("publish %s (-want +got):\n%s", eventType, diff)
	}
}

// The engine reserves the types of the stream; the workload adds the types of its triggers, and its
// down migration removes them.
func TestReservedTypes(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	check := func(workloadAccepted bool) {
		t.Helper()
		for _, eventType := range streamTypes {
			checkPublish(t, conn, eventType, false)
		}
		for _, eventType := range workloadTypes() {
			checkPublish(t, conn, eventType, workloadAccepted)
		}
		checkPublish(t, conn, "note", true)
	}
	if err := migrations.Up(t.Context(), url, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := migrations.Up(t.Context(), url, migrations.Workload()); err != nil {
		t.Fatal(err)
	}
	check(false)
	if err := migrations.Down(t.Context(), url, migrations.Workload()); err != nil {
		t.Fatal(err)
	}
	check(true)
}

// The engine may go first: then the workload's down migration finds no table of reserved types.
func TestWorkloadDownWithoutTheEngine(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	up(t, url)
	for _, set := range []migrations.Set{migrations.Engine(), migrations.Workload()} {
		if err := migrations.Down(t.Context(), url, set); err != nil {
			t.Fatal(err)
		}
	}
}

// The engine may be removed and created again while the workload stays: the triggers are installed again
// then, so their types must be reserved again.
func TestReservedTypesWithARecreatedEngine(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	up(t, url)
	if err := migrations.Down(t.Context(), url, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	up(t, url)
	conn := pgtest.Connect(t, url)
	for _, eventType := range slices.Concat(streamTypes, workloadTypes()) {
		checkPublish(t, conn, eventType, false)
	}
}
