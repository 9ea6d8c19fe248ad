package migrations_test

import (
	"io/fs"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

// Going back to a version that knows no owed resets loses none.
func TestDownPaysOwedResets(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	up(t, url)
	conn := pgtest.Connect(t, url)
	for _, table := range []string{"a", "a", "b"} {
		pgtest.Exec(t, conn, `insert into pgherald.owed_resets ("table", sqlstate) values ($1, '42703')`, table)
	}
	sql, err := fs.ReadFile(migrations.Engine().Files(), "0022_upkeep.down.sql")
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, string(sql))
	if got := value[string](t, conn, `
		select coalesce(string_agg(e.type || ' ' || (e.data ->> 'table'), ', ' order by e.id), '')
		from pgherald.events as e`); got != "collection_reset a, collection_reset b" {
		t.Errorf("after going down: %s", got)
	}
	wantUsable(t, conn)
}
