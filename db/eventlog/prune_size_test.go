package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
)

// roomFor returns the bytes of the newest n transactions and of the whole log.
func roomFor(t *testing.T, pool *pgxpool.Pool, n int) (newest, all int64) {
	t.Helper()
	const sql = `
		select coalesce(sum(x.bytes) filter (where x.place <= $1), 0)::bigint, coalesce(sum(x.bytes), 0)::bigint
		from (
			select
				dense_rank() over (order by xid desc) as place,
				80 + pg_column_size(type) + coalesce(pg_column_size(key), 0) + coalesce(pg_column_size(audience), 0) + pg_column_size(data)
				+ coalesce(pg_column_size(was), 0) + coalesce(pg_column_size(audience_was), 0) as bytes
			from pgherald.events
		) as x`
	if err := pool.QueryRow(t.Context(), sql, n).Scan(&newest, &all); err != nil {
		t.Fatal(err)
	}
	return newest, all
}

// keys returns the keys of the log in order, each once.
func keys(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select key from pgherald.events group by xid, key order by xid, key`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// awaitEnded waits until every transaction has ended that is older than an event: those of other databases count.
func awaitEnded(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	const sql = `select not exists (select from pgherald.events where xid >= pg_snapshot_xmin(pg_current_snapshot()))`
	for ended := false; !ended; {
		if err := pool.QueryRow(t.Context(), sql).Scan(&ended); err != nil {
			t.Fatal(err)
		}
	}
}

// emitSized appends an event with a payload that PostgreSQL cannot compress.
func emitSized(t *testing.T, pool *pgxpool.Pool, key string, bytes int) {
	t.Helper()
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte('!' + 2 + rand.IntN(57)) // neither " nor \
	}
	if _, err := pool.Exec(t.Context(), `insert into pgherald.events (type, key, data) values ('a', $1, to_json($2::text))`, key, string(b)); err != nil {
		t.Fatal(err)
	}
}

func rollBack(t *testing.T, url string, n int) {
	t.Helper()
	tx := pgtest.Begin(t, url)
	emit(t, tx, "rolled back", n)
	pgtest.Rollback(t, tx)
}

// pruneBySizeCases are logs in which ids, the size of the files, or the newest events say nothing about the size of
// the events. Each writes transactions, whose events have one key each.
var pruneBySizeCases = map[string]func(t *testing.T, url string, pool *pgxpool.Pool){
	"rolled-back bulk": func(t *testing.T, url string, pool *pgxpool.Pool) {
		for i := range 20 {
			emit(t, pool, fmt.Sprint("before ", i), 5)
		}
		rollBack(t, url, 20_000)
		emit(t, pool, "after", 1)
	},
	"gaps in ids": func(t *testing.T, _ string, pool *pgxpool.Pool) {
		for i := range 30 {
			emit(t, pool, fmt.Sprint(i), 3)
			if _, err := pool.Exec(t.Context(), `select setval(pg_get_serial_sequence('pgherald.events', 'id'), (10 ^ (i / 3))::bigint + (select max(id) from pgherald.events)) from (select $1::int as i) as x`, i); err != nil {
				t.Fatal(err)
			}
		}
	},
	"uneven sizes": func(t *testing.T, _ string, pool *pgxpool.Pool) {
		for i := range 60 {
			emit(t, pool, fmt.Sprint("small ", i), 50)
			if i%20 == 10 {
				emitSized(t, pool, fmt.Sprint("large ", i), 4<<20)
			}
		}
	},
	"large ones first": func(t *testing.T, _ string, pool *pgxpool.Pool) {
		for i := range 5 {
			emitSized(t, pool, fmt.Sprint("large ", i), 1<<20)
		}
		for i := range 30 {
			emit(t, pool, fmt.Sprint(i), 1)
		}
	},
	"compressed": func(t *testing.T, _ string, pool *pgxpool.Pool) {
		const sql = `insert into pgherald.events (type, key, audience, data) values ('a', $1, '{x,y}', to_json(repeat('x', $2)))`
		for i := range 40 {
			if _, err := pool.Exec(t.Context(), sql, fmt.Sprint(i), 1<<(i/2)); err != nil {
				t.Fatal(err)
			}
		}
	},
	"long transactions": func(t *testing.T, _ string, pool *pgxpool.Pool) {
		for i := range 12 {
			emit(t, pool, fmt.Sprint(i), 1+400*(i%3))
		}
	},
}

// TestPruneKeepsWhatTheLimitHasRoomFor gives a log room for exactly its newest transactions. These remain, and no
// others, whatever the size of a chunk.
func TestPruneKeepsWhatTheLimitHasRoomFor(t *testing.T) {
	for name, write := range pruneBySizeCases {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			pool := openPool(t, url)
			write(t, url, pool)
			// Two servers, which take turns, with pages of different sizes.
			pruners := make([]*eventlog.Pruner, 2)
			for all := keys(t, pool); len(all) > 0; {
				room := rand.IntN(len(all) + 1)
				limit, size := roomFor(t, pool, room)
				for i, chunk := range []int{7, 100} {
					if pruners[i] == nil {
						pruners[i] = eventlog.NewPruner(pool, eventlog.PrunerOptions{Chunk: chunk})
					}
					pruners[i].SetMaxBytes(max(1, limit))
				}
				awaitEnded(t, pool)
				if _, err := pruners[rand.IntN(2)].Prune(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := all[len(all)-room:]
				if got := keys(t, pool); strings.Join(got, ",") != strings.Join(want, ",") {
					t.Fatalf("with room for %d of %d transactions (%d of %d bytes) remain %d: %q", room, len(all), limit, size, len(got), got)
				}
				all = want
			}
		})
	}
}

// TestPruneOfTheIssue is the log of issue 15: with room for 1,000 events, a rolled-back write of 100,000 emptied it.
func TestPruneOfTheIssue(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	emit(t, pool, "before", 100)
	rollBack(t, url, 100_000)
	emit(t, pool, "after", 1)
	if n := prune(t, pool, eventlog.PrunerOptions{MaxBytes: 100_000}); n != 0 || count(t, pool) != 101 {
		t.Errorf("pruned %d of 101 events", n)
	}
}

// TestPruneMeasuresNewEvents keeps one pruner, which counts only what is new, while the log is pruned, reset and
// truncated by others.
func TestPruneMeasuresNewEvents(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	conn := pgtest.Connect(t, url)
	const limit = 40_000
	mine := eventlog.NewPruner(pool, eventlog.PrunerOptions{Chunk: 20, MaxBytes: limit})
	for i := range 40 {
		emit(t, pool, fmt.Sprint(i), 1+rand.IntN(100))
		switch rand.IntN(8) {
		case 0:
			prune(t, pool, eventlog.PrunerOptions{Chunk: 20, MaxBytes: limit / 2})
		case 1:
			age(t, pool, fmt.Sprint(max(0, i-3)), 25*time.Hour)
			prune(t, pool, eventlog.PrunerOptions{Chunk: 1})
		case 2:
			pgtest.Exec(t, conn, `truncate pgherald.events; update pgherald.log set id = gen_random_uuid()`)
		case 3:
			pgtest.Exec(t, conn, `truncate pgherald.events`)
		case 4:
			pgtest.Exec(t, conn, `vacuum full pgherald.events`)
		}
		awaitEnded(t, pool)
		before := keys(t, pool)
		if _, err := mine.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := keys(t, pool)
		if _, bytes := roomFor(t, pool, 0); bytes > limit {
			t.Fatalf("step %d: %d bytes remain", i, bytes)
		}
		if deleted := len(before) - len(after); deleted > 0 && strings.Join(before[deleted:], ",") != strings.Join(after, ",") {
			t.Fatalf("step %d: %q of %q remain", i, after, before)
		}
		if n, err := mine.Prune(t.Context()); err != nil || n != 0 {
			t.Fatalf("step %d: pruned %d events again, %v", i, n, err)
		}
	}
}

// TestPruneDoesNotCountFiles deletes most of a log, which changes nothing about its files.
func TestPruneDoesNotCountFiles(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	emit(t, pool, "old", 50_000)
	emit(t, pool, "new", 1000)
	age(t, pool, "old", 25*time.Hour)
	awaitEnded(t, pool)
	opts := eventlog.PrunerOptions{MaxBytes: 200_000}
	if n := prune(t, pool, opts); n != 50_000 {
		t.Errorf("pruned %d events", n)
	}
	for range 3 {
		if n := prune(t, pool, opts); n != 0 {
			t.Errorf("pruned %d events of the size of the files", n)
		}
	}
}
