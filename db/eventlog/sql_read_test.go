package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// sqlEvent is a row of events_since.
type sqlEvent struct {
	ID     int64
	XID    string
	Type   string
	Key    *string
	Cursor *string
}

const eventsSinceSQL = `select e.id, e.xid, e.type, e.key, e.cursor from pgherald.events_since($1, $2, $3) as e`

// windowSQL is events_since with windows of 4 × max events.
const windowSQL = `
select e.id, e.xid, e.type, e.key, e.cursor
from pgherald.parse_cursor($1) as c
cross join lateral pgherald.read_after(c.next, c.holes, $2, $3, '', 1) as e
where e.id is not null`

func eventsSince(t *testing.T, conn *pgx.Conn, since string, types []string, max int) []sqlEvent {
	t.Helper()
	return eventsOf(t, conn, eventsSinceSQL, since, types, max)
}

func eventsOf(t *testing.T, conn *pgx.Conn, sql, since string, types []string, max int) []sqlEvent {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, since, types, max)
	if err != nil {
		t.Fatal(err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sqlEvent])
	if err != nil {
		t.Fatalf("since %s: %v", since, err)
	}
	return events
}

// describe returns "XID: IDS CURSOR" for each transaction. The position in the write-ahead log is not part of the set.
func describe(t *testing.T, events []sqlEvent) (out []string, last string) {
	t.Helper()
	line := ""
	for _, e := range events {
		if line == "" {
			line = e.XID + ":"
		}
		if !strings.HasPrefix(line, e.XID+":") {
			t.Fatalf("an event of %s among those of %s", e.XID, line)
		}
		line += fmt.Sprintf(" %d", e.ID)
		if e.Cursor != nil {
			out, line, last = append(out, line+" "+withoutLSN(t, *e.Cursor)), "", *e.Cursor
		}
	}
	if line != "" {
		t.Fatalf("the transaction %s has no cursor", line)
	}
	return out, last
}

func withoutLSN(t *testing.T, text string) string {
	t.Helper()
	c, err := stream.ParseCursor(text)
	if err != nil {
		t.Fatal(err)
	}
	return c.WithLSN(0).String()
}

// readInGo describes what package eventlog reads after the cursor. It joins the parts of a transaction.
func readInGo(t *testing.T, log *eventlog.Log, from stream.Cursor) (out []string, end stream.Cursor) {
	t.Helper()
	r, err := log.Read(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	for ids := ""; ; {
		tx, err := r.Next(t.Context(), stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			return out, r.Cursor()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tx.Events {
			ids += fmt.Sprintf(" %d", e.ID)
		}
		if !tx.More {
			out, ids = append(out, fmt.Sprintf("%d:%s %s", tx.XID, ids, tx.Cursor.WithLSN(0))), ""
		}
	}
}

// history is a random sequence of steps of overlapping transactions, with savepoints and rollbacks.
type history struct {
	*testing.T
	r    *rand.Rand
	url  string
	open []pgx.Tx
}

func (h *history) step() {
	h.Helper()
	switch n := h.r.IntN(10); {
	case len(h.open) == 0 || n < 2 && len(h.open) < 6:
		h.open = append(h.open, pgtest.Begin(h.T, h.url))
	case n < 7:
		h.write(h.open[h.r.IntN(len(h.open))])
	default:
		i := h.r.IntN(len(h.open))
		if h.r.IntN(4) == 0 {
			pgtest.Rollback(h.T, h.open[i])
		} else {
			pgtest.Commit(h.T, h.open[i])
		}
		h.open = slices.Delete(h.open, i, i+1)
	}
}

func (h *history) write(tx pgx.Tx) {
	h.Helper()
	const sql = `insert into pgherald.events (type, key, data) select $1, $2, '1' from generate_series(1, $3::int)`
	insert := func() {
		if _, err := tx.Exec(h.Context(), sql, string(rune('a'+h.r.IntN(3))), fmt.Sprint(h.r.IntN(5)), 1+h.r.IntN(4)); err != nil {
			h.Fatal(err)
		}
	}
	if h.r.IntN(3) > 0 {
		insert()
		return
	}
	name := []string{"savepoint s", "release savepoint s"}
	if h.r.IntN(2) == 0 {
		name[1] = "rollback to savepoint s"
	}
	for i, sql := range name {
		if _, err := tx.Exec(h.Context(), sql); err != nil {
			h.Fatal(err)
		}
		if i == 0 {
			insert()
		}
	}
}

func (h *history) end() {
	for _, tx := range h.open {
		pgtest.Rollback(h.T, tx)
	}
}

// TestSQLReadsWhatServersRead runs random histories. At random moments, it reads with package eventlog and with
// events_since, in pages of a random size, and compares transactions, events and cursors.
func TestSQLReadsWhatServersRead(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log, conn := openLog(t, url), pgtest.Connect(t, url)
			short := log.WithSizes(3, 2, 100)
			h := &history{T: t, r: rand.New(rand.NewPCG(seed, 1)), url: url}
			defer h.end()
			cursors := []stream.Cursor{head(t, log, 0)}
			for range 40 {
				for range 1 + h.r.IntN(12) {
					h.step()
				}
				pgtest.Exec(t, conn, `select pgherald.mark($1)`, h.r.IntN(20))
				from := cursors[h.r.IntN(len(cursors))]
				if h.r.IntN(2) == 0 {
					from = cursors[len(cursors)-1]
				}
				want, end := readInGo(t, log, from)
				if planned, _ := readInGo(t, short, from); !cmp.Equal(want, planned) { // in windows, by marks
					t.Fatalf("since %s in windows (- at once, + planned):\n%s", from, cmp.Diff(want, planned))
				}
				comparePages(h, conn, from, want)
				compareTypes(t, conn, from)
				compareSnapshots(t, log, conn)
				cursors = append(cursors, end)
			}
			checkMarks(t, conn)
		})
	}
}

