package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// countsOf counts as a client does.
func countsOf(t *testing.T, log stream.CountingLog, params map[string][]string, grants []string, from time.Time) stream.Counts {
	t.Helper()
	filter, err := stream.ParseFilter(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := stream.CountHistory(t.Context(), log, stream.CountQuery{Filter: filter.WithGrants(grants), From: from, Step: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// TestCountsEqualSQL writes events over ten minutes with random audiences, and compares counts with a GROUP BY.
func TestCountsEqualSQL(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	past := eventlog.NewHistory(openLog(t, url))
	r := rand.New(rand.NewPCG(3, 5))
	for i := range 200 {
		pgtest.Exec(t, conn, `insert into pgherald.events (type, key, audience, at, data)
			select $1, $2, $3, clock_timestamp() - make_interval(secs => $4), '1' from generate_series(1, $5::int)`,
			string(rune('a'+r.IntN(3))), fmt.Sprint(r.IntN(5)), [][]string{nil, {"a"}, {"b"}, {}, {"*", "b"}}[r.IntN(5)], float64(3*(200-i)), 1+r.IntN(3))
	}
	pgtest.Exec(t, conn, `insert into pgherald.events (type, at, data) values ('late', 'infinity', '1'), ('early', '-infinity', '1'), (repeat('x', 2000), clock_timestamp(), '1')`)
	for _, from := range []time.Time{time.Now().Add(-5 * time.Minute), time.Now().Add(-time.Hour)} {
		from = stream.StepOf(from, 10*time.Second)
		for _, types := range [][]string{nil, {"a", "other"}} {
			var want []stream.Bucket
			rows, err := conn.Query(t.Context(), `
				select to_timestamp(floor(extract(epoch from e.at) / 10) * 10), case when length(e.type) > 100 then 'other' else e.type end, count(*)
				from pgherald.events as e
				where e.at >= $1 and e.at < 'infinity' and ($2::text[] is null or e.type = any($2)) and (e.audience is null or e.audience && '{*,a}')
				group by 1, 2 order by 1, 2`, from, types)
			if err != nil {
				t.Fatal(err)
			}
			want, err = pgx.CollectRows(rows, pgx.RowToStructByPos[stream.Bucket])
			if err != nil {
				t.Fatal(err)
			}
			params := map[string][]string{}
			if types != nil {
				params["types"] = types
			}
			got := countsOf(t, past, params, []string{"a"}, from)
			if diff := cmp.Diff(want, got.Buckets); diff != "" || !got.From.Equal(from) || len(want) == 0 {
				t.Errorf("since %s, types %v: from %s (- SQL, + counts):\n%s", from, types, got.From, diff)
			}
		}
	}
}

// TestCountsSayWhereTheyBegin counts in a log that has lost its beginning.
func TestCountsSayWhereTheyBegin(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	past := eventlog.NewHistory(openLog(t, url))
	for i := range 20 {
		pgtest.Exec(t, conn, `insert into pgherald.events (type, at, data) values ('a', clock_timestamp() - make_interval(secs => $1), '1')`, float64(600-30*i))
	}
	from := stream.StepOf(time.Now().Add(-time.Hour), 10*time.Second)
	if got := countsOf(t, past, nil, nil, from); !got.From.Equal(from) || len(got.Buckets) != 20 {
		t.Errorf("of a whole log: from %s, %d steps", got.From, len(got.Buckets))
	}
	pgtest.Exec(t, conn, `with old as (delete from pgherald.events where at < clock_timestamp() - interval '5 minutes' returning xid)
		update pgherald.log set pruned_below = (select xid from old order by xid desc limit 1)`)
	if got := countsOf(t, past, nil, nil, from); time.Since(got.From) > 5*time.Minute || len(got.Buckets) == 0 {
		t.Errorf("of a log that was pruned: from %s, %d steps", got.From, len(got.Buckets))
	}
}

// TestCountsInAnotherEncoding counts with keys and grants, some of which the database cannot hold.
func TestCountsInAnotherEncoding(t *testing.T) {
	url := pgtest.EncodedDatabase(t, "WIN1252")
	past := eventlog.NewHistory(openLog(t, url))
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `set client_encoding = utf8`)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, key, audience, data) values
		('a', 'é', null, '1'), ('a', 'x', '{é}', '1'), ('a', 'x', '{other}', '1'), ('b', 'y', null, '1')`)
	from := stream.StepOf(time.Now().Add(-time.Minute), 10*time.Second)
	for _, test := range []struct {
		keys []string
		want int64
	}{{nil, 3}, {[]string{"é", "x", "日本"}, 2}, {[]string{"日本"}, 0}} {
		params := map[string][]string{}
		if test.keys != nil {
			params["key"] = test.keys
		}
		sum := int64(0)
		for _, b := range countsOf(t, past, params, []string{"é", "日本"}, from).Buckets {
			sum += b.Events
		}
		if sum != test.want {
			t.Errorf("with the keys %q: %d events, want %d", test.keys, sum, test.want)
		}
	}
}

// TestCountsOfAnEmptiedLog counts in a log of which nothing is left: what it had is not known.
func TestCountsOfAnEmptiedLog(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	past := eventlog.NewHistory(openLog(t, url))
	from := stream.StepOf(time.Now().Add(-time.Hour), 10*time.Second)
	if got := countsOf(t, past, nil, nil, from); !got.From.Equal(from) {
		t.Errorf("a log that has lost nothing: since %s, want %s", got.From, from)
	}
	pgtest.Exec(t, conn, `update pgherald.log set pruned_below = pg_snapshot_xmin(pg_current_snapshot())`)
	before := time.Now()
	if got := countsOf(t, past, nil, nil, from); got.From.Before(before) {
		t.Errorf("a log that was emptied at %s: complete since %s", before, got.From)
	}
}
