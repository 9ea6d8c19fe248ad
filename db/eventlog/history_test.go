package eventlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestHistoryEqualsSQL runs random histories of overlapping transactions, with rollbacks, and reads pages at random
// moments. Clients must receive what a SELECT at their first page gives, and a stream after their cursor the rest.
func TestHistoryEqualsSQL(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log, conn := openLog(t, url), pgtest.Connect(t, url)
			past := eventlog.NewHistory(log)
			h := &history{T: t, r: rand.New(rand.NewPCG(seed, 17)), url: url}
			defer h.end()
			head(t, log, 0) // begins the log's epoch
			var walks []*walk
			for range 60 {
				for range 1 + h.r.IntN(10) {
					h.step()
				}
				grantAtRandom(h, conn)
				w := randomWalk(h)
				w.begin(t, conn)
				w.page(t, past, 1+h.r.IntN(20))
				walks = append(walks, w)
				for _, w := range walks {
					if !w.isDone && h.r.IntN(3) == 0 {
						w.page(t, past, 1+h.r.IntN(20))
					}
				}
			}
			for _, tx := range h.open {
				pgtest.Commit(t, tx)
			}
			h.open = nil
			for i, w := range walks {
				for !w.isDone {
					w.page(t, past, 1+h.r.IntN(50))
				}
				if diff := cmp.Diff(w.want, w.got, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("walk %d with %v %v %v (- SQL, + history):\n%s", i, w.types, w.keys, w.grants, diff)
				}
				compareWithStream(t, log, conn, w)
			}
		})
	}
}

// grantAtRandom gives some events an audience, in transactions of their own: clients receive events as they were written.
func grantAtRandom(h *history, conn *pgx.Conn) {
	h.Helper()
	for range h.r.IntN(3) {
		audience := [][]string{{}, {"a"}, {"b"}, {"a", "b"}, {"*"}}[h.r.IntN(5)]
		pgtest.Exec(h.T, conn, `insert into pgherald.events (type, key, audience, data) values ($1, $2, $3, '1')`,
			string(rune('a'+h.r.IntN(3))), fmt.Sprint(h.r.IntN(5)), audience)
	}
}

func randomWalk(h *history) *walk {
	return &walk{
		types:  [][]string{nil, nil, {"a"}, {"b", "c"}, {"none"}}[h.r.IntN(5)],
		keys:   [][]string{nil, nil, {"1"}, {"2", "3"}}[h.r.IntN(4)],
		grants: [][]string{{}, {"a"}, {"a", "b"}, {"z"}}[h.r.IntN(4)],
	}
}

// compareWithStream checks that what comes after the cursor is exactly what the history lacks.
func compareWithStream(t *testing.T, log *eventlog.Log, conn *pgx.Conn, w *walk) {
	t.Helper()
	if w.types != nil || w.keys != nil || len(w.grants) < 2 {
		return
	}
	var got []string
	for _, e := range readAll(t, log, w.cursor) {
		got = append(got, fmt.Sprint(e.ID))
	}
	for _, e := range w.got {
		_, id, _ := strings.Cut(e, "/")
		got = append(got, id)
	}
	slices.Sort(got)
	rows, err := conn.Query(t.Context(), `select e.id::text from pgherald.events as e order by e.id::text collate "C"`)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	withheld := func(id string) bool { return !slices.Contains(got, id) && isWithheld(t, conn, id) }
	if diff := cmp.Diff(slices.DeleteFunc(want, withheld), got); diff != "" {
		t.Fatalf("the history and the stream after %s (- SQL, + both):\n%s", w.cursor, diff)
	}
}

func isWithheld(t *testing.T, conn *pgx.Conn, id string) (is bool) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `select e.audience = '{}' from pgherald.events as e where e.id = $1::text::bigint`, id).Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
}

// TestHistoryIsPruned prunes between two pages.
func TestHistoryIsPruned(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	past := eventlog.NewHistory(log)
	for range 40 {
		pgtest.Exec(t, conn, `insert into pgherald.events (type, data) values ('a', '1')`)
	}
	w := &walk{}
	w.begin(t, conn)
	w.page(t, past, 10)
	pool := openPool(t, url)
	awaitEnded(t, pool)
	if n := prune(t, pool, eventlog.PrunerOptions{MaxBytes: 1}); n == 0 {
		t.Fatal("nothing was pruned")
	}
	pgtest.Exec(t, conn, `insert into pgherald.events (type, data) values ('a', '1')`)
	w.page(t, past, 10)
	if !w.isDone || len(w.got) != 10 {
		t.Errorf("after the prune: done %t, %d events", w.isDone, len(w.got))
	}
}

