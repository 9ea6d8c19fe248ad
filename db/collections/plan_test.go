package collections_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// plan returns PostgreSQL's plan of each statement, planned as in pgherald.list_rows.
func plan(k *kit, queries, params []string) (plans []string) {
	k.Helper()
	for _, sql := range queries {
		rows, err := k.conn.Query(k.Context(), "explain (format json) "+strings.ReplaceAll(sql, "($1)[", "($1::text[])["), pgx.QueryExecModeExec, params)
		if err != nil {
			k.Fatal(err)
		}
		plan, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[json.RawMessage])
		if err != nil {
			k.Fatalf("%s: %v", sql, err)
		}
		plans = append(plans, string(plan))
	}
	return plans
}

// Filters, orders, positions and keys use the indexes of the table: no plan sorts, or reads the whole table.
func TestIndexesAreUsed(t *testing.T) {
	k := newKit(t, `
		create table public.orders (id bigint primary key, status text not null, total numeric, customer int not null, created_at timestamptz not null, readers text[]);
		create index by_status on public.orders (status, created_at desc, id desc);
		create index by_total on public.orders (total, id);
		create index by_customer on public.orders (customer);
		create index by_reader on public.orders using gin (readers);
		insert into public.orders
		select i, case when i % 100 = 0 then 'open' else 'paid' end, nullif(i % 1000, 0), i % 500, '2026-01-01Z'::timestamptz + i * interval '1 second', array['user:' || i % 1000]
		from generate_series(1, 20000) as i;
		analyze public.orders`)
	s := orders()
	s.Fields[4] = collection.Field{Name: "created_at", Filter: collection.Timestamptz, Column: "created_at"}
	private := orders()
	private.Name, private.Audience = "private", "n.readers"
	l := k.lists(smallOptions, s, private)
	k.exec(`set search_path = pg_catalog`)
	for _, c := range []struct{ collection, params, index string }{
		{"orders", "", "orders_pkey"}, {"orders", "where.id=in.(7,8)", "orders_pkey"}, {"orders", "where.id=gt.19000", "orders_pkey"},
		{"orders", "where.status=open&order=created_at.desc", "by_status"}, {"orders", "order=total", "by_total"}, {"orders", "order=total.desc", "by_total"},
		{"orders", "where.total=7", "by_total"}, {"orders", "where.total=is.null", "by_total"}, {"orders", "where.customer=7", "by_customer"},
		{"orders", "any=(customer.eq.7,id.eq.9)&order=status", "by_customer"}, {"private", "grant=user:7&order=status", "by_reader"},
	} {
		collectionOf := map[string]*collection.Collection{"orders": &s.Collection, "private": &private.Collection}[c.collection]
		q := query(t, collectionOf, c.params)
		ordered := c.index != "by_customer" && c.index != "by_reader"
		pagesToRead := 1
		if ordered {
			q.Limit, pagesToRead = 3, 3
		}
		for pages := range pagesToRead {
			queries, params, err := l.PageSQL(c.collection, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range plan(k, queries, params) {
				if !strings.Contains(p, `"`+c.index+`"`) || strings.Contains(p, "Seq Scan") {
					t.Errorf("%s?%s, page %d, has the plan %s", c.collection, c.params, pages, p)
				}
				if ordered && strings.Contains(c.params, "order=") && strings.Contains(p, `"Sort"`) {
					t.Errorf("%s?%s, page %d, sorts: %s", c.collection, c.params, pages, p)
				}
			}
			if q.After = page(t, l, c.collection, q).Next; q.After == "" {
				break
			}
		}
	}
	sql, params := l.RowSQL("orders", "7", nil)
	if p := plan(k, []string{sql}, params)[0]; !strings.Contains(p, "orders_pkey") {
		t.Errorf("a row by its key has the plan %s", p)
	}
}
