package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestSQLResolvesCursors compares the rule about cursors of earlier epochs with that of stream.Lineage, on random
// recoveries and cursors.
func TestSQLResolvesCursors(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	r, right, wrong := rand.New(rand.NewPCG(5, 6)), 0, 0
	for range 40 {
		epochs := randomRecoveries(t, r, log, conn)
		lineage, err := log.Lineage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			c := smallCursor(r, epochs[r.IntN(len(epochs))])
			_, want := lineage.Resolve(c)
			if c.Epoch() == lineage[0].Epoch {
				continue
			}
			got := queryText(t, conn, `select pgherald.resolve_cursor($1, $2, $3, $4)::text`, c.Epoch(), int64(c.Next()), signed(c.Holes()), int64(c.LSN()))
			if got != fmt.Sprint(want) {
				t.Fatalf("%s: got %s, want %t in %+v", c, got, want, lineage)
			}
			if want {
				right++
			} else {
				wrong++
			}
		}
	}
	if right < 100 || wrong < 100 {
		t.Errorf("%d cursors were right, %d wrong", right, wrong)
	}
}

// smallCursor returns a cursor that is often a subset of another one.
func smallCursor(r *rand.Rand, epoch string) stream.Cursor {
	var open []uint64
	for range r.IntN(3) {
		open = append(open, r.Uint64N(6))
	}
	return stream.NewCursor(epoch, r.Uint64N(7), open).WithLSN([]uint64{0, r.Uint64N(10)}[r.IntN(2)])
}

// randomRecoveries replaces the recoveries by others, and returns their epochs and one that does not exist.
func randomRecoveries(t *testing.T, r *rand.Rand, log *eventlog.Log, conn *pgx.Conn) []string {
	t.Helper()
	n := 1 + r.IntN(5)
	pgtest.Exec(t, conn, `truncate pgherald.recoveries, pgherald.recovered`)
	for i := range n {
		parent := []any{nil, fmt.Sprint("r", i-1)}[min(i, 1)]
		survived := []any{nil, fmt.Sprintf("0/%X", r.IntN(12))}[min(r.IntN(4), 1)]
		pgtest.Exec(t, conn, `insert into pgherald.recoveries (id, parent, depth, timeline, replayed, at) values ($1, $2, $3, '1', $4::pg_lsn, now() - interval '1 hour')`,
			fmt.Sprint("r", i), parent, i, survived)
	}
	pgtest.Exec(t, conn, `insert into pgherald.recovered (id) values ($1)`, fmt.Sprint("r", n-1))
	lineage, err := log.Lineage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	epochs := []string{"none"}
	for _, rec := range lineage {
		epochs = append(epochs, rec.Epoch)
	}
	for _, rec := range lineage {
		for range r.IntN(3) {
			if err := log.Confirm(t.Context(), rec, smallCursor(r, epochs[r.IntN(len(epochs))])); err != nil {
				t.Fatal(err)
			}
		}
	}
	return epochs
}

// TestSQLAfterRecoveries crashes PostgreSQL. Until a server has recorded that, the functions ask to try again. Then a
// cursor of before continues, and a consumer too, whatever is known about the recovery.
func TestSQLAfterRecoveries(t *testing.T) {
	cluster := pgtest.NewCluster(t)
	url := cluster.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	before := queryText(t, conn, `select pgherald.cursor()`)
	pgtest.Exec(t, conn, `select from pgherald.consume('job')`)
	emit(t, conn, "a", 2)
	cluster.Kill(t)
	cluster.Start(t)
	conn = pgtest.Connect(t, url)
	for _, sql := range []string{`select pgherald.cursor()`, `select from pgherald.consume('job')`, `select from pgherald.events_since('` + before + `')`} {
		wantSQLError(t, conn, "55000", "Try again in a moment", sql)
	}
	after := awaitHead(t, log)
	if got := queryText(t, conn, `select pgherald.cursor()`); withoutLSN(t, got) != after.WithLSN(0).String() {
		t.Errorf("got %s, want %s", got, after)
	}
	if events := eventsSince(t, conn, before, nil, 10); len(events) != 2 {
		t.Errorf("since a cursor of before the crash: %+v", events)
	}
	pgtest.Exec(t, conn, `update pgherald.recoveries set replayed = null`)
	wantSQLError(t, conn, "55000", "Try again in a moment", `select from pgherald.events_since($1)`, before)
	pgtest.Exec(t, conn, `update pgherald.recoveries set at = at - interval '3 seconds'`)
	wantSQLError(t, conn, "PH002", "Load everything again", `select from pgherald.events_since($1)`, before)
	if n := consume(t, conn, `select key from pgherald.consume('job')`); len(n) != 2 {
		t.Errorf("the consumer got %v", n)
	}
}
