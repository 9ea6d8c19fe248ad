package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// readAll reads everything that the cursor has not seen. It fails the test if that takes more than five minutes:
// a read that makes no progress would never end.
func readAll(t *testing.T, log *eventlog.Log, from stream.Cursor) (events []stream.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := log.Read(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	for {
		tx, err := r.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, tx.Events...)
	}
}

// TestReadOfASmallAndAHugeEvent reads a small event and one of 9 MiB that follows in the same page, which no
// page holds.
func TestReadOfASmallAndAHugeEvent(t *testing.T) {
	for name, sql := range map[string]string{
		"data":             `insert into pgherald.events (type, key, data) select 'a', 'k', to_json(repeat('x', n)) from unnest('{1,9000000}'::int[]) n`,
		"data, in turns":   `insert into pgherald.events (type, key, data) select 'a', 'k', to_json(repeat('x', n)) from unnest('{1,9000000,1,9000000,9000000}'::int[]) n`,
		"incompressible":   `insert into pgherald.events (type, key, data) select 'a', 'k', to_json(string_agg(md5(i::text), '')) from generate_series(1, 300000) i group by i >= 2 order by i >= 2`,
		"many tags":        `insert into pgherald.events (type, key, audience, data) select 'a', 'k', array_fill('tag'::text, array[n]), '1' from unnest('{1,2000000}'::int[]) n`,
		"one huge tag":     `insert into pgherald.events (type, key, audience, data) select 'a', 'k', array[repeat('x', n)], '1' from unnest('{1,9000000}'::int[]) n`,
		"null tags":        `insert into pgherald.events (type, key, audience, data) select 'a', 'k', array_fill(null::text, array[n]), '1' from unnest('{1,9000000}'::int[]) n`,
		"a huge key":       `insert into pgherald.events (type, key, data) select 'a', repeat('k', n), '1' from unnest('{1,9000000}'::int[]) n`,
		"a huge type":      `insert into pgherald.events (type, key, data) select repeat('a', n), 'k', '1' from unnest('{1,9000000}'::int[]) n`,
		"former values":    `insert into pgherald.events (type, key, data, was) select 'a', 'k', '1', to_json(repeat('x', n)) from unnest('{1,9000000}'::int[]) n`,
		"half and half":    `insert into pgherald.events (type, key, data, was) select 'a', 'k', to_json(repeat('x', n)), to_json(repeat('y', n)) from unnest('{1,3000000}'::int[]) n`,
		"many former tags": `insert into pgherald.events (type, key, audience_was, data) select 'a', 'k', array_fill('tag'::text, array[n]), '1' from unnest('{1,2000000}'::int[]) n`,
		"one former tag":   `insert into pgherald.events (type, key, audience_was, data) select 'a', 'k', array[repeat('x', n)], '1' from unnest('{1,9000000}'::int[]) n`,
		"all of it large":  `insert into pgherald.events (type, key, audience, data) select 'a', repeat('k', n), array[repeat('x', n / 10)], to_json(repeat('x', n)) from unnest('{1,3000000}'::int[]) n`,
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			meter, metered := newMeter(t, url)
			log := openLog(t, metered)
			start := head(t, log, 0)
			writer := pgtest.Connect(t, url)
			pgtest.Exec(t, writer, sql)
			before := meter.bytes.Load()
			events := readAll(t, log, start)
			if n := meter.bytes.Load() - before; n > 2<<20 {
				t.Errorf("%d bytes were fetched", n)
			}
			if n := countEvents(t, writer); len(events) != n {
				t.Fatalf("got %d events of %d", len(events), n)
			}
			if e := events[0]; e.Incomplete != "" || e.Type != "a" || e.Data == nil {
				t.Errorf("the small event is %+v", e)
			}
			for _, e := range events {
				if size := len(e.Type) + len(e.Key) + len(fmt.Sprint(e.Audience, e.AudienceWas)) + len(e.Data) + len(e.Was); size > 2<<20 {
					t.Errorf("event %d takes %d bytes", e.ID, size)
				}
			}
			if e := events[len(events)-1]; e.Incomplete == "" {
				t.Errorf("the huge event has %d bytes of data", len(e.Data))
			}
		})
	}
}

