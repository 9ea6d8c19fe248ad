package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

// TestMigrateCutOff cuts the connections of a migration after more and more bytes of PostgreSQL's answers. Each time a set
// has all of its migrations or none, and the next migration completes them.
func TestMigrateCutOff(t *testing.T) {
	database := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, database)
	up(t, database)
	whole := objects(t, conn)
	proxy := pgtest.NewProxyOf(t, database)
	cuts := 0
	for bytes := 200; ; bytes += bytes/2 + 300 {
		if err := migrations.Down(t.Context(), database, sets()...); err != nil {
			t.Fatal(err)
		}
		proxy.CutAfter(bytes)
		cut := migrations.Up(t.Context(), proxy.URL(database), sets()...)
		proxy.CutAfter(-1)
		statuses, err := migrations.StatusOf(t.Context(), database, sets()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statuses {
			if !s.Current() && !s.IsAbsent() {
				t.Errorf("after a cut at %d bytes: %+v", bytes, s)
			}
		}
		up(t, database)
		if diff := cmp.Diff(whole, objects(t, conn)); diff != "" {
			t.Fatalf("the migration after a cut at %d bytes (-want +got):\n%s", bytes, diff)
		}
		if cut == nil {
			break
		}
		cuts++
	}
	t.Logf("%d cuts", cuts)
	if cuts < 5 {
		t.Errorf("a migration ended after %d cuts: so short an exchange proves little", cuts)
	}
}
