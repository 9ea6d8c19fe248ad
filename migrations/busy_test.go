package migrations_test

import (
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

// A migration that has to wait for an open transaction lets other writers pass: that transaction may wait for them.
func TestMigrationBehindAnOpenTransaction(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	up(t, url)
	const write = `insert into pgherald.events (type, data) values ('a', '1')`
	open, other, look := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, open, `begin`)
	pgtest.Exec(t, open, write)
	migrated := make(chan error, 1)
	go func() {
		migrated <- migrations.Up(t.Context(), url, newerEngine(t, "-- compatible-from: 13\nalter table pgherald.events add column newer int;\n"+newerTable))
	}()
	for value[int](t, look, `
select count(*)::int from pg_stat_activity
where application_name = 'pgherald migrate' and wait_event_type = 'Lock' and datname = current_database()`) == 0 {
		time.Sleep(time.Millisecond) // a state, not a time: the migration waits
	}
	pgtest.Exec(t, other, write)
	pgtest.Exec(t, open, `commit`)
	if err := <-migrated; err != nil {
		t.Errorf("the migration gave up: %v", err)
	}
}
