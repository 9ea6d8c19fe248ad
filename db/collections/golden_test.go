package collections_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGoldenSQL(t *testing.T) {
	k := newKit(t, ordersDDL+`;
		create table public."Lines" ("order" int, pos text, primary key ("order", pos));
		create table public.clients (id int primary key, name text)`)
	s := orders()
	s.From += "\nleft join public.clients as c on c.id = n.customer"
	s.RowSQL += ",\n    c.name as client,\n    (\n        n.total / 2 -- rounded\n    ) as half"
	s.Audience = "array['user:' || n.customer]"
	lines := source("x", "order,pos", field("order", collection.Integer, false))
	lines.Name, lines.Table, lines.From = "lines", `public."Lines"`, `public."Lines" as n`
	lines.KeySQL = `pg_catalog.json_build_array(n."order", n.pos)::pg_catalog.text`
	l := k.lists(smallOptions, s, lines)
	var b strings.Builder
	write := func(title string, params []string, queries ...string) {
		b.WriteString("==== " + title + "\n")
		for _, q := range queries {
			b.WriteString(q + ";\n")
		}
		b.WriteString("-- with " + strings.Join(params, ", ") + "\n\n")
	}
	for _, c := range [][2]string{
		{"orders", ""}, {"orders", "where.status=in.(open,paid)&any=(total.gt.5,customer.eq.1)&order=total.desc,customer&grant=user:1"}, {"lines", ""},
		{"lines", "where.order=7&order=order.desc"},
	} {
		source := map[string]*collection.Collection{"orders": &s.Collection, "lines": &lines.Collection}[c[0]]
		q := query(t, source, c[1])
		queries, params, err := l.PageSQL(c[0], q)
		if err != nil {
			t.Fatal(err)
		}
		write("page of "+c[0]+"?"+c[1], params, queries...)
		sql, params := l.CountSQL(c[0], q)
		write("count of "+c[0]+"?"+c[1], params, sql)
	}
	for _, order := range []string{"total", "total.desc"} {
		q := query(t, &s.Collection, "grant=user:1&order="+order)
		q.Limit = 2
		for q.Grants = []string{"user:0", "user:1", "user:2", "user:3"}; ; {
			p := page(t, l, "orders", q)
			if q.After = p.Next; q.After == "" {
				break
			}
			queries, params, err := l.PageSQL("orders", q)
			if err != nil {
				t.Fatal(err)
			}
			if first := strings.Contains(b.String(), "after "+p.Keys[1]+" by "+order+"\n"); !first && (p.Keys[1] == "35" || p.Keys[1] == "7") {
				write("page after "+p.Keys[1]+" by "+order, params, queries...)
			}
		}
	}
	for _, c := range [][2]string{{"orders", "7"}, {"lines", `[7, "a"]`}} {
		sql, params := l.RowSQL(c[0], c[1], []string{"user:1"})
		write("row "+c[1]+" of "+c[0], params, sql)
	}
	const file = "testdata/lists.sql"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the SQL differs from %s: run with -update and look at the difference\n%s", file, got)
	}
}