// comparePages reads pages until there is nothing more. A chain of cursors of pages reads the same as one read: the
// transactions in another page may come in another order only if they committed since, and none does.
func comparePages(h *history, conn *pgx.Conn, from stream.Cursor, want []string) {
	h.Helper()
	max := []int{1, 3, 10, 1000}[h.r.IntN(4)]
	sql := []string{eventsSinceSQL, windowSQL}[h.r.IntN(2)]
	var got []string
	for since := from.String(); ; {
		events := eventsOf(h.T, conn, sql, since, nil, max)
		if len(events) == 0 {
			break
		}
		var page []string
		page, since = describe(h.T, events)
		if len(events) > max && len(page) > 1 {
			h.Fatalf("%d events of %d transactions in a page of %d", len(events), len(page), max)
		}
		got = append(got, page...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.Fatalf("since %s in pages of %d (- Go, + SQL):\n%s", from, max, diff)
	}
}

// compareTypes checks that a filter leaves out events and nothing else, and that the last cursor is behind what it left
// out at the end.
func compareTypes(t *testing.T, conn *pgx.Conn, from stream.Cursor) {
	t.Helper()
	var want, got []int64
	all := eventsSince(t, conn, from.String(), nil, 1000)
	for _, e := range all {
		if e.Type == "b" {
			want = append(want, e.ID)
		}
	}
	last := from.String()
	for i := 0; ; i++ {
		events := eventsOf(t, conn, []string{eventsSinceSQL, windowSQL}[i%2], last, []string{"b", "none"}, 2)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			got = append(got, e.ID)
		}
		_, last = describe(t, events)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("of one type:\n%s", diff)
	}
	if len(got) > 0 {
		for _, e := range eventsSince(t, conn, last, nil, 1000) { // of a window beyond the last one that has the type
			if e.Type == "b" {
				t.Fatalf("the event %d comes again", e.ID)
			}
		}
	}
}

// compareSnapshots compares pgherald.cursor() with the cursor of a list, in one transaction each.
func compareSnapshots(t *testing.T, log *eventlog.Log, conn *pgx.Conn) {
	t.Helper()
	var got string
	var want stream.Cursor
	err := pgx.BeginTxFunc(t.Context(), conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) (err error) {
		if want, err = log.SnapshotCursor(t.Context(), tx); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), `select pgherald.cursor()`).Scan(&got)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := withoutLSN(t, got); got != want.WithLSN(0).String() {
		t.Fatalf("cursor() is %s, that of a list %s", got, want.WithLSN(0))
	}
}

// checkMarks checks that each event of a transaction from a mark on has a higher id than the mark says.
func checkMarks(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if n := queryText(t, conn, `select count(*)::text from pgherald.marks`); n == "0" {
		t.Error("no marks were written")
	}
	if wrong := queryText(t, conn, `
		select count(*)::text from pgherald.marks as m inner join pgherald.events as e on e.xid >= m.xid and e.id <= m.id`); wrong != "0" {
		t.Errorf("%s events have lower ids than a mark says", wrong)
	}
}

// TestSQLReadsConcurrently reads with events_since while writers commit, also in snapshots that last, and compares
// what each chain of pages got with the table.
func TestSQLReadsConcurrently(t *testing.T) {
	url := pgtest.NewDatabase(t)
	var writers, readers sync.WaitGroup
	start := queryText(t, pgtest.Connect(t, url), `select pgherald.cursor()`)
	for w := range 6 {
		writers.Go(func() { writeAtRandom(t, url, w) })
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	got := make([][]int64, 3)
	for i, max := range []int{1, 7, 500} {
		readers.Go(func() { got[i] = chainOfPages(t, url, start, max, done) })
	}
	readers.Wait()
	rows, _ := pgtest.Connect(t, url).Query(t.Context(), `select id from pgherald.events order by id`)
	want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range got {
		slices.Sort(ids)
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Error(diff)
		}
	}
}

func chainOfPages(t *testing.T, url, since string, max int, done <-chan struct{}) (ids []int64) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close(context.Background())
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		rows, _ := conn.Query(t.Context(), eventsSinceSQL, since, nil, max)
		events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sqlEvent])
		if err != nil {
			t.Error(err)
			return nil
		}
		for _, e := range events {
			ids = append(ids, e.ID)
			if e.Cursor != nil {
				since = *e.Cursor
			}
		}
		if last && len(events) == 0 {
			return ids
		}
	}
}