// TestHistoryOfAnotherLog continues after the log was replaced, and with positions of the future.
func TestHistoryOfAnotherLog(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	past := eventlog.NewHistory(log)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, data) select 'a', '1' from generate_series(1, 10)`)
	w := &walk{}
	w.page(t, past, 5)
	read := func(before stream.Position) error {
		_, err := past.ReadBack(t.Context(), before, stream.Interest{Everything: true}, 100, 100)
		return err
	}
	future := stream.Position{Shown: stream.NewCursor(w.cursor.Epoch(), w.cursor.Next()+1000, nil), XID: 1}
	if err := read(future); !errors.Is(err, stream.ErrFuture) {
		t.Errorf("a position of the future: %v", err)
	}
	extreme := stream.Position{Shown: w.cursor, XID: 1<<64 - 1, ID: -1 << 63}
	if err := read(extreme); err != nil {
		t.Errorf("a position beyond the snapshot: %v", err)
	}
	pgtest.Exec(t, conn, `update pgherald.log set id = gen_random_uuid()`)
	if err := read(w.before); !errors.Is(err, stream.ErrOtherLog) {
		t.Errorf("a position of another log: %v", err)
	}
	if err := read(stream.Position{}); err != nil {
		t.Errorf("from the end: %v", err)
	}
}

// TestHistoryIsBounded looks for what is not there: one request must not read the whole log.
func TestHistoryIsBounded(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, data) select 'a', '1' from generate_series(1, 150000)`)
	pgtest.Exec(t, conn, `vacuum analyze pgherald.events`)
	w := &walk{types: []string{"none"}}
	pages := 0
	for ; !w.isDone; pages++ {
		w.page(t, eventlog.NewHistory(log), 10)
	}
	if pages < 2 || len(w.got) != 0 {
		t.Errorf("%d pages with %d events", pages, len(w.got))
	}
}

// TestHistoryOfUnreadableEvents reads events that PostgreSQL cannot send, and filters that it cannot read.
func TestHistoryOfUnreadableEvents(t *testing.T) {
	url := pgtest.EncodedDatabase(t, "WIN1252")
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	past := eventlog.NewHistory(log)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, key, data) select 'a', 'k', to_json(case when i % 7 = 0 then chr(129) else 'x' end) from generate_series(1, 30) as i`)
	var events [][]byte
	q := stream.HistoryQuery{Max: 100, Bytes: 1 << 20}
	for isDone := false; !isDone; { // in one page, unless the machine takes too long for it
		page, err := stream.ReadHistory(t.Context(), past, nil, q)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
		q.Before, isDone = page.Before, page.Before.IsZero()
	}
	if len(events) != 30 {
		t.Fatalf("%d events", len(events))
	}
	for i, e := range events {
		if isLost := strings.Contains(string(e), `"collection_reset"`); isLost != ((30-i)%7 == 0) {
			t.Errorf("event %d is %s", 30-i, e)
		}
	}
	w := &walk{keys: []string{"日本"}}
	for !w.isDone {
		w.page(t, past, 10)
	}
	if len(w.got) != 4 { // those that are lost, which every client receives
		t.Errorf("a key that the database cannot hold: %v", w.got)
	}
}

// TestHistoryOfHugeEvents reads a few events in pages that hold fewer.
func TestHistoryOfHugeEvents(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url).WithLimits(3000, 4000), pgtest.Connect(t, url)
	past := eventlog.NewHistory(log)
	for i := range 20 {
		pgtest.Exec(t, conn, `insert into pgherald.events (type, key, data) values ('a', 'k', to_json(repeat('x', $1)))`, 400*i)
	}
	w := &walk{}
	w.begin(t, conn)
	for !w.isDone {
		w.page(t, past, 7)
	}
	if diff := cmp.Diff(w.want, w.got); diff != "" {
		t.Error(diff)
	}
}
