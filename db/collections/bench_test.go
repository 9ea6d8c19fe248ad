package collections_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/collection"
)

var benchRows = flag.Int("bench.rows", 100_000, "rows of the table of BenchmarkList")

// bareSelects are what a program without pgherald would run for the same rows.
var bareSelects = []struct{ params, sql string }{
	{"", `select to_json(o) from public.orders as o order by o.id limit 50`},
	{"where.status=open&order=created_at.desc", `select to_json(o) from public.orders as o where o.status = 'open' order by o.created_at desc, o.id desc limit 50`},
	{"where.customer=in.(7,8,9)&order=total", `select to_json(o) from public.orders as o where o.customer in (7, 8, 9) order by o.total, o.id limit 50`},
	{"where.total=gt.999&order=total.desc", `select to_json(o) from public.orders as o where o.total > 999 order by o.total desc, o.id desc limit 50`},
	{"order=customer", `select to_json(o) from public.orders as o order by o.customer, o.id limit 50`}, // sorts all rows
}

// BenchmarkList compares lists of 50 rows with bare SELECTs: "select" is the SELECT in a transaction with the same
// settings and isolation, and the cursor, as any list with a cursor needs; "bare" is the SELECT alone.
func BenchmarkList(b *testing.B) {
	k := newKit(b, fmt.Sprintf(`
		create table public.orders (id bigint primary key, status text not null, total numeric(10, 2), customer int not null, note text, created_at timestamptz not null);
		insert into public.orders
		select i, (array['open', 'paid', 'shipped', 'closed'])[1 + i %% 4], (i * 7919 %% 100000) / 100.0, i * 31 %% 50000, repeat('x', 40), '2026-01-01Z'::timestamptz + i * interval '1 second'
		from generate_series(1, %d::bigint) as i;
		create index on public.orders (status, created_at, id);
		create index on public.orders (total, id);
		create index on public.orders (customer);`, *benchRows))
	k.exec(`vacuum analyze public.orders`)
	s := source("orders", "id", field("id", collection.Integer, false), field("status", collection.Text, false), field("total", collection.Numeric, true),
		field("customer", collection.Integer, false), collection.Field{Name: "created_at", Filter: collection.Timestamptz})
	s.Fields[4].Column, s.RowSQL = "created_at", ""
	l := k.lists(smallOptions, s)
	pool, err := db.OpenPool(b.Context(), k.url, db.PoolOptions{Name: "bench", Size: 1, Timeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	read := func(conn interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}, sql string) {
		rows, err := conn.Query(b.Context(), sql)
		if err != nil {
			b.Fatal(err)
		}
		if list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte]); err != nil || len(list) == 0 {
			b.Fatal(err)
		}
	}
	for _, c := range bareSelects {
		q := query(b, &s.Collection, c.params)
		b.Run("bare/"+c.params, func(b *testing.B) {
			measure(b, func() { read(k.conn, c.sql) })
		})
		b.Run("select/"+c.params, func(b *testing.B) {
			measure(b, func() {
				tx, err := pool.BeginForeign(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := k.log.SnapshotCursor(b.Context(), tx); err != nil {
					b.Fatal(err)
				}
				read(tx, c.sql)
				if err := tx.Rollback(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run("list/"+c.params, func(b *testing.B) {
			measure(b, func() {
				p, err := l.Page(b.Context(), "orders", q)
				if err != nil {
					b.Fatal(err)
				}
				p.Release()
			})
		})
	}
}

// measure reports the shortest time too: on a busy machine, it says more than the mean.
func measure(b *testing.B, do func()) {
	shortest := time.Hour
	for b.Loop() {
		began := time.Now()
		do()
		shortest = min(shortest, time.Since(began))
	}
	b.ReportMetric(float64(shortest.Microseconds()), "min-µs/op")
}
