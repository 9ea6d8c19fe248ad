package migrations_test

import (
	"testing"

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
	pgtest.AwaitLockWait(t, look, pgtest.LockWait{Name: "pgherald migrate", HasEnded: func() bool { return len(migrated) > 0 }})
	pgtest.Exec(t, other, write)
	pgtest.Exec(t, open, `commit`)
	if err := <-migrated; err != nil {
		t.Errorf("the migration gave up: %v", err)
	}
}
