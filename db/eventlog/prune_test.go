package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func count(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select count(*) from pgherald.events`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func prune(t *testing.T, pool *pgxpool.Pool, opts eventlog.PrunerOptions) int64 {
	t.Helper()
	n, err := eventlog.NewPruner(pool, opts).Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func age(t *testing.T, pool *pgxpool.Pool, key string, by time.Duration) {
	t.Helper()
	const sql = `update pgherald.events set at = at - make_interval(secs => $2) where key like $1`
	if _, err := pool.Exec(t.Context(), sql, key, by.Seconds()); err != nil {
		t.Fatal(err)
	}
}

func TestPruneByAge(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	log := eventlog.New(pool, eventlog.Options{})
	start := head(t, log, 0)
	emit(t, pool, "old 1", 5)
	emit(t, pool, "old 2", 50) // more than a chunk
	middle := head(t, log, 0)
	emit(t, pool, "old 3", 5)
	kept := head(t, log, 0)
	emit(t, pool, "new", 5)
	age(t, pool, "old%", 25*time.Hour)

	awaitEnded(t, pool)
	if n := prune(t, pool, eventlog.PrunerOptions{Chunk: 7}); n != 60 {
		t.Errorf("pruned %d events, want 60", n)
	}
	for name, c := range map[string]stream.Cursor{"start": start, "middle": middle} {
		if _, err := log.Read(t.Context(), c); !errors.Is(err, stream.ErrPruned) {
			t.Errorf("%s: got %v, want ErrPruned", name, err)
		}
	}
	if got, _ := collect(t, log, kept); len(got) != 1 || got[0] != "new×5" {
		t.Errorf("got %v", got)
	}
	if n := prune(t, pool, eventlog.PrunerOptions{Chunk: 7}); n != 0 {
		t.Errorf("pruned %d events again", n)
	}
}

// TestPruneOfEverythingKeepsCurrentCursors checks that a cursor at the end of the log survives a prune of
// all events.
func TestPruneOfEverythingKeepsCurrentCursors(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	log := eventlog.New(pool, eventlog.Options{})
	emit(t, pool, "old", 5)
	cursor := head(t, log, 0)
	age(t, pool, "old", 25*time.Hour)
	awaitEnded(t, pool)
	if n := prune(t, pool, eventlog.PrunerOptions{}); n != 5 {
		t.Fatalf("pruned %d events", n)
	}
	emit(t, pool, "new", 2)
	if got, _ := collect(t, log, cursor); len(got) != 1 || got[0] != "new×2" {
		t.Errorf("got %v", got)
	}
	if c := head(t, log, 1000); c.Next() < cursor.Next() {
		t.Errorf("the log starts at %s, below the horizon", c)
	}
}

// TestPruneWaitsForRunningTransactions holds a transaction open that began before the old events. Its
// events must not be pruned before they are read, and a cursor with it as a hole must not be reset.
func TestPruneWaitsForRunningTransactions(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	log := eventlog.New(pool, eventlog.Options{})
	long := pgtest.Begin(t, url)
	emit(t, long, "long", 1)
	emit(t, pool, "old", 5)
	cursor := head(t, log, 0)
	age(t, pool, "old", 25*time.Hour)
	if n := prune(t, pool, eventlog.PrunerOptions{}); n != 0 {
		t.Errorf("pruned %d events above a running transaction", n)
	}
	pgtest.Commit(t, long)
	if got, _ := collect(t, log, cursor); len(got) != 1 || got[0] != "long×1" {
		t.Errorf("got %v", got)
	}
}

func TestPruneBySize(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	for i := range 100 {
		emit(t, pool, fmt.Sprint(i), 10)
	}
	n := prune(t, pool, eventlog.PrunerOptions{MaxBytes: 50_000, Chunk: 100})
	left := count(t, pool)
	if int(n)+left != 1000 || left < 100 || left > 600 {
		t.Errorf("pruned %d events, %d remain", n, left)
	}
}

// TestOnlyOneServerPrunes checks also that a turn that was skipped does not count as a prune that is done.
func TestOnlyOneServerPrunes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	emit(t, pool, "old", 5)
	age(t, pool, "old", 25*time.Hour)
	other := pgtest.Begin(t, url)
	if err := db.Lock(t.Context(), other, db.PruneLock, time.Minute); err != nil {
		t.Fatal(err)
	}
	pruner := eventlog.NewPruner(pool, eventlog.PrunerOptions{})
	expect := func(want int64, pruned, skipped uint64, done bool) {
		t.Helper()
		n, err := pruner.Prune(t.Context())
		if s := pruner.Status(); err != nil || n != want || s.Pruned != pruned || s.Skipped != skipped || s.Last.IsZero() == done {
			t.Errorf("pruned %d, %v; status %+v", n, err, s)
		}
	}
	expect(0, 0, 1, false)
	expect(0, 0, 2, false)
	pgtest.Rollback(t, other)
	awaitEnded(t, pool)
	expect(5, 5, 2, true)
}

// TestPruneWithoutItsLock checks that a lock that does not exist is an error, not a turn of another server.
func TestPruneWithoutItsLock(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, url), `delete from pgherald.locks`)
	pruner := eventlog.NewPruner(openPool(t, url), eventlog.PrunerOptions{})
	_, err := pruner.Prune(t.Context())
	if s := pruner.Status(); err == nil || !strings.Contains(err.Error(), "insert into pgherald.locks values ('prune')") || s.Failures != 1 || s.Skipped != 0 {
		t.Errorf("%v, status %+v", err, s)
	}
}

// TestPruneIgnoresStatementTimeout checks that the session's statement timeout, which a delete of a large transaction may exceed, does
// not apply to it.
func TestPruneIgnoresStatementTimeout(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, err := db.OpenLogPool(t.Context(), url, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	emit(t, pool, "old", 5)
	age(t, pool, "old", 25*time.Hour)
	if _, err := pool.Exec(t.Context(), `
		create function public.check_timeout() returns trigger language plpgsql as $$
		begin
			if current_setting('statement_timeout') <> '0' then
				raise exception 'the delete has a statement_timeout of %', current_setting('statement_timeout');
			end if;
			return null;
		end $$;
		create trigger check_timeout before delete on pgherald.events for each statement execute function public.check_timeout();
		set statement_timeout = '1h'`); err != nil {
		t.Fatal(err)
	}
	awaitEnded(t, pool)
	if n := prune(t, pool, eventlog.PrunerOptions{}); n != 5 {
		t.Errorf("pruned %d events, want 5", n)
	}
}

// A connection that dies while the pruner uses it does not end pruning.
func TestPruneWithoutAnswer(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, databaseURL)
	pool := openPool(t, proxy.URL(databaseURL))
	emit(t, pool, "old", 5)
	age(t, pool, "old%", 2*time.Hour)
	pruner := eventlog.NewPruner(pool, eventlog.PrunerOptions{MaxAge: time.Hour})
	pruner.SetLimit(50 * time.Millisecond)
	proxy.Blackhole(true)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := pruner.Prune(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("prune without an answer: %v", err)
	}
	proxy.Blackhole(false)
	pruner.SetLimit(time.Minute)
	awaitEnded(t, openPool(t, databaseURL))
	if n, err := pruner.Prune(t.Context()); err != nil || n != 5 {
		t.Errorf("pruned %d events, %v; want 5", n, err)
	}
}

// A chunk that takes longer than its limit is deleted all the same: each attempt has twice as long.
func TestPruneOfALongChunk(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	emit(t, pool, "old", 5)
	age(t, pool, "old%", 2*time.Hour)
	if _, err := pool.Exec(t.Context(), `
		create function public.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return null; end $$;
		create trigger slow before delete on pgherald.events for each statement execute function public.slow()`); err != nil {
		t.Fatal(err)
	}
	awaitEnded(t, pool)
	pruner := eventlog.NewPruner(pool, eventlog.PrunerOptions{MaxAge: time.Hour})
	pruner.SetLimit(100 * time.Millisecond)
	for pruner.Status().Failures < 20 {
		skipped := pruner.Status().Skipped
		n, err := pruner.Prune(t.Context())
		if err != nil || pruner.Status().Skipped > skipped {
			continue // PostgreSQL has not ended the attempt before, which holds the lock
		}
		if n != 5 {
			t.Errorf("pruned %d events, want 5", n)
		}
		return
	}
	t.Error("a chunk that takes 0.3 s was never deleted")
}
