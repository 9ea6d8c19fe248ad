package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

func openLog(t *testing.T, url string) *eventlog.Log {
	t.Helper()
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return eventlog.New(pool, eventlog.Options{})
}

// emit writes n events as one statement of a transaction.
func emit(t *testing.T, tx interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, key string, n int,
) {
	t.Helper()
	const sql = `insert into pgherald.events (type, key, data) select 'a', $1, to_json(i) from generate_series(1, $2) as i`
	if _, err := tx.Exec(t.Context(), sql, key, n); err != nil {
		t.Fatal(err)
	}
}

// collect reads everything that the cursor has not seen and returns "key×events" for each transaction.
func collect(t *testing.T, log *eventlog.Log, from stream.Cursor) ([]string, stream.Cursor) {
	t.Helper()
	got, cursor, err := tryCollect(t.Context(), log, from)
	if err != nil {
		t.Fatal(err)
	}
	return got, cursor
}

func tryCollect(ctx context.Context, log *eventlog.Log, from stream.Cursor) ([]string, stream.Cursor, error) {
	r, err := log.Read(ctx, from)
	if err != nil {
		return nil, from, err
	}
	var got []string
	key, n, last := "", 0, int64(0)
	for {
		tx, err := r.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			return got, r.Cursor(), nil
		}
		if err != nil {
			return got, from, err
		}
		for _, e := range tx.Events {
			if e.ID <= last {
				return got, from, fmt.Errorf("event %d after %d in one transaction", e.ID, last)
			}
			key, last, n = e.Key, e.ID, n+1
		}
		if !tx.More {
			got = append(got, fmt.Sprintf("%s×%d", key, n))
			key, n, last = "", 0, 0
			if !tx.Cursor.Seen(tx.XID) {
				return got, from, fmt.Errorf("cursor %s has not seen %d", tx.Cursor, tx.XID)
			}
		}
	}
}

func head(t *testing.T, log *eventlog.Log, events int) stream.Cursor {
	t.Helper()
	c, err := log.Tail(t.Context(), events, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sizesOfReads runs a test with one page, with many, with parts of transactions, and with short plans.
var sizesOfReads = map[string]func(*eventlog.Log) *eventlog.Log{
	"one page":    func(l *eventlog.Log) *eventlog.Log { return l },
	"pages":       func(l *eventlog.Log) *eventlog.Log { return l.WithSizes(10, 1000, 1<<20) },
	"parts":       func(l *eventlog.Log) *eventlog.Log { return l.WithSizes(2, 1000, 1) },
	"short plans": func(l *eventlog.Log) *eventlog.Log { return l.WithSizes(3, 2, 100) },
}

func TestReadYieldsCommitsOutOfOrder(t *testing.T) {
	for name, sized := range sizesOfReads {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log := sized(openLog(t, url))
			start := head(t, log, 0)
			a, b, c, d := pgtest.Begin(t, url), pgtest.Begin(t, url), pgtest.Begin(t, url), pgtest.Begin(t, url)
			emit(t, a, "a", 3) // the lowest xid, the last to commit
			emit(t, b, "b", 2)
			emit(t, c, "c", 1)
			emit(t, d, "d", 7)
			emit(t, b, "b", 4)
			pgtest.Commit(t, b)
			pgtest.Rollback(t, c)

			got, cursor := collect(t, log, start)
			if diff := cmp.Diff([]string{"b×6"}, got); diff != "" {
				t.Fatal(diff)
			}
			if n := len(cursor.Holes()); n != 1 { // a is open below b; d is above, c has ended
				t.Fatalf("got cursor %v with %d holes, want 1", cursor, n)
			}
			e := pgtest.Begin(t, url)
			emit(t, e, "e", 5)
			pgtest.Commit(t, e)
			pgtest.Commit(t, d)
			pgtest.Commit(t, a)
			got, cursor = collect(t, log, cursor)
			if diff := cmp.Diff([]string{"a×3", "d×7", "e×5"}, got); diff != "" {
				t.Fatal(diff)
			}
			if got, _ := collect(t, log, cursor); got != nil {
				t.Fatalf("got %v again", got)
			}
			all, _ := collect(t, log, start)
			if diff := cmp.Diff([]string{"a×3", "d×7", "b×6", "e×5"}, all); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestReadConcurrently reads from random earlier cursors while writers commit out of order, and
// compares what each chain of reads got with the table.
func TestReadConcurrently(t *testing.T) {
	for name, sized := range sizesOfReads {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log := sized(openLog(t, url))
			start := head(t, log, 0)
			var writers sync.WaitGroup
			for w := range 8 {
				writers.Go(func() { writeAtRandom(t, url, w) })
			}
			done := make(chan struct{})
			go func() { writers.Wait(); close(done) }()
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() { readUntil(t, log, start, done, url) })
			}
			readers.Wait()
		})
	}
}

