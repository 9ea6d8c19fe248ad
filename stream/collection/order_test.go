package collection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/collection"
)

// TestPagesEqualOrder reads random tables in pages, in random orders, and compares them with the whole list.
func TestPagesEqualOrder(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, schemaOfOracles)
	pgtest.Exec(t, conn, "set timezone = 'UTC'; set datestyle = 'ISO'")
	for i := range max(1, *histories/4) {
		o := &oracle{T: t, conn: conn, seed: *firstSeed + uint64(i), collection: &collection.Collection{Name: "rows", Fields: oracleFields()}}
		o.rng = rand.New(rand.NewPCG(o.seed, 17))
		o.fill()
		for range 15 {
			o.page(o.order())
		}
	}
}

// order returns a random order that ends with the key.
func (o *oracle) order() (string, collection.Order) {
	o.Helper()
	var texts, names []string
	for range o.rng.IntN(4) {
		f := o.field()
		if f.Name == "id" || slices.Contains(names, f.Name) {
			continue
		}
		names = append(names, f.Name)
		texts = append(texts, quoted(f.Name)+[]string{"", ".asc", ".desc"}[o.rng.IntN(3)])
	}
	text := strings.Join(texts, ",")
	order, err := collection.ParseOrder(o.collection, text)
	if err != nil || len(order) != len(names) {
		o.Fatalf("seed %d: parse order %s: %v, %v", o.seed, text, order, err)
	}
	return text, append(order, collection.Term{SQL: `n."id"`, Type: "pg_catalog.int8", Desc: o.rng.IntN(2) == 0})
}

func (o *oracle) page(text string, order collection.Order) {
	o.Helper()
	want := o.keys(order, "true", rowsOfTable, nil)
	var got []string
	var last []*string
	for {
		p := &collection.Params{}
		condition := "true"
		if last != nil {
			condition = order.After(last, p)
		}
		page := o.keys(order, condition, 1+o.rng.IntN(20), p.Values)
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			got = append(got, *row[len(row)-1])
		}
		if last = page[len(page)-1]; len(got) > rowsOfTable {
			break
		}
	}
	for i, row := range want {
		if len(got) != len(want) || got[i] != *row[len(row)-1] {
			o.Fatalf("seed %d: order %s, key last %+v: the pages have the keys %v, the list begins to differ at %d (%d rows)", o.seed, text, order[len(order)-1], got, i, len(want))
		}
	}
}

// keys returns the values of the order's terms of the rows that meet the condition; the key is the last.
func (o *oracle) keys(order collection.Order, condition string, limit int, values []string) [][]*string {
	o.Helper()
	var columns []string
	for _, t := range order {
		columns = append(columns, "("+t.SQL+")::text")
	}
	args := []any{pgx.QueryExecModeDescribeExec}
	for _, v := range values {
		args = append(args, v)
	}
	rows, err := o.conn.Query(context.Background(), fmt.Sprintf("select array[%s] from public.rows n where %s order by %s limit %d",
		strings.Join(columns, ", "), condition, order.SQL(), limit), args...)
	if err != nil {
		o.Fatalf("seed %d: %v", o.seed, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[[]*string])
	if err != nil {
		o.Fatalf("seed %d: %s: %v", o.seed, condition, err)
	}
	return all
}

func TestParseOrder(t *testing.T) {
	order, err := collection.ParseOrder(orders(), "status.desc,total,id.asc")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := order.SQL(), `n."order status" desc, n."total", n."id"`; got != want {
		t.Errorf("got %s", got)
	}
	for text, want := range map[string]string{
		"nothing":               `parameter order names "nothing", by which clients cannot filter: the filter fields of orders are id, status, total`,
		"note":                  `parameter order names "note", by which clients cannot filter: the filter fields of orders are id, status, total`,
		"id,id.desc":            `parameter order names "id" twice`,
		"id.up":                 `parameter order has ".up" after a field: write .asc, .desc or a comma`,
		"id,":                   `parameter order names "", by which clients cannot filter: the filter fields of orders are id, status, total`,
		"id.desc.nullslast":     `parameter order has ".nullslast" after a field: write .asc, .desc or a comma`,
		strings.Repeat("i", 99): `parameter order names "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"…, by which clients cannot filter: the filter fields of orders are id, status, total`,
	} {
		_, err := collection.ParseOrder(orders(), text)
		var wrong *collection.ParamError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// An index on the columns serves filters, orders and pages: each of these plans must have it, and no sort.
func TestPlansUseIndexes(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, schemaOfOracles+`
		insert into public.rows (id, "te.xt", v, nm, note, mood, moody, i2, big, num, amount, u, d, ts, tz)
		select i, i, i, i, i, 'open', 'open', i % 1000, i, i, i, gen_random_uuid(), date '2000-01-01' + i, now(), now() from generate_series(1, 5000) i;
		analyze public.rows`)
	c := &collection.Collection{Name: "rows", Fields: oracleFields()}
	for name, value := range map[string]string{
		"te.xt": "eq.1", "v": "in.(1,2)", "nm": "eq.1", "note": "in.(1,2)", `shor"ter`: "eq.1", "mood": "eq.(x)", "moody": "in.(NULL,\"(x)\")",
		"i2": "in.(1,2)", "big": "gt.4990", "num": "lt.10", "amount": "eq.1", "u": "eq.0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f", "d": "eq.2003-01-01",
		"ts": "gt.2100-01-01", "tz": "lt.2000-01-01T00:00:00Z",
	} {
		column := pgx.Identifier{name}.Sanitize()
		pgtest.Exec(t, conn, "create index on public.rows ("+column+")")
		p := &collection.Params{}
		w, err := collection.Parse(c, map[string][]string{"where." + name: {value}})
		if err != nil {
			t.Fatal(err)
		}
		if plan := explain(t, conn, "select * from public.rows n where "+w.SQL(p), p.Values); !strings.Contains(plan, "Index Cond") {
			t.Errorf("%s %s:\n%s", name, value, plan)
		}
	}
	pgtest.Exec(t, conn, "drop index public.rows_big_idx, public.rows_num_idx; alter table public.rows alter big set not null; create index on public.rows (big, id); create index on public.rows (num desc, id desc); analyze public.rows")
	for _, text := range []string{"big", "num.desc"} {
		order, err := collection.ParseOrder(c, text)
		if err != nil {
			t.Fatal(err)
		}
		order[0].Nullable = text != "big"
		order = append(order, collection.Term{SQL: `n."id"`, Type: "pg_catalog.int8", Desc: order[0].Desc})
		p := &collection.Params{}
		after := order.After([]*string{pointer("2500"), pointer("2500")}, p)
		plan := explain(t, conn, "select * from public.rows n where "+after+" order by "+order.SQL()+" limit 10", p.Values)
		if !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Sort") {
			t.Errorf("%s:\n%s", after, plan)
		}
	}
}

func explain(t *testing.T, conn *pgx.Conn, sql string, values []string) string {
	t.Helper()
	args := []any{pgx.QueryExecModeDescribeExec}
	for _, v := range values {
		args = append(args, v)
	}
	rows, err := conn.Query(context.Background(), "explain "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}