func countEvents(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `select count(*) from pgherald.events`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// randomSQL writes an event whose sizes are given: of the key, of a tag, of the data, of a former tag, and of the former
// values. Compressible texts are repetitions.
const randomSQL = `
insert into pgherald.events (type, key, audience, data, audience_was, was)
select
    'a', repeat('k', $1), case when $2 > 0 then array[repeat('t', $2), 'x'] end, to_json(
    case when $4 then repeat('d', $3)
    else coalesce((select left(string_agg(md5(random()::text), ''), $3) from generate_series(0, $3 / 32)), '') end),
    case when $5 > 0 then array[repeat('t', $5), 'x'] end, case when $6 > 0 then to_json(repeat('w', $6)) end`

// TestReadOfRandomSizes reads random transactions of random events with random limits. Each read must make
// progress, and yield each event once, in order, whole or oversized as its size says.
func TestReadOfRandomSizes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	url := pgtest.NewDatabase(t)
	whole, writer := openLog(t, url), pgtest.Connect(t, url)
	size := func() int { return int(math.Exp(random.Float64()*11)) - 1 } // up to 60,000, mostly small
	for range 12 {
		start := head(t, whole, 0)
		open := []pgx.Tx{pgtest.Begin(t, url), pgtest.Begin(t, url), pgtest.Begin(t, url)}
		for range 5 + random.IntN(60) {
			rarely := func() int {
				if random.IntN(3) > 0 {
					return 0
				}
				return size()
			}
			tx := open[random.IntN(len(open))]
			if _, err := tx.Exec(t.Context(), randomSQL, size(), rarely(), size(), random.IntN(2) == 0, rarely(), rarely()); err != nil {
				t.Fatal(err)
			}
		}
		for _, tx := range open {
			pgtest.Commit(t, tx)
		}
		for range 4 {
			maxEvent, maxPage := int64(200+size()), 100+size()
			log := whole.WithSizes(1+random.IntN(50), 1+random.IntN(4), 1+size()).WithLimits(maxEvent, maxPage)
			got := make(map[int64]string)
			for _, e := range readAll(t, log, start) {
				if got[e.ID] != "" {
					t.Fatalf("event %d came twice", e.ID)
				}
				got[e.ID] = fmt.Sprintf("oversized %v, key %d, tags %d, data %d, former tags %d, was %d",
					e.Incomplete == stream.Oversized, len(e.Key), len(e.Audience), len(e.Data), len(e.AudienceWas), len(e.Was))
			}
			if diff := cmp.Diff(expected(t, writer, start, maxEvent), got); diff != "" {
				t.Fatalf("events up to %d bytes, pages up to %d: %s", maxEvent, maxPage, diff)
			}
		}
		pgtest.Exec(t, writer, `delete from pgherald.events`)
	}
}

// expected returns what a read yields of each event, by SQL's own sizes.
func expected(t *testing.T, conn *pgx.Conn, start stream.Cursor, maxEvent int64) map[int64]string {
	t.Helper()
	rows, _ := conn.Query(t.Context(), `
		select id, octet_length(key) as key, coalesce(cardinality(audience), 0) as tags, octet_length(data::text) as data,
			coalesce(cardinality(audience_was), 0) as former, coalesce(octet_length(was::text), 0) as was,
			octet_length(type) + octet_length(key) + octet_length(data::text) + coalesce(octet_length(was::text), 0)
			+ coalesce(octet_length(array_to_string(audience, '')) + 16 * cardinality(audience), 0)
			+ coalesce(octet_length(array_to_string(audience_was, '')) + 16 * cardinality(audience_was), 0) as size
		from pgherald.events where xid >= $1`, start.Next())
	want := make(map[int64]string)
	var id, key, tags, data, former, was, size int64
	_, err := pgx.ForEachRow(rows, []any{&id, &key, &tags, &data, &former, &was, &size}, func() error {
		oversized := size > maxEvent
		if oversized {
			data, was = 0, 0
			if key > 1000 {
				key = 0
			}
		}
		want[id] = fmt.Sprintf("oversized %v, key %d, tags %d, data %d, former tags %d, was %d", oversized, key, tags, data, former, was)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return want
}