func writeAtRandom(t *testing.T, url string, w int) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	for i := range 40 {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for range 1 + rand.IntN(3) {
			emit(t, tx, fmt.Sprintf("%d.%d", w, i), 1+rand.IntN(6))
		}
		if rand.IntN(4) == 0 {
			err = tx.Rollback(t.Context())
		} else {
			err = tx.Commit(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func readUntil(t *testing.T, log *eventlog.Log, cursor stream.Cursor, done <-chan struct{}, url string) {
	seen := make(map[string]int)
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		var err error
		if cursor, err = stream.ParseCursor(cursor.String()); err != nil {
			t.Error(err)
			return
		}
		got, next, err := tryCollect(t.Context(), log, cursor)
		if err != nil {
			t.Error(err)
			return
		}
		for _, g := range got {
			seen[g]++
		}
		cursor = next
		if last {
			break
		}
	}
	conn := pgtest.Connect(t, url)
	rows, _ := conn.Query(t.Context(), `select key || '×' || count(*) from pgherald.events group by key`)
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Error(err)
	}
	for _, w := range want {
		if seen[w] != 1 {
			t.Errorf("%s was read %d times", w, seen[w])
		}
		delete(seen, w)
	}
	if len(seen) > 0 {
		t.Errorf("read %v, which is not in the table", seen)
	}
}

func TestTail(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	if c := head(t, log, 100); c.Next() != 0 {
		t.Fatalf("an empty log starts at %s", c)
	}
	conn := pgtest.Connect(t, url)
	for i := range 10 {
		emit(t, conn, fmt.Sprint(i), 3)
	}
	for events, want := range map[int]int{0: 0, 1: 0, 3: 1, 5: 1, 6: 2, 29: 9, 1000: 10} {
		got, _ := collect(t, log, head(t, log, events))
		if len(got) != want {
			t.Errorf("%d events back: got %d transactions, want %d", events, len(got), want)
		}
	}
}

func TestReadRefusesCursors(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	emit(t, pgtest.Connect(t, url), "a", 1)
	now := head(t, log, 0)
	for name, test := range map[string]struct {
		cursor stream.Cursor
		want   error
	}{
		"other log":   {stream.NewCursor("other", now.Next(), nil), stream.ErrOtherLog},
		"from future": {stream.NewCursor(now.Epoch(), now.Next()+1_000_000, nil), stream.ErrFuture},
	} {
		if _, err := log.Read(t.Context(), test.cursor); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	other := openLog(t, pgtest.NewDatabase(t))
	if _, err := other.Read(t.Context(), now); !errors.Is(err, stream.ErrOtherLog) {
		t.Errorf("another database: got %v", err)
	}
	pgtest.Exec(t, pgtest.Connect(t, url), `drop schema pgherald cascade`)
	if _, err := log.Read(t.Context(), now); err == nil || !strings.Contains(err.Error(), "pgherald migrate up") {
		t.Errorf("without a schema: got %v", err)
	}
}

func TestReadTransaction(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url).WithSizes(4, 10, 1000)
	emit(t, pgtest.Connect(t, url), "a", 20)
	from := head(t, log, 1000)
	r, err := log.Read(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.Next(t.Context(), stream.Interest{Everything: true})
	if err != nil || !first.More {
		t.Fatalf("got %+v, %v", first, err)
	}
	rest, err := log.ReadTransaction(t.Context(), from.Epoch(), first.XID, first.Events[len(first.Events)-1].ID)
	if err != nil {
		t.Fatal(err)
	}
	n := len(first.Events)
	for {
		tx, err := rest.Next(t.Context(), stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(tx.Events)
	}
	if n != 20 {
		t.Fatalf("got %d events in all", n)
	}
}

// TestShortPlanKeepsHolesBelowTheCursor covers a hole that is above everything a short plan chose and
// still below the cursor: dropping it would lose its transaction.
func TestShortPlanKeepsHolesBelowTheCursor(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url).WithSizes(1, 1, 1<<20)
	low, high, above := pgtest.Begin(t, url), pgtest.Begin(t, url), pgtest.Begin(t, url)
	for _, tx := range []pgx.Tx{low, high} {
		if _, err := tx.Exec(t.Context(), `select pg_current_xact_id()`); err != nil {
			t.Fatal(err)
		}
	}
	emit(t, above, "above", 1)
	pgtest.Commit(t, above)
	_, cursor := collect(t, log, head(t, log, 1000))
	emit(t, low, "low", 3)
	emit(t, high, "high", 3)
	pgtest.Commit(t, low)
	pgtest.Commit(t, high)
	got, _ := collect(t, log, cursor)
	if diff := cmp.Diff([]string{"low×3", "high×3"}, got); diff != "" {
		t.Fatal(diff)
	}
}

// TestReadAudiences checks that null tags are dropped, and that an array without tags stays different
// from a null array, which admits every client.
func TestReadAudiences(t *testing.T) {
	for name, sized := range sizesOfReads {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log := sized(openLog(t, url))
			start := head(t, log, 0)
			const sql = `
				insert into pgherald.events (type, audience, data)
				values ('a', null, '1'), ('a', '{}', '1'), ('a', '{null}', '1'), ('a', '{x,null,y}', '1'), ('a', '{{x},{y}}', '1')`
			pgtest.Exec(t, pgtest.Connect(t, url), sql)
			r, err := log.Read(t.Context(), start)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := log.Check(t.Context(), start); got != -1 || err != nil {
				t.Errorf("got %d events, %v, want -1: the number each client receives is unknown", got, err)
			}
			var got [][]string
			for {
				tx, err := r.Next(t.Context(), stream.Interest{Everything: true})
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range tx.Events {
					got = append(got, e.Audience)
				}
			}
			if diff := cmp.Diff([][]string{nil, {}, {}, {"x", "y"}, {"x", "y"}}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
